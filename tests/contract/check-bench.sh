#!/usr/bin/env bash
# The load generator notices what is wrong, and finds nothing wrong with the
# gateway: bench-raw makes each of its mistakes and must be caught by name; then
# every command runs against the daemon, on both transports.
set -euo pipefail
. "$(dirname "$0")/rules.sh"
work=$(mktemp -d)
server_pid=''
stop_server() {
    [ -n "$server_pid" ] || return 0
    kill "$server_pid" 2>/dev/null || true
    wait "$server_pid" 2>/dev/null || true
    server_pid=''
    exec 5<&-
}
trap 'stop_server; rm -rf "$work"' EXIT
clients=50
runs=0

# Starts a server; the line that says it is ready goes to $ready.
start_server() {
    stop_server
    exec 5< <(exec "$@" 2>"$work/server.err")
    server_pid=$!
    if ! read -rt 30 ready <&5; then
        cat "$work/server.err"
        fault "$1 did not start"
        finish
    fi
}

# load STATUS DIALECT ADDRESS OPTIONS... with commands on standard input: what it
# prints is in $work/out.
load() {
    local want=$1 dialect=$2 address=$3 status=0
    shift 3
    cat >"$work/commands"
    timeout --kill-after=5 120 "$build/bench-load" "$dialect" --connect "$address" \
        --clients "$clients" ${server_pid:+--pid "$server_pid"} "$@" \
        <"$work/commands" >"$work/out" 2>"$work/err" || status=$?
    runs=$((runs + 1))
    if [ "$status" -ne "$want" ]; then
        fault "bench-load $dialect ended with $status, not $want: $(tail -n 1 "$work/out")"
        cat "$work/err"
    fi
    if grep -E 'runtime error|Sanitizer' "$work/err" "$work/server.err"; then
        fault "a sanitizer's report"
    fi
}

# Every command must have answered, and must have measured something.
all_done() {
    local wanted
    wanted=$(($(wc -l <"$work/commands") + 1))
    if [ "$(grep -c '^{"ok":true' "$work/out")" -ne "$wanted" ]; then
        fault "not every command answered: $(tr '\n' ' ' <"$work/commands")"
        cat "$work/out"
    elif grep -E '"(messages|deliveries)":0,' "$work/out"; then
        fault "nothing was measured"
    fi
}

# says TEXT: the last run printed it.
says() {
    grep -qF -- "$1" "$work/out" || fault "missing: $1, in: $(cat "$work/out")"
}

# ---- the mistakes -------------------------------------------------------

start_raw() {
    start_server "$build/bench-raw" --fault-every 100 "$@"
    read -r _ sub_port control_port <<<"$ready"
}
raw() {
    local want=$1
    shift
    load "$want" raw "127.0.0.1:$sub_port" --publish "127.0.0.1:$control_port" "$@"
}

start_raw
raw 0 <<'END'
fanout window=1 seconds=0.2
fanout window=16 seconds=0.2 size=4096
latency rate=500 seconds=0.2 warmup=0.1
burst count=3000
END
all_done
for pair in lose:lost duplicate:duplicate reorder:reordered damage:damaged; do
    start_raw --fault "${pair%:*}"
    raw 1 <<<'fanout window=4 seconds=20'
    says "\"kind\":\"${pair#*:}\",\"subscriber\":$((clients - 1)),"
    says '"expected":'
done
# The very last message is lost: nothing comes behind it.
start_raw --fault lose
raw 1 --timeout 1 <<<'fanout window=1 seconds=20'
says '"kind":"lost"'
raw 2 <<<'fanout size=3'
raw 2 <<<'fanout sise=200'
raw 2 <<<'fan'
raw 2 <<<'resume'
raw 2 <<<'keep'
stop_server
clients=1000000 raw 1 </dev/null
says 'do not fit'

# ---- the daemon ---------------------------------------------------------

