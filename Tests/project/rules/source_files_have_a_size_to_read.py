#!/usr/bin/env python3
"""Sources have at most 500 lines, C hosts 150, examples 60, the README of a room 15; no line of ours exceeds 120."""

import subprocess
import sys
from pathlib import Path

LIMITS = [  # the first that fits
    ("Sources/**/README.md", 15),
    ("Sources/**/*.swift", 500),
    ("Sources/**/*.[ch]", 500),
    ("examples/c/*.c", 60),
    ("examples/python/*.py", 60),
    ("examples/swift/**/*.swift", 60),
    ("Tests/c/*.[ch]", 150),
]
WIDE = {".swift", ".c", ".h", ".py", ".sh"}

wrong = []
for pattern, limit in LIMITS:
    for file in sorted(Path().glob(pattern)):
        if ".build" not in file.parts and (lines := len(file.read_text().splitlines())) > limit:
            wrong.append(f"{file}: {lines} lines, at most {limit}")
for name in subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard"], text=True).splitlines():
    if Path(name).suffix in WIDE and Path(name).is_file():
        for number, line in enumerate(Path(name).read_text().splitlines(), 1):
            if len(line) > 120:
                wrong.append(f"{name}:{number}: {len(line)} columns, at most 120")
sys.exit("\n".join(wrong) or None)
