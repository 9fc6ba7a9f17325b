#!/usr/bin/env bash
# The example, against the installed package: make install into a folder of its
# own, compile with nothing but pkg-config, run it, watch it with curl.
set -euo pipefail
. "$(dirname "$0")/rules.sh"
work=$(mktemp -d)
embed_pid='' curl_pid=''
cleanup() {
    [ -z "$curl_pid" ] || kill "$curl_pid" 2>/dev/null || true
    [ -z "$embed_pid" ] || kill "$embed_pid" 2>/dev/null || true
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT
fail() {
    echo "check-example.sh: $*"
    for f in "$work"/*.out "$work"/*.err; do
        [ ! -s "$f" ] || { echo "--- ${f##*/}" && cat "$f"; }
    done
    exit 1
}

# ---- installed as a package would be
dest=$work/dest
env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL "${MAKE:-make}" -s -C "$build" install DESTDIR="$dest" \
    >"$work/install.out" 2>&1 || fail "make install failed"
rm -f "$work/install.out"
pc=$(find "$dest" -name fanfare.pc)
[ -n "$pc" ] || fail "no fanfare.pc was installed"
[ -z "$(find "$dest" -name '*.a')" ] || fail "a static library was installed"
for wanted in 'include/fanfare/fanfare.h' 'bin/fanfare' 'libfanfare.so' 'man8/fanfare.8' \
    'man5/fanfare.conf.5' 'man3/fanfare.3' 'fanfare.conf'; do
    [ -n "$(find "$dest" -path "*/$wanted")" ] || fail "not installed: $wanted"
done

# ---- compiled against that copy alone
export PKG_CONFIG_PATH=${pc%/*} PKG_CONFIG_SYSROOT_DIR=$dest
read -ra flags <<<"$("${PKG_CONFIG:-pkg-config}" --cflags --libs fanfare)"
libdir=$("${PKG_CONFIG:-pkg-config}" --variable=libdir fanfare)
[ -d "$libdir" ] || libdir=$dest$libdir
read -ra sanitize <<<"${FF_SANITIZED-}"
cp "$root/examples/embed.c" "$work/embed.c"
# shellcheck disable=SC2086 # CC may be several words
(cd "$work" && ${CC:-cc} -Wall -Wextra -Werror ${sanitize+"${sanitize[@]}"} embed.c "${flags[@]}" \
    -o embed 2>compile.err) || fail "the example does not compile"

# ---- run, with a real client
mkfifo "$work/keys"
exec 7<>"$work/keys"
LD_LIBRARY_PATH=$libdir "$work/embed" <"$work/keys" >"$work/embed.out" 2>"$work/embed.err" &
embed_pid=$!

# Waits until the file has a line that matches.
await() {
    local file=$1 pattern=$2 pid=$3 deadline=$((SECONDS + 20))
    until grep -qE "$pattern" "$file" 2>/dev/null; do
        kill -0 "$pid" 2>/dev/null || grep -qE "$pattern" "$file" || return 1
        [ "$SECONDS" -lt "$deadline" ] || return 1
        read -rt 0.05 <> <(:) || true
    done
}
await "$work/embed.out" '^open http' "$embed_pid" || fail "the example did not start"
url=$(sed -n 's/^open \(.*\), Enter.*/\1/p' "$work/embed.out")
curl -sN "$url" >"$work/curl.out" 2>"$work/curl.err" &
curl_pid=$!
await "$work/curl.out" '^data: .*"type":"created".*"data":\{"id":7\}' "$curl_pid" ||
    fail "the message did not reach curl"
grep -q '^event: created$' "$work/curl.out" || fail "no event line"
await "$work/embed.out" '^published created to orders: \{"id":7\}$' "$embed_pid" ||
    fail "the event handler did not see the publication"
grep -q '^connected sse$' "$work/embed.out" || fail "the event handler did not see the client"
kill "$curl_pid"
await "$work/embed.out" '^disconnected sse$' "$embed_pid" ||
    fail "the event handler did not see the client go"
echo >&7
status=0
wait "$embed_pid" || status=$?
embed_pid=''
[ "$status" -eq 0 ] || fail "the example ended with $status"

echo "check-example.sh: installed, compiled, served, ended"
