"""A host that starts and stops the engine all day stays as it was."""

from __future__ import annotations

import subprocess
from pathlib import Path

from figures import Figures, pick
from programs import compile_c
from support import ROOT


def test_starting_and_stopping_leaves_nothing(tmp_path: Path, figures: Figures) -> None:
    """Tests/c/start_stop.c looks at descriptors, threads and signals itself, and fails."""
    turns = pick(200, 1_000)
    host = compile_c(ROOT / "Tests" / "c" / "start_stop.c", tmp_path / "start_stop", "wmproxy")
    result = subprocess.run([host, str(turns)], capture_output=True, text=True)
    figures.equal(f"{turns} turns, status of a host that counts descriptors, threads, signals", result.returncode, 0)
    assert result.returncode == 0, result.stderr
    figures.at_most(f"{turns} turns, more memory", int(result.stdout), 1024, "KiB")
