#!/usr/bin/env bash
# Every fuzz target has a corpus, is replayed by `make check`, and stands in the
# table of fuzz/README.md; no corpus is large, and none belongs to nobody.
set -euo pipefail
. "$(dirname "$0")/rules.sh"
max_files=60
max_bytes=1000000

targets=0
total=0
for file in "$root"/fuzz/*_*.c; do
    target=$(basename "$file" .c)
    targets=$((targets + 1))
    files=0
    while IFS= read -r -d '' input; do
        files=$((files + 1))
        size=$(stat -c %s "$input")
        total=$((total + size))
    done < <(find "$root/fuzz/corpus/$target" -type f -print0 2>/dev/null)
    [ "$files" -gt 0 ] || fault "fuzz/corpus/$target is empty"
    [ "$files" -le "$max_files" ] || fault "fuzz/corpus/$target: $files files, more than $max_files"
    grep -qE "^[[:space:]]fuzz/replay_$target( \\\\)?$" "$root/fuzz/local.mk" ||
        fault "fuzz/$target.c is not replayed: run script/lists"
    grep -qF "| \`$target\` |" "$root/fuzz/README.md" || fault "fuzz/README.md does not name $target"
done
[ "$total" -le "$max_bytes" ] || fault "the corpora have $total bytes, more than $max_bytes"
shopt -s nullglob
for folder in "$root"/fuzz/corpus/*; do
    [ -e "$root/fuzz/${folder##*/}.c" ] || fault "fuzz/corpus/${folder##*/} belongs to no target"
done
for dict in "$root"/fuzz/dict/*; do
    name=$(basename "$dict" .dict)
    [ -e "$root/fuzz/$name.c" ] || fault "fuzz/dict/${dict##*/} belongs to no target"
done
[ "$targets" -gt 0 ] || fault "there is no fuzz target"
finish "$targets fuzz targets with $total bytes of inputs"
