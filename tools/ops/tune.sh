#!/usr/bin/env bash
# The kernel settings that a node with very many connections needs, each with its reason.
#   tools/ops/tune.sh --check [--connections 1M] [--io epoll|uring] [--with-load]
#   tools/ops/tune.sh --apply [--persist] [the same]
# --check changes nothing and exits with 1 if something lacks; --apply raises what lacks (as root), lowers nothing, and checks again.
# --persist also writes /etc/sysctl.d/90-gateway.conf, so that a reboot keeps it. --with-load: the connections' other ends are on this machine too.
# --root DIR reads and writes DIR/proc and DIR/etc instead, to try it out.
set -euo pipefail

usage() { sed -n '2,7s/^# \{0,1\}//p' "$0"; }

wrong() {
  echo "tune.sh: $1" >&2
  exit 2
}

count() { # 1M, 200k or a plain number
  local digits=${2%[kM]} factor=1
  case $2 in *k) factor=1000 ;; *M) factor=1000000 ;; esac
  [[ $digits =~ ^[1-9][0-9]{0,8}$ ]] || wrong "$1: '$2' is no number of connections, as in 100000, 200k or 1M"
  echo $((digits * factor))
}

mode='' connections=1000000 io=uring load=0 persist=0 root=''
while (($#)); do
  case $1 in
    --check | --apply) mode=${1#--} ;;
    --connections)
      connections=$(count "$1" "${2:-}")
      shift
      ;;
    --io)
      io=${2:-}
      [[ $io == epoll || $io == uring ]] || wrong "--io: '$io' is neither epoll nor uring"
      shift
      ;;
    --with-load) load=1 ;;
    --persist) persist=1 ;;
    --root) root=${2:?--root takes a folder} && shift ;;
    -h | --help) usage && exit 0 ;;
    *) wrong "'$1' is no option; --help lists them" ;;
  esac
  shift
done
[[ -n $mode ]] || { usage >&2 && exit 2; }
((connections <= 100000000)) || wrong "--connections: at most 100M"

# Each end of a connection is a socket of its own; what is here of the other end counts too.
sockets=$((connections * (1 + load)))
readonly KERNEL_BYTES=4400 USER_BYTES=200   # a connection's, as measured: SIZING.md
readonly RESERVED_FILES=4096                # log, HTTP, assemblies, and what else a process opens

larger() { echo $(($1 > $2 ? $1 : $2)); }
path_of() { echo "$root/proc/sys/${1//.//}"; }
value_of() { # of a setting, its numbers a blank apart; empty where the kernel has none
  local path
  path=$(path_of "$1")
  if [[ -r $path ]]; then tr -s '[:space:]' ' ' <"$path" | sed 's/^ //; s/ $//'; fi
}

lacking=0
declare -a to_set=() advice=()

