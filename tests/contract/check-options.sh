#!/bin/sh
# check-options.sh - the table of options (src/conf/options.def) against
# fanfare(8), fanfare.conf(5), etc/fanfare.conf, `fanfare --help`, the file
# reader and the environment.
#
#     check-options.sh             fails and shows the difference
#     check-options.sh --update    rewrites the lists in the documents
#
# Environment: srcdir (the source tree, default .), OPTIONS_DUMP and FANFARE
# (the two programs, default those in the build tree below the current folder).
set -eu

srcdir=${srcdir:-.}
dump=${OPTIONS_DUMP:-}
fanfare=${FANFARE:-}
for f in tests/contract/options_dump options_dump; do
    [ -n "$dump" ] || { [ -x "$f" ] && dump=./$f; } || :
done
for f in fanfare src/fanfare/fanfare; do
    [ -n "$fanfare" ] || { [ -f "$f" ] && [ -x "$f" ] && fanfare=./$f; } || :
done
[ -n "$dump" ] || { echo "check-options: options_dump is not built" >&2; exit 1; }
[ -n "$fanfare" ] || { echo "check-options: fanfare is not built" >&2; exit 1; }

# Nothing of ours may come in from outside.
for v in $(env | sed -n 's/^\(FANFARE_[A-Z0-9_]*\)=.*/\1/p'); do unset "$v"; done

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0
fail() {
    echo "check-options: $1" >&2
    failed=1
}

# What stands between the two marks of a document.
between_marks() {
    awk '/ end options$/ { on = 0 } on { print } / begin options$/ { on = 1 }' "$1"
}

update() { # document, wanted list
    awk -v list="$2" '
        / end options$/ { on = 0 }
        !on { print }
        / begin options$/ { on = 1; while ((getline line < list) > 0) print line }
    ' "$1" >"$tmp/new"
    cat "$tmp/new" >"$1"
}

check_document() { # document, dump's mode, pattern of one option's line
    "$dump" "$2" >"$tmp/want"
    [ -s "$tmp/want" ] || fail "options_dump $2 printed nothing"
    if [ "$mode" = update ]; then
        update "$srcdir/$1" "$tmp/want"
    fi
    between_marks "$srcdir/$1" >"$tmp/have"
    if ! diff -u "$tmp/want" "$tmp/have" >"$tmp/diff"; then
        fail "$1 differs from src/conf/options.def (- wanted, + found):"
        cat "$tmp/diff" >&2
    fi
    inside=$(grep -c "$3" "$tmp/have" || :)
    whole=$(grep -c "$3" "$srcdir/$1" || :)
    [ "$inside" = "$whole" ] || fail "$1 has options outside the checked list"
    wanted=$("$dump" lines | awk -F'\t' -v m="$2" '
        $7 !~ /H/ && (m == "man" ? $7 !~ /S/ : $7 !~ /C/) { n++ } END { print n + 0 }')
    [ "$inside" = "$wanted" ] || fail "$1 lists $inside options, the table has $wanted"
}

# One line an option: name, argument, help and default, single spaces.
check_help() {
    "$dump" lines | awk -F'\t' '$7 !~ /H/ {
        name = "--" $1
        if ($7 ~ /S/) { # has no flag
            name = "FANFARE_" toupper($1)
            gsub(/-/, "_", name)
        }
        line = name ($3 != "" ? "=" $3 : "") " " $9
        if ($2 != "ACTION" && $4 != "") line = line " Default: " $4 "."
        print line
    }' >"$tmp/want"
    for columns in 50 80 100; do
        COLUMNS=$columns "$fanfare" --help >"$tmp/help" </dev/null ||
            fail "fanfare --help failed"
        awk '
            function flush() { if (line != "") print line; line = "" }
            /^  (--|FANFARE_)/ { flush(); $1 = $1; line = $0; next }
            /^   +[^ ]/ { $1 = $1; line = line " " $0; next }
            { flush() }
            END { flush() }
        ' "$tmp/help" >"$tmp/have"
        if ! diff -u "$tmp/want" "$tmp/have" >"$tmp/diff"; then
            fail "fanfare --help differs from src/conf/options.def (- wanted, + found):"
            cat "$tmp/diff" >&2
        fi
        if [ "$columns" = 80 ] && awk 'length > 80 { exit 1 }' "$tmp/help"; then :
        elif [ "$columns" = 80 ]; then fail "fanfare --help has a line of more than 80 columns"
        fi
    done
}

# Every setting of the sample file, switched on, is accepted; so is every
# default in the environment.
check_accepted() {
    sed 's/^#\([a-z]\)/\1/' "$srcdir/etc/fanfare.conf" >"$tmp/all.conf"
    "$fanfare" --config="$tmp/all.conf" --check-config >"$tmp/out" 2>&1 ||
        { fail "etc/fanfare.conf with all its settings:"; cat "$tmp/out" >&2; }
    "$dump" lines | awk -F'\t' '$7 !~ /C/ {
        name = toupper($1); gsub(/-/, "_", name); print "FANFARE_" name "=" $4
    }' >"$tmp/env"
    xargs -d '\n' -a "$tmp/env" sh -c 'f=$1; shift; exec env "$@" "$f" --check-config' sh \
        "$fanfare" >"$tmp/out" 2>&1 ||
        { fail "defaults in the environment:"; cat "$tmp/out" >&2; }
}

mode=check
[ "${1:-}" != --update ] || mode=update

check_document man/fanfare.8 man '^\.It Fl -'
check_document man/fanfare.conf.5 conf '^\.It Ic '
check_document etc/fanfare.conf sample '^#[a-z][a-z-]* =.*$'
check_help
check_accepted

[ "$failed" = 0 ] && echo "check-options: $("$dump" lines | wc -l) options agree everywhere"
exit "$failed"
