#!/bin/bash
# The Swift tests and the C hosts with the engine built under a sanitizer: sanitize.sh address|thread
set -euo pipefail
cd "$(dirname "$0")/../.."

kind=$1
scratch=$PWD/.build/$kind
toolchain=$(dirname "$(dirname "$(readlink -f "$(command -v swift)")")")
clang=$toolchain/bin/clang # the runtime has to be that of Swift's compiler; ThreadSanitizer's one names libdispatch
runtime=$toolchain/lib/swift/linux
export SWIFT_BACKTRACE=enable=no TSAN_OPTIONS=die_after_fork=0

failed=0
swift test --quiet --disable-xctest --sanitize "$kind" --scratch-path "$scratch" || failed=1

swift build --quiet --product wmproxy --sanitize "$kind" --scratch-path "$scratch"
library=$(swift build --sanitize "$kind" --scratch-path "$scratch" --show-bin-path)
mkdir -p "$scratch/pkgconfig"
sed -e "s|@PREFIX@|$PWD|; s|@LIBDIR@|$library|; s|@INCLUDEDIR@|$PWD/include|; s|@VERSION@|0|" \
    packaging/wmproxy.pc.in >"$scratch/pkgconfig/wmproxy.pc"
export PKG_CONFIG_PATH=$scratch/pkgconfig CC=$clang CFLAGS="-fsanitize=$kind" HOST_SECONDS=300
export LDFLAGS="-fuse-ld=lld -L$runtime -ldispatch -lBlocksRuntime -Wl,-rpath,$runtime"
hosts=()
for host in Tests/c/*.c; do
    # ThreadSanitizer gives up when a fork's child starts threads.
    [ "$kind/$(basename "$host")" = thread/fork.c ] || hosts+=("$(basename "$host")")
done
Tests/c/run.sh "${hosts[@]}" || failed=1
exit $failed
