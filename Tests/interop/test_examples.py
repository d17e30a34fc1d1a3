"""The Python examples run as they are."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from support import ROOT, Process, python_environment

EXAMPLES = sorted((ROOT / "examples" / "python").glob("*.py"))


def test_there_are_examples() -> None:
    assert EXAMPLES


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_runs(example: Path) -> None:
    environment = {**python_environment(), "no_proxy": "*"}
    with Process(sys.executable, "-W", "error", example, cwd=ROOT, env=environment) as process:
        assert process.finish() == 0, process.lines
        assert process.output
