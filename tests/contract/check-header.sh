#!/usr/bin/env bash
# The public header stands alone, twice over, as C99, as C17 and as C++11.
set -euo pipefail
. "$(dirname "$0")/rules.sh"
include=${FF_INCLUDE:-$root/include}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf '#include <fanfare/fanfare.h>\n#include <fanfare/fanfare.h>\n' >"$work/alone.c"
warnings=(-pedantic -Wall -Wextra -Wshadow -Wundef -Werror)
for std in c99 c17; do
    # CC may be several words.
    ${CC:-cc} -std=$std "${warnings[@]}" -Wstrict-prototypes -I "$include" -fsyntax-only \
        "$work/alone.c" || fault "fanfare.h does not compile as $std"
done
${CXX:-g++} -std=c++11 "${warnings[@]}" -I "$include" -fsyntax-only -x c++ "$work/alone.c" ||
    fault "fanfare.h does not compile as C++11"
finish "fanfare.h compiles alone as C99, C17 and C++11"
