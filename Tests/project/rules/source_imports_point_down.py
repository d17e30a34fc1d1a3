#!/usr/bin/env python3
"""Each floor imports only what is below it; nothing imports Foundation or Dispatch."""

import re
import sys
from pathlib import Path

SYSTEM = {"Glibc", "Synchronization"}
FLOORS = {  # the longest prefix of a file's path says which floor it is on
    "Sources/WMProxyKit/Wire": set(),
    "Sources/WMProxyKit/IO": SYSTEM | {"WMPWire", "CWMProxyShims", "CWMProxyOpenSSL"},
    "Sources/WMProxyKit": SYSTEM | {"WMPWire", "WMPIO", "CWMProxyShims", "CWMProxyYAML"},
    "Sources/WMProxyKit/Public": SYSTEM | {"WMPEngine", "CWMProxyShims"},
    "Sources/CWMProxy/Implementation": SYSTEM | {"WMPEngine", "WMPIO", "CWMProxyShims", "CWMProxy"},
}
IMPORT = re.compile(
    r"^\s*(?:@\w+(?:\([^)]*\))?\s+)*(?:(?:public|package|internal|fileprivate|private)\s+)?import\s+"
    r"(?:(?:struct|class|enum|func|protocol|typealias|var|let)\s+)?(\w+)",
    re.M,
)

wrong = []
for file in sorted(Path("Sources").rglob("*.swift")):
    floor = max((f for f in FLOORS if str(file).startswith(f + "/")), key=len, default=None)
    if floor is None:
        wrong.append(f"{file}: on no floor")
        continue
    for module in IMPORT.findall(file.read_text()):
        if module not in FLOORS[floor]:
            wrong.append(f"{file}: {floor} may not import {module}")
sys.exit("\n".join(wrong) or None)
