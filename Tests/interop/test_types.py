"""The package, and a program that uses it, pass mypy --strict."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from support import ROOT, python_environment


def test_the_package_is_typed(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        """
import wmproxy
with wmproxy.Server({"bind_addr": "127.0.0.1:0"}) as server, wmproxy.Client("server: 127.0.0.1:1") as client:
    address: str = server.address("bind_addr")
    visitors: int = client.stats().visitors
    for event in server.events(timeout=1):
        kind: wmproxy.EventKind = event.kind
    server.on_stats(1.0, lambda stats: print(stats.bytes_in))
    client.add_mapping(name="web", mode="http", domain="localhost", local_addr="127.0.0.1:8080", timeout=None)
other: wmproxy.Server = wmproxy.Server.from_file("server.yaml")
"""
    )
    package = ROOT / "bindings" / "python"
    files = [program, *sorted((ROOT / "examples" / "python").glob("*.py"))]
    result = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", tmp_path / "cache", package / "wmproxy", *files],
        cwd=package,
        env={**python_environment(), "MYPYPATH": str(package), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
