#!/usr/bin/env python3
"""Prototypes, constants and struct layouts are those of Tests/project/abi.txt (renew it with abi.py --write)."""

import difflib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import abi  # noqa: E402

listed, now = abi.LISTING.read_text().splitlines(), abi.listing().splitlines()
sys.exit("\n".join(difflib.unified_diff(listed, now, "abi.txt", "wmproxy.h", lineterm="", n=0)) or None)
