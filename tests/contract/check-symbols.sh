#!/usr/bin/env bash
# The shared library exports what the public header declares: all and only.
set -euo pipefail
. "$(dirname "$0")/rules.sh"
header=${FF_HEADER:-$root/include/fanfare/fanfare.h}
library=${FF_LIBRARY:-$build/.libs/libfanfare.so}
[ -e "$library" ] || { echo "$library is not built" && exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Comments and preprocessor lines go; then one declaration a ';'.
${CC:-cc} -fpreprocessed -dD -E -P "$header" 2>/dev/null | grep -v '^ *#' | tr '\n' ' ' | tr ';' '\n' |
    sed -n 's/.*FANFARE_API[^(]*[ *]\(fanfare_[a-z0-9_]*\) *(.*/\1/p' | sort >"$work/declared"
${NM:-nm} -D --defined-only -P "$library" | awk '{print $1}' |
    grep -vE '^(_init|_fini|_edata|_end|__bss_start|__odr_asan.*)$' | sort >"$work/exported"
[ -s "$work/declared" ] || fault "no declaration found in $header"

while read -r name; do
    fault "$name is declared in fanfare.h and not exported"
done < <(comm -23 "$work/declared" "$work/exported")
while read -r name; do
    fault "$name is exported and not declared in fanfare.h"
done < <(comm -13 "$work/declared" "$work/exported")
finish "$(wc -l <"$work/declared") symbols"
