#!/usr/bin/env bash
# The benchmark's runner: medians, plots, report and arguments, without a server.
set -euo pipefail
. "$(dirname "$0")/rules.sh"
out=$(python3 -B -m unittest discover -s "$root/bench/lib/tests" -t "$root/bench" 2>&1) || {
    printf '%s\n' "$out"
    fault "the benchmark's own tests failed"
}
finish "$(tail -n 3 <<<"$out" | head -n 1)"
