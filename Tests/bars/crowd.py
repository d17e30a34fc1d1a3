"""Many visitors, and a service that bears them."""

from __future__ import annotations

import contextlib
import socket
import sys
from pathlib import Path
from typing import Iterator

from support import DEADLINE, Process, connect, python_environment, read_exactly


class EchoProcess(Process):
    """echo.py in a process of its own."""

    def __init__(self) -> None:
        super().__init__(sys.executable, Path(__file__).with_name("echo.py"), env=python_environment())
        self.address: str = self.wait_for_line(lambda line: line)


def ping(visitor: socket.socket, message: bytes = b"ping") -> None:
    """Has the echo behind a tunnel answer."""
    visitor.sendall(message)
    assert read_exactly(visitor, len(message)) == message


def served(address: str, timeout: float = DEADLINE) -> bool:
    """Whether a visitor who comes now has an answer of the echo."""
    with contextlib.suppress(OSError, EOFError), connect(address) as visitor:
        visitor.settimeout(timeout)
        ping(visitor)
        return True
    return False


@contextlib.contextmanager
def visitors(address: str, count: int) -> Iterator[list[socket.socket]]:
    """That many visitors, each of whom has been answered once."""
    crowd: list[socket.socket] = []
    try:
        while len(crowd) < count:
            some = [connect(address) for _ in range(min(100, count - len(crowd)))]
            crowd += some
            for visitor in some:
                visitor.sendall(b"ping")
            for visitor in some:
                assert read_exactly(visitor, 4) == b"ping"
        yield crowd
    finally:
        for visitor in crowd:
            visitor.close()
