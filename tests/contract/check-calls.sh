#!/usr/bin/env bash
# No call goes up a floor and no calls go round: over the symbols of the built
# objects. A call is an object's undefined symbol that another one defines.
set -euo pipefail
. "$(dirname "$0")/rules.sh"
nm=${NM:-nm}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# object <TAB> source, for each .c that a local.mk names. Objects left over
# from files that are gone do not count.
objects=0
while IFS= read -r list; do
    for file in $(sed 's/#.*//' "$list" | tr -s ' \t\\' '\n' | grep -E '^src/.*\.c$'); do
        dir=$build/${file%/*} name=${file##*/}
        object=
        for try in "$dir/.libs/${name%.c}.o" "$dir"/.libs/*-"${name%.c}.o" \
            "$dir"/*-"${name%.c}.o" "$dir/${name%.c}.o"; do
            [ ! -e "$try" ] || { object=$try && break; }
        done
        if [ -z "$object" ]; then
            fault "$file: no object for it under $build; build first"
            continue
        fi
        objects=$((objects + 1))
        # Sanitizers and compilers add names with a leading __.
        $nm -g --defined-only -P "$object" | awk -v f="$file" '$1 !~ /^__/ {print $1, f}' >>"$work/defined"
        $nm -g --undefined-only -P "$object" | awk -v f="$file" '$1 !~ /^__/ {print $1, f}' >>"$work/used"
    done
done < <(find "$root/src" -name local.mk | sort)
touch "$work/defined" "$work/used"

# user definer symbol
awk 'NR == FNR { definer[$1] = $2; next }
     ($1 in definer) && definer[$1] != $2 { print $2, definer[$1], $1 }' \
    "$work/defined" "$work/used" | sort -u >"$work/edges"

while read -r user definer symbol; do
    from=${user#src/} to=${definer#src/}
    from=${from%%/*} to=${to%%/*}
    # The daemon may call the public functions, and those only.
    if [ "$from" != "$to" ] && [ "${floor[$from]-}" = 7 ]; then
        [ "$to" = lib ] && [[ $symbol == fanfare_* ]] && continue
    fi
    reason=$(why_not "$from" "$to")
    [ -z "$reason" ] || fault "$user calls $symbol of $definer: $reason"
done <"$work/edges"

# Files that reach each other form a circle: all of its calls are shown.
awk '{print $1, $2}' "$work/edges" | sort -u | awk '
    { out[$1] = out[$1] " " $2; node[$1]; node[$2] }
    function visit(start,    stack, n, at, next_ones, k, i) {
        n = 1
        stack[1] = start
        while (n > 0) {
            at = stack[n--]
            k = split(out[at], next_ones, " ")
            for (i = 1; i <= k; i++) {
                if (!((start, next_ones[i]) in reach)) {
                    reach[start, next_ones[i]]
                    stack[++n] = next_ones[i]
                }
            }
        }
    }
    END {
        for (a in node) visit(a)
        for (a in node) {
            if (!((a, a) in reach)) continue
            first = a
            for (b in node) {
                if (((a, b) in reach) && ((b, a) in reach) && b < first) first = b
            }
            print first, a
        }
    }' | sort >"$work/circles"
for first in $(cut -d ' ' -f 1 "$work/circles" | sort -u); do
    fault "files that call each other in a circle:"
    awk -v first="$first" '
        NR == FNR { if ($1 == first) inside[$2]; next }
        ($1 in inside) && ($2 in inside) {
            pair = $1 " -> " $2
            if (++n[pair] == 1) order[++pairs] = pair
            if (n[pair] <= 3) text[pair] = text[pair] " " $3
            else if (n[pair] == 4) text[pair] = text[pair] " ..."
        }
        END { for (i = 1; i <= pairs; i++) print "    " order[i] ":" text[order[i]] }' \
        "$work/circles" "$work/edges"
done

# core has no clock and no thread of its own.
while read -r symbol user; do
    case $user:$symbol in
    src/core/*:pthread_* | src/core/*:socket | src/core/*:send | src/core/*:sendmsg | \
        src/core/*:write | src/core/*:clock_gettime | src/core/*:gettimeofday | src/core/*:time | \
        src/core/*:clock_real_ms | src/core/*:clock_mono_ms)
        fault "$user calls $symbol: core gets such things through core/ports.h"
        ;;
    esac
done <"$work/used"

finish "$(wc -l <"$work/edges") references between $objects objects, none upward, none in a circle"