row() { # setting, is, should be, reason; lacks when a fifth is given
  local mark='ok'
  if (($# > 4)); then mark='LACKS'; fi
  printf '%-6s %-34s %-24s %-24s %s\n' "$mark" "$1" "$2" "$3" "$4"
}

at_least() { # setting, number, reason
  local is
  is=$(value_of "$1")
  if [[ -z $is ]]; then
    row "$1" '-' '-' "this kernel has no such setting"
  elif ((is >= $2)); then
    row "$1" "$is" "$2" "$3"
  else
    lacks "$1" "$is" "$2" "$3"
  fi
}

lacks() { # setting, is, should be, reason
  row "$1" "$2" "$3" "$4" lacks
  lacking=$((lacking + 1))
  to_set+=("$1=$3")
}

check_files() {
  at_least fs.file-max $((sockets + sockets / 20 + 65536)) \
    "every socket of the machine counts, io_uring's direct descriptors too; beyond it accept fails with ENFILE"

  # RLIMIT_NOFILE, which fs.nr_open bounds: with epoll the connections of a process, with io_uring those of one of its rings.
  local files nr_open_reason files_reason is
  if [[ $io == epoll ]]; then
    files=$((connections + RESERVED_FILES))
    nr_open_reason="no process may be given more open files than this, and with epoll each connection is one"
    files_reason="with epoll each connection is an open file"
  else
    files=$((connections / 256 + RESERVED_FILES))
    nr_open_reason="a ring's table of direct descriptors is no longer than the open files allowed, and these no more than this"
    files_reason="a ring's table of direct descriptors is no longer than this: with less a node needs more than 256 rings"
  fi
  at_least fs.nr_open "$files" "$nr_open_reason"
  is=$(sed -n 's/^Max open files *[0-9a-z]* *\([0-9a-z]*\).*/\1/p' "$root/proc/self/limits")
  if [[ $is == unlimited ]] || ((is >= files)); then
    row 'open files (ulimit -Hn)' "$is" "$files" "$files_reason"
  else
    row 'open files (ulimit -Hn)' "$is" "$files" "$files_reason" lacks
    lacking=$((lacking + 1))
    advice+=("open files are given to a process when it starts: 'LimitNOFILE=$files' in the [Service] of the node's systemd unit, or 'ulimit -n $files' before it")
  fi
  [[ $io == epoll ]] && return
  is=$(value_of kernel.io_uring_disabled)
  if [[ -z $is || $is == 0 ]]; then row kernel.io_uring_disabled "${is:--}" 0 "the node drives its sockets by io_uring"
  else lacks kernel.io_uring_disabled "$is" 0 "the node drives its sockets by io_uring; 1 leaves it to root, 2 to nobody"; fi
}

check_backlog() {
  # A 64th of all connections, coming back in one moment; between the node's default and what the kernel takes.
  local backlog=$((connections / 64))
  backlog=$(larger "$backlog" 4096)
  ((backlog <= 65535)) || backlog=65535
  at_least net.core.somaxconn "$backlog" \
    "caps --listen-backlog (give the node that too): a client that finds the queue full comes again after 1, 3, 7 s"
  at_least net.ipv4.tcp_max_syn_backlog "$backlog" "handshakes of TCP under way: a storm of reconnects is that many at once"
}

check_memory() {
  # Pages; a ceiling, not a reservation. One page a socket, for idle ones hold none and those with bytes under way one or more; half of memory at most.
  local low pressure high is half
  is=$(value_of net.ipv4.tcp_mem)
  read -r low pressure high <<<"${is:-0 0 0}"
  half=$(($(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' "$root/proc/meminfo") / 8))
  local most=$sockets
  if ((most > half)); then most=$half; fi
  local reason="pages of bytes under way in all sockets; above the second number windows shrink, above the third the kernel drops"
  if ((pressure >= 3 * most / 4 && high >= most)); then
    row net.ipv4.tcp_mem "$is" "$((most / 2)) $((3 * most / 4)) $most" "$reason"
  else
    lacks net.ipv4.tcp_mem "$is" "$(larger "$low" $((most / 2))) $(larger "$pressure" $((3 * most / 4))) $(larger "$high" "$most")" "$reason"
  fi

  local available needed
  available=$(($(sed -n 's/^MemAvailable: *\([0-9]*\) kB/\1/p' "$root/proc/meminfo") / 1024))
  needed=$(((sockets * KERNEL_BYTES + connections * USER_BYTES) / 1048576 + 512))
  if ((available >= needed)); then
    row 'memory available, MiB' "$available" "$needed" "$KERNEL_BYTES B of the kernel's and $USER_BYTES B of the node's a connection, and 512 MiB for the rest"
  else
    row 'memory available, MiB' "$available" "$needed" "$KERNEL_BYTES B of the kernel's and $USER_BYTES B of the node's a connection, and 512 MiB for the rest" lacks
    lacking=$((lacking + 1))
    advice+=("memory cannot be set: $((available > 512 ? (available - 512) * 1048576 / ((1 + load) * KERNEL_BYTES + USER_BYTES) : 0)) connections fit into what is available")
  fi
}

check_ports() {
  local reason="ports are taken by who connects, a proxy in front or a load: so many a source address and destination; the listening end needs none"
  local is first last
  is=$(value_of net.ipv4.ip_local_port_range)
  read -r first last <<<"${is:-0 0}"
  # C10M takes 9,500 of an address, and the kernel's search for a free one is slow once half of them are taken.
  if ((!load)); then row net.ipv4.ip_local_port_range "$is" 'any' "$reason"
  elif ((last - first >= 20000)); then row net.ipv4.ip_local_port_range "$is" '20000 wide' "$reason"
  else lacks net.ipv4.ip_local_port_range "$is" '32768 60999' "$reason"; fi

  # A range that holds the node's own ports gives one of them to whoever connects before the node listens.
  if ((first > 5249)); then return; fi
  is=$(value_of net.ipv4.ip_local_reserved_ports)
  reason="keeps the node's own ports, which lie in that range, from those who connect"
  if [[ ,$is, == *,5240-5249,* ]]; then row net.ipv4.ip_local_reserved_ports "$is" '5240-5249' "$reason"
  else lacks net.ipv4.ip_local_reserved_ports "${is:--}" "${is:+$is,}5240-5249" "$reason"; fi
}

check_conntrack() {
  local tracked
  tracked=$(value_of net.netfilter.nf_conntrack_count)
  if [[ -z $tracked ]]; then return; fi
  if ((tracked == 0)); then
    row net.netfilter.nf_conntrack_max "$(value_of net.netfilter.nf_conntrack_max)" 'any' "connections are not tracked here; with a stateful firewall each would need an entry"
    return
  fi
  at_least net.netfilter.nf_conntrack_max $((sockets + sockets / 4)) \
    "a stateful firewall keeps an entry for each connection; beyond it the kernel drops packets of new ones"
}

check_all() {
  lacking=0 to_set=() advice=()
  echo "for $connections connections by $io$( ((load)) && echo ', with the load on this machine')"
  row_head
  check_files
  check_backlog
  check_memory
  check_ports
  check_conntrack
}

row_head() { printf '%-6s %-34s %-24s %-24s %s\n' '' setting is 'should be' reason; }

tell_advice() {
  local line
  for line in "${advice[@]}"; do echo "note: $line"; done
}

apply() {
  local setting path
  for setting in "${to_set[@]}"; do
    path=$(path_of "${setting%%=*}")
    if ! echo "${setting#*=}" 2>/dev/null >"$path"; then
      echo "tune.sh: ${setting%%=*} cannot be set: is this root, and not a container?" >&2
      exit 1
    fi
    echo "set    ${setting%%=*} = ${setting#*=}"
  done
}

# Whatever this script looked at and can set, as it is now, so that it is so after a reboot whoever had set it.
write_file() {
  local file="$root/etc/sysctl.d/90-gateway.conf" name value
  mkdir -p "${file%/*}"
  {
    echo "# Written by tools/ops/tune.sh for $connections connections by $io; tune.sh --check says what each is for."
    for name in fs.file-max fs.nr_open net.core.somaxconn net.ipv4.tcp_max_syn_backlog net.ipv4.tcp_mem net.ipv4.ip_local_port_range net.ipv4.ip_local_reserved_ports; do
      value=$(value_of "$name")
      if [[ -n $value ]]; then echo "$name = $value"; fi
    done
  } >"$file"
  echo "wrote  $file"
}

if [[ $mode == apply ]]; then
  check_all >/dev/null
  apply
  if ((persist)); then write_file; fi
fi
check_all
tell_advice
((lacking == 0))
