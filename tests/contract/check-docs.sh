#!/usr/bin/env bash
# The tables that clients and operators read against the code: docs/metrics.md
# has every metric of metrics.def and no other, docs/protocol.md every code of a
# problem and of an op's error that the sources can give.
set -euo pipefail
. "$(dirname "$0")/rules.sh"

defined=$(sed -n 's/^METRIC([A-Z_]*, *\([A-Z]*\), *"\([a-z_]*\)", *"\(.*\)")$/\1 \2 \3/p' \
    "$root/src/stat/metrics.def" | while read -r kind name help; do
    [ "$kind" = COUNTER ] && name=${name}_total
    printf '| `fanfare_%s` | %s | %s |\n' "$name" "${kind,,}" "$help"
done)
documented=$(grep '^| `fanfare_' "$root/docs/metrics.md" || true)
if [ "$defined" != "$documented" ]; then
    diff <(echo "$defined") <(echo "$documented") || true
    fault "docs/metrics.md differs from src/stat/metrics.def"
fi

codes=$( (
    grep -rhoE '\.code = ("[a-z_]+"|[^,;]*\? *"[a-z_]+" *: *"[a-z_]+")' "$root/src/http"
    grep -rhoE '(problem|refuse|respond_refused)\(r?q?, [0-9]{3}, "[a-z_]+"' "$root/src/http"
    grep -rhoE 'fail\(r?-?>?err, [^,]*[0-9]{3}, "[a-z_]+"' "$root/src/proto/publish.c"
    grep -rhoE 'reply_error\(&?op, "[a-z_]+"' "$root/src/ws/ops.c"
) | grep -oE '"[a-z_]+"' | tr -d '"' | sort -u)
[ "$(wc -l <<<"$codes")" -ge 25 ] || fault "hardly any codes found: this check is out of date"
for code in $codes; do
    grep -q "\`$code\`" "$root/docs/protocol.md" ||
        fault "docs/protocol.md does not have the code $code"
done
finish "metrics and codes are documented"
