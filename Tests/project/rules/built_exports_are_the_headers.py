#!/usr/bin/env python3
"""The library exports the functions of the header, all of them and nothing else."""

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import header  # noqa: E402

symbols = subprocess.check_output(["nm", "-D", "--defined-only", "dist/lib/libwmproxy.so"], text=True)
exported = {line.split()[-1] for line in symbols.splitlines()}
declared = set(header.functions())
wrong = [f"declared, not exported (is it public?): {name}" for name in sorted(declared - exported)]
wrong += [f"exported, not declared: {name}" for name in sorted(exported - declared)]
sys.exit("\n".join(wrong) or None)
