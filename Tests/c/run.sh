#!/bin/bash
# Compiles each C host against dist/, as a user would, and runs it. Prints "N passed, N failed".
#
#   run.sh [NAME…]           only these
#   CC CFLAGS LDFLAGS        how to compile; PKG_CONFIG_PATH, which library (dist/ by default)
#   HOST_SECONDS=60          how long one host may take
set -uo pipefail
cd "$(dirname "$0")"

root=$(cd ../.. && pwd)
export PKG_CONFIG_PATH=${PKG_CONFIG_PATH:-$root/dist/lib/pkgconfig}
library=$(pkg-config --variable=libdir wmproxy) || exit
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

[ $# -gt 0 ] || set -- *.c
passed=0
failed=0
for source in "$@"; do
    name=$(basename "${source%.c}")
    # shellcheck disable=SC2046,SC2086
    if output=$(${CC:-cc} -std=c99 -Wall -Wextra -O1 -g ${CFLAGS:-} -o "$work/$name" "$name.c" \
        $(pkg-config --cflags --libs wmproxy) -pthread ${LDFLAGS:-} -Wl,-rpath,"$library" 2>&1 &&
        timeout -k 5 "${HOST_SECONDS:-60}" "$work/$name" 2>&1); then
        printf 'ok     %s\n' "$name"
        passed=$((passed + 1))
    else
        printf 'FAILED %s (status %d)\n%s\n' "$name" $? "$(tail -n 40 <<<"$output" | sed 's/^/       /')"
        failed=$((failed + 1))
    fi
done
echo "C hosts: $passed passed, $failed failed"
[ $failed = 0 ] && [ $passed -gt 0 ]
