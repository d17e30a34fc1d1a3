#!/usr/bin/env python3
"""The library exports the functions of the header, all of them and nothing else."""

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import header  # noqa: E402

symbols = subprocess.check_output(["nm", "-D", "--defined-only", "dist/lib/libwmproxy.so"], text=True)
# A lower-case type is a local symbol: gold lists some that nobody else can bind to.
exported = {name for _, kind, name in map(str.split, symbols.splitlines()) if kind.isupper()}
declared = set(header.functions())
wrong = [f"declared, not exported (is it public?): {name}" for name in sorted(declared - exported)]
wrong += [f"exported, not declared: {name}" for name in sorted(exported - declared)]
sys.exit("\n".join(wrong) or None)
