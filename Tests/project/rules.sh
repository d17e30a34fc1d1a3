#!/bin/bash
# The project's own rules, one script each: rules/source_* look at the source tree, rules/built_* at dist/.
# `rules.sh source` runs the first kind only. Prints "N passed, N failed".
set -uo pipefail
cd "$(dirname "$0")/../.."

passed=0
failed=0
for rule in Tests/project/rules/"${1:-}"*; do
    [ -f "$rule" ] && [ -x "$rule" ] || continue
    name=$(basename "$rule")
    name=${name%.*}
    if output=$("$rule" 2>&1); then
        printf 'ok     %s\n' "${name//_/ }"
        passed=$((passed + 1))
    else
        printf 'FAILED %s\n%s\n' "${name//_/ }" "$(sed 's/^/       /' <<<"$output")"
        failed=$((failed + 1))
    fi
done
echo "rules: $passed passed, $failed failed"
[ $failed = 0 ] && [ $passed -gt 0 ]
