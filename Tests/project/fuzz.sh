#!/bin/bash
# Runs every fuzzer of Tests/Fuzz/Targets for some seconds, with AddressSanitizer: fuzz.sh [SECONDS] [NAME…]
#
# A fuzzer starts from Tests/Fuzz/Corpus/<name> and keeps what else it learns in .build/fuzz. An input that stops it is
# written to .build/fuzz/<name>-crash-…: put it into the corpus, which `make test` replays, then repair.
set -euo pipefail
cd "$(dirname "$0")/../.."

seconds=${1:-60}
shift || true
work=.build/fuzz
mkdir -p "$work"

# The parsers, the login and what must hold of them as instrumented modules: SwiftPM would need unsafeFlags for that.
# Warnings are for its build: here they would be of imports that these modules have no use for.
flags=(-O -swift-version 6 -package-name libwmproxy -enable-upcoming-feature ExistentialAny
    -enable-upcoming-feature MemberImportVisibility -enable-upcoming-feature InternalImportsByDefault
    -parse-as-library -suppress-warnings -sanitize=fuzzer,address -I Sources/CWMProxyYAML -I "$work")
quietly() {
    "$@" 2>&1 | { grep -v 'Cannot export local symbol' || true; }
}
echo "building the fuzzers"
cat >"$work/module.modulemap" <<MAP
module CWMProxyOpenSSL { header "$PWD/Sources/CWMProxyOpenSSL/include/CWMProxyOpenSSL.h" export * }
MAP
module() {
    local name=$1
    readarray -t sources < <(find "${@:2}" -name '*.swift')
    quietly swiftc "${flags[@]}" -emit-library -static -emit-module -emit-module-path "$work/$name.swiftmodule" \
        -module-name "$name" -o "$work/lib$name.a" "${sources[@]}"
}
module WMPWire Sources/WMProxyKit/Wire
module WMPIO Sources/WMProxyKit/IO/TLS/Digest.swift
# Of the login the exchange alone: the rest of it belongs to the engine.
module FuzzChecks Sources/WMProxyKit/Config Sources/WMProxyKit/Login/{SaltedPassword,Scram*,Secretive}.swift \
    Tests/Fuzz/Checks

passed=0
failed=0
for target in Tests/Fuzz/Targets/Fuzz*.swift; do
    program=$(basename "$target" .swift)
    name=$(sed -E 's/^Fuzz//; s/([a-z])([A-Z])/\1-\2/g; s/([A-Z])([A-Z][a-z])/\1-\2/g' <<<"$program")
    name=${name,,} # FuzzHTTPHead: http-head
    [ $# = 0 ] || [[ " $* " == *" $name "* ]] || continue
    quietly swiftc "${flags[@]}" -module-name "$program" -o "$work/$program" "$target" -L "$work" \
        -lFuzzChecks -lWMPIO -lWMPWire -lyaml -lcrypto
    mkdir -p "$work/$name"
    seeds=()
    [ ! -d "Tests/Fuzz/Corpus/$name" ] || seeds=("Tests/Fuzz/Corpus/$name")
    # Without the backtracer: it would end the process before the input is written.
    if SWIFT_BACKTRACE=enable=no "$work/$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
        -artifact_prefix="$work/$name-" "$work/$name" "${seeds[@]}" >"$work/$name.log" 2>&1; then
        echo "ok     $name: $(tail -n 1 "$work/$name.log")"
        passed=$((passed + 1))
    else
        printf 'FAILED %s\n' "$name"
        grep -aE 'ERROR|Fatal|SUMMARY|Test unit' "$work/$name.log" | sed 's/^/       /'
        failed=$((failed + 1))
    fi
done
echo "fuzzers: $passed passed, $failed failed"
[ $failed = 0 ] && [ $passed -gt 0 ]
