"""The way between a client and its server, as relay.c makes it."""

from __future__ import annotations

from pathlib import Path

from programs import compile_c
from support import Process


class Relay(Process):
    """Passes on what comes, in a process of its own: each direction after a delay, and at no more than a rate."""

    def __init__(self, directory: Path, to: str, delay_ms: int = 0, megabytes_per_second: int = 0) -> None:
        """A rate of 0 is none."""
        program = directory / "relay"
        if not program.exists():
            compile_c(Path(__file__).with_name("relay.c"), program)
        super().__init__(program, to, delay_ms, megabytes_per_second)
        self.address: str = self.wait_for_line(lambda line: line)
