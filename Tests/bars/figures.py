"""What a test has measured, and the bar it has to keep. `conftest.py` prints all of it when the tests have ended."""

from __future__ import annotations

import os
from typing import TypeVar

T = TypeVar("T")

#: `make soak` asks for the long forms.
SOAK = os.environ.get("WMP_SOAK", "") not in ("", "0")


def pick(quick: T, long: T) -> T:
    """A parameter of the form of the test that runs."""
    return long if SOAK else quick


def percentile(values: list[float], percent: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * percent / 100), len(ordered) - 1)]


def median(values: list[float]) -> float:
    return percentile(values, 50)


class Figures:
    """The figures of one test. A missed bar fails the test when it has ended: the other figures are wanted as well."""

    def __init__(self, family: str) -> None:
        self._family = family
        self.lines: list[str] = []
        self.missed: list[str] = []

    def at_most(self, what: str, value: float, bar: float, unit: str = "") -> None:
        self._add(what, f"{_short(value)} {unit}".rstrip(), f"<= {_short(bar)}", value <= bar)

    def at_least(self, what: str, value: float, bar: float, unit: str = "") -> None:
        self._add(what, f"{_short(value)} {unit}".rstrip(), f">= {_short(bar)}", value >= bar)

    def equal(self, what: str, value: object, bar: object) -> None:
        self._add(what, str(value), str(bar), value == bar)

    def note(self, what: str, value: float, unit: str = "") -> None:
        """A figure without a bar, by which to judge the others."""
        self.lines.append(f"bar {self._family}: {what}: {_short(value)} {unit}".rstrip())

    def _add(self, what: str, value: str, bar: str, kept: bool) -> None:
        line = f"bar {self._family}: {what}: {value} (bar {bar})"
        self.lines.append(line if kept else f"{line} MISSED")
        if not kept:
            self.missed.append(line)


def _short(value: float) -> str:
    if value == int(value) or abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.2f}"
