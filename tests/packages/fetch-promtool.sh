#!/usr/bin/env bash
# Takes promtool out of Debian's package prometheus into a folder, as FOLDER/usr/bin/promtool, without installing it: no daemon starts.
set -euo pipefail
folder=${1:?usage: fetch-promtool.sh FOLDER}
command -v apt-get > /dev/null || { echo "fetch-promtool.sh: promtool is not installed, and there is no apt-get" >&2; exit 1; }
mkdir -p "$folder"
cd "$folder"

# One at a time with bench/rivals/install.sh: apt's lists have a lock that nobody waits for.
exec 9> "${TMPDIR:-/tmp}/gateway-packages.lock"
flock 9
# A machine that was never updated has no lists and knows of no package.
apt-get download -qq prometheus 2> /dev/null || { apt-get update -qq && apt-get download -qq prometheus; }
flock -u 9

for package in prometheus_*.deb; do
    dpkg-deb -x "$package" .
    rm -f "$package"
done
