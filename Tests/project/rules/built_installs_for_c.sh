#!/bin/bash
# What `make install` puts under a prefix is enough for pkg-config and a C compiler: no Swift, nothing of this tree.
set -euo pipefail
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT

make --silent install PREFIX="$stage/usr" DESTDIR= >/dev/null
cat >"$stage/host.c" <<'C'
#include <stdio.h>
#include <wmproxy.h>
int main(void) {
    puts(wmp_version_string());
    return wmp_version() != WMP_VERSION;
}
C
cd "$stage"
export PKG_CONFIG_PATH=$stage/usr/lib/pkgconfig
cc -o host host.c $(pkg-config --cflags --libs wmproxy)
# No PATH and no search path but the library's own place: the Swift toolchain must not be needed.
env -i LD_LIBRARY_PATH="$stage/usr/lib" ./host | grep -qx "$(pkg-config --modversion wmproxy)"
env -i "$stage/usr/bin/wmproxy" --version | grep -qx "wmproxy $(pkg-config --modversion wmproxy)"

# A package is staged in DESTDIR and must not name it.
cd - >/dev/null
make --silent install PREFIX=/opt/wmproxy DESTDIR="$stage/root" >/dev/null
grep -qx 'prefix=/opt/wmproxy' "$stage/root/opt/wmproxy/lib/pkgconfig/wmproxy.pc"
! grep -rlI "$stage" "$stage/root"
make --silent uninstall PREFIX=/opt/wmproxy DESTDIR="$stage/root"
[ -z "$(find "$stage/root" -type f -o -type l)" ]
