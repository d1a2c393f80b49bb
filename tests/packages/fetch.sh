#!/usr/bin/env bash
# Unpacks Debian packages into a folder, as FOLDER/usr/bin/..., without installing them: no daemon starts, and what they depend on does not come along.
set -euo pipefail
folder=${1:?usage: fetch.sh FOLDER PACKAGE...}
shift
[ $# -gt 0 ] || { echo "usage: fetch.sh FOLDER PACKAGE..." >&2; exit 2; }
command -v apt-get > /dev/null || { echo "fetch.sh: there is no apt-get to fetch $* with" >&2; exit 1; }
mkdir -p "$folder"
cd "$folder"

# One at a time with bench/rivals/install.sh: apt's lists have a lock that nobody waits for.
exec 9> "${TMPDIR:-/tmp}/gateway-packages.lock"
flock 9
# A machine that was never updated has no lists and knows of no package.
apt-get download -qq "$@" 2> /dev/null || { apt-get update -qq && apt-get download -qq "$@"; }
flock -u 9

for package in "$@"; do
    for file in "${package}"_*.deb; do
        dpkg-deb -x "$file" .
        rm -f "$file"
    done
done

# Debian's Alertmanager looks for its templates at an absolute path. Where it was not installed it is to look below its working folder, which has to
# be FOLDER then: a relative path of as many bytes.
alertmanager=usr/bin/prometheus-alertmanager
if [ -f "$alertmanager" ]; then
    LC_ALL=C sed -i 's#/usr/share/prometheus/alertmanager#usr/share/prometheus/alertmanager/#g' "$alertmanager"
fi
