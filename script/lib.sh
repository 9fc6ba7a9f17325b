# lib.sh - what the scripts share; sourced (bash). Everything it says goes to
# standard error, so that standard output stays the program's.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
jobs=$(nproc 2>/dev/null || echo 2)

say() {
    printf '==> %s\n' "$*" >&2
}

die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# step LOG TEXT COMMAND...: runs the command with its output in LOG. While it
# takes long its last line is shown now and then; if it fails, its end.
step() {
    local log=$1 text=$2 status=0 ticker
    shift 2
    mkdir -p "$(dirname "$log")"
    : >"$log"
    say "$text"
    (
        seconds=0
        while sleep 15; do
            seconds=$((seconds + 15))
            printf '    %3d s: %s\n' "$seconds" "$(tail -n 1 "$log" | cut -c 1-90)" >&2
        done
    ) &
    ticker=$!
    "$@" >"$log" 2>&1 </dev/null || status=$?
    kill "$ticker" 2>/dev/null || true
    wait "$ticker" 2>/dev/null || true
    if [ "$status" -ne 0 ]; then
        tail -n "${FF_TAIL:-60}" "$log" >&2
        printf 'error: %s: failed (status %d); all of its output: %s\n' "$text" "$status" \
            "${log#"$root"/}" >&2
    fi
    return "$status"
}

# One build at a time in a folder.
lock() {
    mkdir -p "$1"
    exec 9>"$1/.lock"
    if ! flock -n 9; then
        say "waiting for another build in ${1#"$root"/}"
        flock 9
    fi
}

unlock() {
    exec 9>&-
}

# configure_in FOLDER KEEP ARGS...: configures FOLDER unless it is already
# configured with ARGS (KEEP=keep: however it is configured).
configure_in() {
    local dir=$1 keep=$2 stamp=$1/.configured want
    shift 2
    # make does not build again what was built with other flags.
    want="$* $(cat "$root/configure.ac" "$root/Makefile.am" | sha256sum)"
    if [ -e "$root/config.status" ]; then
        die "the source folder itself is configured; run 'make distclean' there first"
    fi
    if [ ! -e "$root/configure" ] || [ ! -e "$root/Makefile.in" ]; then
        step "$dir/autoreconf.log" "autoreconf" sh -c "cd '$root' && autoreconf -i"
    fi
    if [ -e "$dir/Makefile" ]; then
        if [ "$keep" = keep ] || [ "$(cat "$stamp" 2>/dev/null)" = "$want" ]; then
            return
        fi
        # Other flags: what is built there may have been built without them.
        rm -f "$stamp"
        make -s -C "$dir" clean >/dev/null 2>&1 || true
    fi
    step "$dir/configure.log" "configure ${dir#"$root"/} $*" \
        sh -c 'cd "$1" && shift && exec "$@"' sh "$dir" "$root/configure" "$@"
    echo "$want" >"$stamp"
}

# build_in FOLDER TARGETS...: make, silent if there is nothing to do.
build_in() {
    local dir=$1
    shift
    if make -q -C "$dir" "$@" >/dev/null 2>&1; then
        return
    fi
    step "$dir/make.log" "make in ${dir#"$root"/}: $*" make -C "$dir" -j"$jobs" "$@"
}
