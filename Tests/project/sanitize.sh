#!/bin/bash
# The Swift tests and the C hosts with the engine built under a sanitizer: sanitize.sh address|thread
set -euo pipefail
cd "$(dirname "$0")/../.."

kind=$1
scratch=$PWD/.build/$kind
clang=$(dirname "$(readlink -f "$(command -v swift)")")/clang # its runtime has to be the one of Swift's compiler
export SWIFT_BACKTRACE=enable=no

swift test --quiet --disable-xctest --sanitize "$kind" --scratch-path "$scratch"

swift build --quiet --product wmproxy --sanitize "$kind" --scratch-path "$scratch"
library=$(swift build --sanitize "$kind" --scratch-path "$scratch" --show-bin-path)
mkdir -p "$scratch/pkgconfig"
sed -e "s|@PREFIX@|$PWD|; s|@LIBDIR@|$library|; s|@INCLUDEDIR@|$PWD/include|; s|@VERSION@|0|" \
    packaging/wmproxy.pc.in >"$scratch/pkgconfig/wmproxy.pc"
PKG_CONFIG_PATH="$scratch/pkgconfig" CC=$clang CFLAGS="-fsanitize=$kind" HOST_SECONDS=300 Tests/c/run.sh
