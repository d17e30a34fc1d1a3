#!/bin/bash
# Runs the runners named (swift, c, python, bars, examples, package, rules) and prints each one's closing line, again at
# the end. Fails if one failed, but runs them all.
set -uo pipefail
cd "$(dirname "$0")/../.."

logs=.build/logs
mkdir -p "$logs"

run_swift() {
    swift test --quiet --disable-xctest ${CI:+-Xswiftc -warnings-as-errors}
}

run_c() {
    Tests/c/run.sh
}

# pytest, in an environment of its own, on the directory and with the options given.
run_pytest() {
    local venv=.build/venv wanted=Tests/interop/requirements.txt
    if ! cmp -s "$wanted" "$venv/installed.txt"; then
        rm -rf "$venv"
        python3 -m venv "$venv" || return
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$wanted" || return
        cp "$wanted" "$venv/installed.txt"
    fi
    WMPROXY_LIBRARY="$PWD/dist/lib/libwmproxy.so.0" WMPROXY_PROGRAM="$PWD/dist/bin/wmproxy" \
        PYTHONPATH="$PWD/bindings/python" "$venv/bin/python" -m pytest -q --color=no "$@"
}

run_python() {
    run_pytest Tests/interop
}

# WMP_SOAK=1 asks for the long forms, some of which take many minutes.
run_bars() {
    run_pytest Tests/bars ${WMP_SOAK:+-o timeout=1800}
}

run_examples() {
    python3 Tests/project/examples.py
}

run_package() {
    python3 Tests/swift-consumer/run.py
}

run_rules() {
    Tests/project/rules.sh
}

# The line that says how a runner ended: Swift Testing's, pytest's, or the plain "N passed, N failed".
closing_line() {
    local line
    line=$(grep -aE 'Test run with [0-9]+ tests?|[0-9]+ (passed|failed|error)' "$1" | tail -n 1)
    line=$(sed 's/^[^A-Za-z0-9]*//' <<<"$line")
    echo "${line:-no closing line}"
}

failed=0
summary=()
for name in "$@"; do
    echo "== $name"
    started=$SECONDS
    "run_$name" 2>&1 | tee "$logs/$name.log"
    status=${PIPESTATUS[0]}
    [ "$status" = 0 ] || failed=1
    summary+=("$(printf '%-9s %-6s %4ds  %s' "$name" "$([ "$status" = 0 ] && echo ok || echo FAILED)" \
        $((SECONDS - started)) "$(closing_line "$logs/$name.log")")")
done
echo "=="
printf '%s\n' "${summary[@]}"
exit $failed
