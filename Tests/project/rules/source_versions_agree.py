#!/usr/bin/env python3
"""The header, the Python package and the change log name the same version."""

import re
import sys
from pathlib import Path

text = Path("include/wmproxy.h").read_text()
version = ".".join(re.search(rf"WMP_VERSION_{part} (\d+)", text)[1] for part in ("MAJOR", "MINOR", "PATCH"))
wrong = []
if f'WMP_VERSION_STRING "{version}"' not in text:
    wrong.append(f"wmproxy.h: WMP_VERSION_STRING is not {version}")

project = Path("bindings/python/pyproject.toml").read_text()
stated = re.search(r'^version *= *"(.*)"', project, flags=re.M)
if stated and stated[1] != version:
    wrong.append(f"pyproject.toml: version {stated[1]} instead of {version}")

log = Path("CHANGELOG.md")
if not log.is_file() or not re.search(rf"^## .*(Unreleased|{re.escape(version)})", log.read_text(), flags=re.M | re.I):
    wrong.append(f"CHANGELOG.md: neither Unreleased nor {version}")
sys.exit("\n".join(wrong) or None)
