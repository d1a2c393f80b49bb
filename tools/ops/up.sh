#!/usr/bin/env bash
# A node with Debian's Prometheus and Alertmanager, on loopback, in one command. Ctrl-C ends what this started and nothing else.
set -uo pipefail

usage() {
    cat << 'END'
usage: up.sh [OPTIONS]
  --data DIR               data of all three, kept; otherwise in a folder under /tmp that goes with this command
  --native-port N          the node's (5240); port 0 takes a free one, here and below
  --operator-port N        the node's (5249)
  --prometheus-port N      9090
  --alertmanager-port N    9093
  --gateway PROGRAM        a built node; otherwise one is built from this checkout (Release)
  --bin DIR                where prometheus and prometheus-alertmanager are, if not on the PATH
  --node-option OPTION     passed to the node, e.g. --node-option --reactors=2; again for each
END
}

say() { echo "up.sh: $*" >&2; }
die() { say "$*"; exit 1; }

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
data="" gateway="" bin=""
native_port=5240 operator_port=5249 prometheus_port=9090 alertmanager_port=9093
node_options=()
while [ $# -gt 0 ]; do
    case $1 in
        --help | -h) usage; exit 0 ;;
        --data | --native-port | --operator-port | --prometheus-port | --alertmanager-port | --gateway | --bin | --node-option)
            [ $# -ge 2 ] || { usage >&2; exit 2; } ;;
        *) say "unknown: $1"; usage >&2; exit 2 ;;
    esac
    case $1 in
        --data) data=$2 ;;
        --native-port) native_port=$2 ;;
        --operator-port) operator_port=$2 ;;
        --prometheus-port) prometheus_port=$2 ;;
        --alertmanager-port) alertmanager_port=$2 ;;
        --gateway) gateway=$2 ;;
        --bin) bin=$2 ;;
        --node-option) node_options+=("$2") ;;
    esac
    shift 2
done
for port in "$native_port" "$operator_port" "$prometheus_port" "$alertmanager_port"; do
    [[ $port =~ ^[0-9]{1,5}$ ]] && [ "$port" -le 65535 ] || { say "not a port: $port"; exit 2; }
done

# Programs.
if [ -n "$bin" ]; then bin=$(cd "$bin" 2> /dev/null && pwd) || die "no folder $bin"; fi
PATH=${bin:+$bin:}$PATH
for program in prometheus prometheus-alertmanager; do
    command -v "$program" > /dev/null && continue
    say "$program is not installed. Debian has it: apt-get install prometheus prometheus-alertmanager"
    say "(that starts both as services on 9090 and 9093: stop them, or give other ports here). Without installing anything:"
    say "    tests/packages/fetch.sh FOLDER prometheus prometheus-alertmanager, and --bin FOLDER/usr/bin here"
    exit 1
done
if [ -z "$gateway" ]; then
    say "building the node ..."
    dotnet build -c Release -v quiet --nologo "$root/src/Gateway.Server" >&2 || die "the build failed"
    gateway=$root/src/Gateway.Server/bin/Release/net10.0/gateway
fi
[ -x "$gateway" ] || die "no program $gateway"
gateway=$(cd "$(dirname "$gateway")" && pwd)/$(basename "$gateway")

# Folders.
temporary=""
if [ -z "$data" ]; then
    temporary=$(mktemp -d "${TMPDIR:-/tmp}/gateway-up-XXXXXX") || exit 1
    data=$temporary
fi
mkdir -p "$data/logs" || exit 1
data=$(cd "$data" && pwd)

# What runs, in the order of its start. Each is a session of its own: a terminal sends Ctrl-C to all of a session, and the node would
# take a second signal for the wish to end at once.
names=() pids=()
ending=""

start() {
    local name=$1 folder=$2
    shift 2
    (cd "$folder" && exec setsid "$@") > "$data/logs/$name.log" 2>&1 < /dev/null &
    names+=("$name")
    pids+=($!)
}

end_all() {
    [ -z "$ending" ] || return
    ending=yes
    trap '' INT TERM HUP
    local i
    for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
        kill -TERM "${pids[i]}" 2> /dev/null && say "ending ${names[i]}"
        wait "${pids[i]}" 2> /dev/null
    done
    [ -z "$temporary" ] || rm -rf "$temporary"
}
trap end_all EXIT
trap 'exit 0' INT TERM HUP

# The last one started writes a line that matches; prints its first group.
await() {
    local pattern=$1 i=$((${#pids[@]} - 1)) line
    for ((tries = 0; tries < 1200; tries++)); do
        line=$(sed -nE "s#$pattern#\\1#p" "$data/logs/${names[i]}.log" | head -n 1)
        if [ -n "$line" ]; then
            echo "$line"
            return
        fi
        kill -0 "${pids[i]}" 2> /dev/null || break
        sleep 0.1
    done
    say "${names[i]} did not start:"
    tail -n 20 "$data/logs/${names[i]}.log" >&2
    return 1
}

# Alertmanager, if it is not installed, looks for its templates below the folder that it was unpacked into: tests/packages/fetch.sh.
folder=$data
[ -z "$bin" ] || folder=$(cd "$bin/../.." && pwd)
mkdir -p "$data/alertmanager" "$data/prometheus/rules"
start alertmanager "$folder" prometheus-alertmanager --config.file="$root/tools/ops/alertmanager/alertmanager.yml" --storage.path="$data/alertmanager" \
    --web.listen-address="127.0.0.1:$alertmanager_port" --cluster.listen-address=
alertmanager=$(await '.*msg="Listening on" address=([0-9.:]+).*') || exit 1

# The node tells it of its own alerts, unless it is to tell somebody else.
[[ " ${node_options[*]}" == *" --alert-webhook"[=\ ]* ]] || node_options+=("--alert-webhook=http://$alertmanager")
start node "$data" "$gateway" --data "$data/node" --native-listen "127.0.0.1:$native_port" --operator-listen "127.0.0.1:$operator_port" "${node_options[@]}"
await '^(gateway ready)$' > /dev/null || exit 1
native=$(await '^native +tcp://([0-9.:]+)$') && operator=$(await '^operator +http://([0-9.:]+)$') || exit 1

cp "$root"/tools/ops/prometheus/rules/*.yml "$data/prometheus/rules/"
sed "s#127\\.0\\.0\\.1:5249#$operator#; s#127\\.0\\.0\\.1:9093#$alertmanager#" "$root/tools/ops/prometheus/prometheus.yml" > "$data/prometheus/prometheus.yml"
start prometheus "$data" prometheus --config.file="$data/prometheus/prometheus.yml" --storage.tsdb.path="$data/prometheus/data" \
    --web.listen-address="127.0.0.1:$prometheus_port"
prometheus=$(await '.*msg="Listening on" address=([0-9.:]+).*') || exit 1

cat << END
node          tcp://$native
operator      http://$operator/   /status   /metrics   /livez   /readyz
prometheus    http://$prometheus/alerts
alertmanager  http://$alertmanager/#/alerts
data          $data${temporary:+ (goes with this command)}
Ctrl-C ends all three.
END

# Until Ctrl-C, or one of them ends by itself.
wait -n "${pids[@]}"
for i in "${!pids[@]}"; do
    kill -0 "${pids[i]}" 2> /dev/null && continue
    say "${names[i]} has ended by itself:"
    tail -n 20 "$data/logs/${names[i]}.log" >&2
done
exit 1
