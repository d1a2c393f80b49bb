#!/usr/bin/env bash
# start.sh PORT DATA: becomes a mosquitto that listens on 127.0.0.1:PORT and keeps its file in the folder DATA. It is ready when the
# port answers; SIGTERM ends it.
set -euo pipefail
port=$1 data=$2
here=$(cd "$(dirname "$0")" && pwd)
# Its listener and its files follow the soft limit.
ulimit -n "$(ulimit -Hn)"
sed -e "s|PORT|$port|" -e "s|DATA|$data|" -e "s|USER|$(id -un)|" "$here/mosquitto.conf" > "$data/mosquitto.conf"
exec /usr/sbin/mosquitto -c "$data/mosquitto.conf"
