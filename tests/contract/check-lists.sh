#!/usr/bin/env bash
# Every C file in src and bench is in its folder's local.mk, and every unit test
# in tests/unit/local.mk: a file that nobody builds is a file that nobody checks.
set -euo pipefail
. "$(dirname "$0")/rules.sh"

folders=("$root/src")
[ ! -d "$root/bench" ] || folders+=("$root/bench")
files=0
while IFS= read -r path; do
    file=${path#"$root"/}
    list=$(dirname "$path")/local.mk
    files=$((files + 1))
    if [ ! -e "$list" ]; then
        fault "$file: its folder has no local.mk"
    elif ! sed 's/#.*//' "$list" | tr -s ' \t\\' '\n' | grep -qxF "$file"; then
        [ "$file" = src/http/playground_data.c ] || fault "$file is not in ${list#"$root"/}"
    fi
done < <(find "${folders[@]}" -name node_modules -prune -o -type f \( -name '*.c' -o -name '*.h' -o -name '*.def' \) -print | sort)

while IFS= read -r list; do
    for file in $(sed 's/#.*//' "$list" | tr -s ' \t\\' '\n' | grep -E '^(src|bench)/.*\.(c|h|def)$'); do
        [ -e "$root/$file" ] || fault "${list#"$root"/} names $file, which does not exist"
    done
done < <(find "${folders[@]}" -name local.mk | sort)

"$root/script/lists" --check || fault "the list of unit tests is out of date"
finish "$files files are listed"
