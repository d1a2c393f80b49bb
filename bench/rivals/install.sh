#!/usr/bin/env bash
# Installs Debian's ejabberd and mosquitto unless they are there. Their packages would start a service each on the well-known ports;
# for the time of the installation the machine's policy forbids that, and afterwards the policy is what it was.
set -euo pipefail

missing=()
[ -x /usr/sbin/mosquitto ] || missing+=(mosquitto)
[ -x /usr/sbin/ejabberdctl ] || missing+=(ejabberd)
[ ${#missing[@]} -eq 0 ] && exit 0
[ "$(id -u)" = 0 ] || { echo "install.sh: ${missing[*]}: not installed, and only root may install" >&2; exit 1; }
command -v apt-get > /dev/null || { echo "install.sh: ${missing[*]}: not installed, and there is no apt-get" >&2; exit 1; }

# One at a time: apt's lists have a lock that nobody waits for (tests/packages/fetch.sh takes the same).
exec 9> "${TMPDIR:-/tmp}/gateway-packages.lock"
flock 9

policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod +x "$policy"
fi

export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null
