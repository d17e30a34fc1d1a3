#!/usr/bin/env python3
"""Relative links of all Markdown files lead to files that exist, and their anchors to headings."""

import re
import subprocess
import sys
from pathlib import Path

LINK = re.compile(r"(?<!!)\[[^\]\n]+\]\(([^)\s]+)\)")


def prose(file):
    return re.sub(r"^(```|~~~).*?^\1", "", file.read_text(), flags=re.M | re.S)


def anchors(file):
    headings = re.findall(r"^#+ +(.*)$", prose(file), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


wrong = []
for name in subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard", "*.md"], text=True).splitlines():
    file = Path(name)
    if not file.is_file():
        continue
    for link in LINK.findall(prose(file)):
        if re.match(r"\w+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = file.parent / path if path else file
        if not target.exists():
            wrong.append(f"{file}: {link} leads nowhere")
        elif anchor and target.suffix == ".md" and anchor not in anchors(target):
            wrong.append(f"{file}: {link}: no such heading")
sys.exit("\n".join(wrong) or None)
