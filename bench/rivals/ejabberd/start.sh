#!/usr/bin/env bash
# start.sh PORT DATA FIRST COUNT: becomes an ejabberd that listens on 127.0.0.1:PORT, keeps its files in the folder DATA and has the
# accounts uFIRST to u(FIRST+COUNT-1) of localhost, each with its own name as password. It says "ready" when they are there; SIGTERM
# ends it. No distribution: no node name, no cookie, no port mapper, so that several run side by side.
set -euo pipefail
port=$1 data=$2 first=$3 count=$4
here=$(cd "$(dirname "$0")" && pwd)
ulimit -n "$(ulimit -Hn)"
sed -e "s|PORT|$port|" "$here/ejabberd.yml" > "$data/ejabberd.yml"

export EJABBERD_CONFIG_PATH=$data/ejabberd.yml
export EJABBERD_LOG_PATH=$data/ejabberd.log
export ERL_CRASH_DUMP_BYTES=0
export ERL_LIBS=/usr/lib/$(uname -m)-linux-gnu
export ERL_MAX_ETS_TABLES=20000
export HOME=$data
# The only thing it needs a working folder for is a crash dump.
cd "$data"

# +K true      epoll, its default
# +P, +Q       processes (several a connection) and ports (one a connection)
# +sbwt none   schedulers sleep at once when there is nothing to do: with as many schedulers as cores and the load on the same cores,
#              spinning takes from both
# +stbt ts     schedulers bound to cores where the machine tells its topology
# -mode embedded: all code is loaded at start, none under load
exec erl -noinput +K true +P 1000000 +Q 65536 +sbwt none +sbwtdcpu none +sbwtdio none \
    -mnesia dir "\"$data/mnesia\"" -mnesia dump_log_write_threshold 50000 -s ejabberd \
    -eval "
        {ok, _} = application:ensure_all_started(ejabberd),
        lists:foreach(fun(I) ->
            Name = <<\"u\", (integer_to_binary(I))/binary>>,
            ok = ejabberd_auth:try_register(Name, <<\"localhost\">>, Name)
        end, lists:seq($first, $first + $count - 1)),
        io:format(\"ready~n\")."
