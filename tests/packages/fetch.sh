#!/usr/bin/env bash
# Unpacks Debian packages into a folder, as FOLDER/usr/bin/..., without installing them: no daemon starts. What they depend on does not come along, but
# with --dependencies what of that is not installed is unpacked beside them.
set -euo pipefail
usage="usage: fetch.sh [--dependencies] FOLDER PACKAGE..."
dependencies=false
if [ "${1:-}" = --dependencies ]; then
    dependencies=true
    shift
fi
folder=${1:?$usage}
shift
[ $# -gt 0 ] || { echo "$usage" >&2; exit 2; }
command -v apt-get > /dev/null || { echo "fetch.sh: there is no apt-get to fetch $* with" >&2; exit 1; }
mkdir -p "$folder"
cd "$folder"

# One at a time with bench/rivals/install.sh: apt's lists have a lock that nobody waits for.
exec 9> "${TMPDIR:-/tmp}/gateway-packages.lock"
flock 9
if $dependencies; then
    missing() { LC_ALL=C apt-get install --simulate --no-install-recommends "$@" 2> /dev/null | awk '/^Inst / { print $2 }'; }
    apt-cache show "$1" > /dev/null 2>&1 || apt-get update -qq
    readarray -t all < <(missing "$@")
    [ ${#all[@]} -eq 0 ] || set -- "${all[@]}"
fi

# A machine that was never updated has no lists and knows of no package.
apt-get download -qq "$@" 2> /dev/null || { apt-get update -qq && apt-get download -qq "$@"; }
flock -u 9

for package in "$@"; do
    for file in "${package%%:*}"_*.deb; do
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
