# rules.sh - what the checks share; sourced by them (bash).
#
# FF_SRCDIR and FF_BUILDDIR come from `make check`; by hand they default to
# this source folder and the current folder.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=${FF_SRCDIR:-$(cd "$here/../.." && pwd)}
build=${FF_BUILDDIR:-$PWD}
faults=0

# The floors of ARCHITECTURE.md: a folder knows only folders on lower floors.
declare -A floor=(
    [base]=0
    [proto]=1 [conf]=1 [stat]=1 [rt]=1
    [core]=2 [tls]=2
    [conn]=3 [auth]=3 [hook]=3 [store]=3 [backplane]=3
    [ws]=4 [sse]=4
    [http]=5
    [lib]=6
    [fanfare]=7 [fanfarectl]=7
)

fault() {
    echo "$*"
    faults=$((faults + 1))
}

# Prints why `from` may not know `to`, or nothing.
why_not() {
    local from=$1 to=$2
    if [ "$from" = "$to" ]; then
        return 0
    elif [ -z "${floor[$to]-}" ]; then
        echo "there is no folder src/$to"
    elif [ "${floor[$from]}" -eq 7 ]; then
        echo "src/$from uses <fanfare/fanfare.h> and nothing else of src"
    elif [ "${floor[$to]}" -ge "${floor[$from]}" ]; then
        echo "src/$from is floor ${floor[$from]}, src/$to is floor ${floor[$to]}"
    elif [ "$from:$to" = core:rt ]; then
        echo "core knows no reactor; what it needs comes through core/ports.h"
    fi
}

# Ends the check: 1 if anything was found.
finish() {
    if [ "$faults" -gt 0 ]; then
        echo "${0##*/}: $faults fault(s)"
        exit 1
    fi
    echo "${0##*/}: $*"
}
