#!/usr/bin/env bash
# Files stay small and clean: at most 600 lines, no notes to self, no tabs in C,
# no white space at line ends, a line feed at the end, no line endings of DOS.
set -euo pipefail
. "$(dirname "$0")/rules.sh"
limit=600

# The words are split so that this file does not find itself.
notes='\b(TO''DO|FIX''ME|XX''X|HA''CK)\b'

found() {
    local what=$1
    shift
    while IFS= read -r hit; do
        fault "${hit#"$root"/}: $what"
    done < <("$@" || true)
}

mapfile -t code < <(find "$root/src" "$root/include" "$root/tests" "$root/fuzz" "$root/examples" "$root/bench" \
    -name node_modules -prune -o -type f \( -name '*.[ch]' -o -name '*.def' -o -name '*.js' \
    -o -name '*.mjs' -o -name '*.py' -o -name '*.sh' \) -print 2>/dev/null | sort)
mapfile -t c < <(printf '%s\n' "${code[@]}" | grep -E '\.([ch]|def)$' | grep -v /playground_data.c)
mapfile -t others < <(
    find "$root/script" "$root/.ci" "$root/man" "$root/etc" "$root/docs" "$root/web" -type f \
        ! -name '*.png' ! -name '*.woff2' 2>/dev/null | sort
    find "$root" -maxdepth 1 -type f \( -name '*.md' -o -name '*.am' -o -name '*.ac' -o -name '*.in' \
        \) ! -name Makefile.in ! -name config.h.in | sort
    find "$root/src" "$root/tests" "$root/fuzz" "$root/bench" -name node_modules -prune -o \( -name local.mk -o -path "$root/fuzz/*.md" \) -print \
        2>/dev/null | sort
)

for path in ${c+"${c[@]}"}; do
    lines=$(wc -l <"$path")
    [ "$lines" -le "$limit" ] || fault "${path#"$root"/}: $lines lines, more than $limit"
done
[ ${#c[@]} -eq 0 ] || found "a tab" grep -nHP '\t' "${c[@]}"
all=(${code+"${code[@]}"} ${others+"${others[@]}"})
found "white space at the line's end" grep -nHP '[ \t]+$' "${all[@]}"
found "a carriage return" grep -nHP '\r' "${all[@]}"
found "a note to self; do it or drop it" grep -nHPI "$notes" "${all[@]}"
for path in "${all[@]}"; do
    if [ -s "$path" ] && [ "$(tail -c 1 "$path" | od -An -tx1 | tr -d ' ')" != 0a ]; then
        fault "${path#"$root"/}: no line feed at the end"
    fi
done
finish "${#all[@]} files are clean"
