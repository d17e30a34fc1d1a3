#!/usr/bin/env python3
"""The library has its soname, links the system's libraries alone, has no search path of its own, asks for no executable
stack, and needs symbols no newer than what manylinux_2_34 allows."""

import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import header  # noqa: E402

LIBRARY = "dist/lib/libwmproxy.so"
ALLOWED = {"libssl.so.3", "libcrypto.so.3", "libyaml-0.so.2"}
ALLOWED |= {"libstdc++.so.6", "libm.so.6", "libgcc_s.so.1", "libc.so.6"}
CEILINGS = {"GLIBC": (2, 34), "GLIBCXX": (3, 4, 29), "CXXABI": (1, 3, 13)}
ABI = re.search(r"WMP_ABI_VERSION (\d+)", header.HEADER.read_text())[1]

dynamic = subprocess.check_output(["readelf", "-W", "-d", "-l", LIBRARY], text=True)
needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic))
wrong = [f"needs {name}" for name in sorted(needed - ALLOWED) if not name.startswith("ld-linux")]
if f"[libwmproxy.so.{ABI}]" not in dynamic:
    wrong.append(f"its soname is not libwmproxy.so.{ABI}")
if "RPATH" in dynamic or "RUNPATH" in dynamic:
    wrong.append("it has a search path")
if "NODELETE" not in dynamic:
    wrong.append("it can be unloaded under its own threads")
if re.search(r"GNU_STACK.*RWE", dynamic):
    wrong.append("it asks for an executable stack")

symbols = subprocess.check_output(["nm", "-D", "--undefined-only", "--with-symbol-versions", LIBRARY], text=True)
for symbol, family, version in re.findall(r"U (\S+?)@+([A-Z]+)_([\d.]+)", symbols):
    if family in CEILINGS and tuple(map(int, version.split("."))) > CEILINGS[family]:
        wrong.append(f"{symbol} needs {family}_{version}")
sys.exit("\n".join(wrong) or None)