start_daemon() {
    start_server "$build/fanfare" --listen 127.0.0.1:0 --shards 1 --log-level error "$@"
    address=${ready##*/}
}

start_daemon
for dialect in fanfare-sse fanfare-ws; do
    load 0 "$dialect" "$address" <<'END'
ping
cpu
fanout window=1 seconds=0.15 warmup=0.05
fanout window=16 seconds=0.15 warmup=0.05 size=64
fanout window=16 seconds=0.15 warmup=0.05 size=4096
latency rate=200 seconds=0.2 warmup=0.05
ingest mode=sequential seconds=0.1 warmup=0.02
ingest mode=pipelined seconds=0.1 warmup=0.02
ingest mode=batch seconds=0.1 warmup=0.02
burst count=500
churn count=200
churn count=200 abort=1
reconnect mode=rst
fanout window=2 seconds=0.05 warmup=0
reconnect mode=fin
resume missed=20
resume missed=230 size=300 at_once=7
fanout window=4 seconds=0.05 warmup=0
stall percent=10
fanout window=4 seconds=0.1 warmup=0
unstall
fanout window=4 seconds=0.05 warmup=0
END
    all_done
    says '"cmd":"unstall","stalled":5,'
    for topology in users 'channels --per-client 3' patterns; do
        # shellcheck disable=SC2086 # an option of its own behind the name
        load 0 "$dialect" "$address" --topology $topology <<'END'
target window=1 seconds=0.05 warmup=0.02
target window=16 seconds=0.05 warmup=0 targets=7
END
        all_done
    done
    # Presence is told beside the messages, and is none of them.
    load 0 "$dialect" "$address" --channel presence-bench --with-users <<'END'
fanout window=4 seconds=0.05 warmup=0
reconnect mode=rst
fanout window=4 seconds=0.05 warmup=0
END
    all_done
done

# What is kept comes back, and it is noticed if some of it does not.
nobody() {
    clients=0 load "$@"
}
for dialect in fanfare-sse fanfare-ws; do
    nobody 0 "$dialect" "$address" <<'END'
post seconds=0.1 warmup=0.02
post seconds=0.1 warmup=0.02 connections=16
post seconds=0.1 warmup=0.02 batch=100
END
    all_done
    # Names of their own for both, since the log keeps what was published before.
    start_daemon
    for what in 'channels 1' 'channels 40 --per-client 40' 'wide 150'; do
        read -r topology targets more <<<"$what"
        # shellcheck disable=SC2086 # none, or an option with its value
        nobody 0 "$dialect" "$address" --topology "$topology" $more <<END
keep count=900 targets=$targets
replay
replay seconds=0.1
END
        all_done
        start_daemon
    done
    nobody 1 "$dialect" "$address" <<<$'keep count=1200\nreplay'
    says 'waited for message 0 and got 200'
    start_daemon --history 50
    load 1 "$dialect" "$address" <<<'resume missed=60'
    says 'was told that messages are missing'
done

# Slow readers: closed, or told what they miss, and never anything else.
small=(--send-buffer 16k --client-queue-bytes 64k)
slow() {
    load 0 "$1" "$address" --stall-rcvbuf 8192 <<'END'
stall percent=10
fanout window=4 seconds=0.3 warmup=0 size=4096
unstall
fanout window=4 seconds=0.05 warmup=0
END
}
start_daemon "${small[@]}" --slow-client drop-oldest
for dialect in fanfare-sse fanfare-ws; do
    slow "$dialect"
    all_done
    grep -qE '"cmd":"unstall".*"missed":[1-9].*"gaps":[1-9].*"closed":0,' "$work/out" ||
        fault "no gap was told: $(cat "$work/out")"
done
start_daemon "${small[@]}"
for dialect in fanfare-sse fanfare-ws; do
    slow "$dialect"
    says '"closed":5,"clients":45,'
done
finish "$runs runs of bench-load ended as they must"
