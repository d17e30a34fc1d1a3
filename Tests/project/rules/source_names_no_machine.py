#!/usr/bin/env python3
"""No file names a directory of the machine it was written on."""

import re
import subprocess
import sys
from pathlib import Path

MACHINE = re.compile(rb"(?<![\w.$}/-])/(?:work|root|home|Users|mnt)/[\w.]|\.\./shared/")

wrong = []
for name in subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard"], text=True).splitlines():
    if not Path(name).is_file() or Path(name) == Path(__file__).resolve().relative_to(Path.cwd()):
        continue
    if (content := Path(name).read_bytes()).find(b"\0") < 0:
        for number, line in enumerate(content.splitlines(), 1):
            if MACHINE.search(line):
                wrong.append(f"{name}:{number}: {line.decode(errors='replace').strip()[:100]}")
sys.exit("\n".join(wrong) or None)
