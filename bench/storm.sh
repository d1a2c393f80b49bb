#!/bin/bash
# Those already in, while 200,000 devices come back at once, and the node's memory against a slow ramp.
#
# One node, 1,000 pairs that chat at 1,000 messages a second (open loop), and the storm's devices, all on this machine. In order:
#   1. a storm of 20,000, and chat until the log's memory is full: code that is compiled, and pages of the log, would otherwise come on top of what is compared
#   2. all devices come in at --ramp a second; the node's memory
#   3. quiet: all are idle but the chat, which is measured for 34 s
#   4. storm: all devices break off and come back as fast as the node takes them; the chat is measured meanwhile, for --seconds
#   5. 60 s after the last is back: the node's memory
# The storm's process runs at the lowest priority: on a machine of its own it would not take the node's processor.
#
#   bench/storm.sh [--rounds 3] [--connections 200000] [--ramp 1900] [--seconds 54] [--out FOLDER] [-- further options of the node]
#
# Needs what `dotnet build -c Release` builds. Writes each run's JSON into FOLDER, a temporary one unless it is named, and prints a table.
set -u
rounds=3 connections=200000 ramp=1900 seconds=54 out=$(mktemp -d)
while [ $# -gt 0 ]; do
  case $1 in
    --rounds) rounds=$2; shift 2;;
    --connections) connections=$2; shift 2;;
    --ramp) ramp=$2; shift 2;;
    --seconds) seconds=$2; shift 2;;
    --out) out=$2; shift 2;;
    --) shift; break;;
    *) echo "storm.sh: $1 is not an option" >&2; exit 2;;
  esac
done

root=$(cd "$(dirname "$0")/.." && pwd)
gateway=$root/src/Gateway.Server/bin/Release/net10.0/gateway
c10m=$root/tools/C10M/bin/Release/net10.0/C10M
for program in "$gateway" "$c10m"; do
  [ -x "$program" ] || { echo "storm.sh: $program is not built: dotnet build -c Release" >&2; exit 2; }
done

mkdir -p "$out"
# On the disk of the repository, as the other benchmarks' data: a temporary folder may be memory.
data=$root/bench/data/storm
node='' storm=''
trap '[ -z "$storm" ] || kill "$storm"; [ -z "$node" ] || kill "$node"; rm -rf "$data"' EXIT

chat() { # NAME, further options
  local name=$1; shift
  "$c10m" relay --pairs 1000 --rate 1000 --mix chat --secret "$data/secret" --first-address 9000000 --first-source 127.0.9.1 \
    --json "$out/$name.json" "$@" > "$out/$name.out" 2>&1 || { echo "storm.sh: the chat failed: $out/$name.out" >&2; exit 1; }
}

for round in $(seq "$rounds"); do
  rm -rf "$data"; mkdir -p "$data"
  "$gateway" --data "$data" --reactors 2 --io uring --max-connections 300000 --log-memory 16MiB "$@" > "$out/node-$round.out" 2>&1 & node=$!
  until grep -q '^gateway ready' "$out/node-$round.out"; do
    kill -0 $node 2> /dev/null || { cat "$out/node-$round.out" >&2; node=''; exit 1; }
    sleep 0.2
  done
  echo "round $round of $rounds: warming up, then a ramp of $connections at $ramp a second" >&2
  "$c10m" storm --connections 20000 --times 1 --ramp-rate 4000 --io uring --first-source 127.0.1.1 --first-address 3000000 \
    --secret "$data/secret" --json "$out/warm-$round.json" > "$out/warm-$round.out" 2>&1 || { echo "storm.sh: the small storm failed: $out/warm-$round.out" >&2; exit 1; }
  chat "fill-$round" --time 45s
  nice -n 19 "$c10m" storm --connections "$connections" --times 1 --ramp-rate "$ramp" --hold 60s --stall 5m --io uring --first-source 127.0.1.1 \
    --secret "$data/secret" --server-pid $node --json "$out/storm-$round.json" > "$out/storm-$round.out" 2>&1 & storm=$!
  sleep $((connections / ramp + 2))
  echo "round $round of $rounds: quiet" >&2
  chat "quiet-$round" --warmup 6s --time 34s
  echo "round $round of $rounds: storm" >&2
  chat "during-$round" --warmup 17s --time "${seconds}s"
  wait $storm || { echo "storm.sh: the storm failed: $out/storm-$round.out" >&2; storm=''; exit 1; }
  storm=''
  kill $node; wait $node; node=''
done

echo "the runs: $out" >&2
python3 - "$out" "$rounds" <<'E_'
import json, statistics, sys
out, rounds = sys.argv[1], int(sys.argv[2])
read = lambda name, i: json.load(open(f"{out}/{name}-{i}.json"))
print("| round | p50, p99, p99.9 quiet, ms | during, ms | p99 ÷ | back in, s | logins a second | memory after the ramp, after the storm, MB | ÷ |")
print("|---|---|---|---:|---:|---:|---|---:|")
ratios, growths = [], []
for i in range(1, rounds + 1):
    quiet, during, storm = read("quiet", i), read("during", i), read("storm", i)
    lost = sum(r[k] for r in (quiet, during) for k in ("errors", "lost", "duplicates", "out_of_order")) + storm["errors"]
    assert lost == 0, f"round {i}: something was lost, doubled, out of order or failed"
    ms = lambda r: ", ".join(f"{r['latency_us'][k] / 1000:.2f}" for k in ("p50", "p99", "p999"))
    before, after = storm["ramp"]["server_memory_bytes"], storm["rounds"][0]["server_memory_bytes"]
    ratios.append(during["latency_us"]["p99"] / quiet["latency_us"]["p99"])
    growths.append(after / before)
    print(f"| {i} | {ms(quiet)} | {ms(during)} | {ratios[-1]:.2f} | {storm['rounds'][0]['seconds']:.1f} | {storm['rounds'][0]['logins_per_second']:,.0f} "
          f"| {before / 2**20:.1f}, {after / 2**20:.1f} | {growths[-1]:.3f} |")
spread = lambda v: f"{statistics.median(v):.2f} ({min(v):.2f} to {max(v):.2f})"
print(f"\np99 during ÷ quiet {spread(ratios)}; memory ÷ ramp {spread(growths)}; nothing lost, doubled, out of order or failed")
E_
