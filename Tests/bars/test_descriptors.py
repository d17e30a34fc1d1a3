"""A server that is out of descriptors: those who are there stay, the rest wait, and it is all over soon."""

from __future__ import annotations

import contextlib
import socket
import time
from pathlib import Path

from crowd import EchoProcess, ping, served
from figures import Figures, pick
from support import split
from tunnel import Tunnel, eventually, pass_time

LIMIT = 64
VISITORS = 120


def arrive(address: str) -> socket.socket:
    """A visitor who may have to wait until he is taken."""
    visitor = socket.socket()
    visitor.setblocking(False)
    visitor.connect_ex(split(address))
    return visitor


def test_a_server_out_of_descriptors_serves_those_who_are_there(
    stack: contextlib.ExitStack, tmp_path: Path, echo: EchoProcess, figures: Figures
) -> None:
    tunnel = stack.enter_context(Tunnel(tmp_path, echo.address, limit=LIMIT))
    regulars = [stack.enter_context(socket.create_connection(split(tunnel.tcp), timeout=20)) for _ in range(4)]
    for visitor in regulars:
        ping(visitor)
    lines = len(tunnel.client.lines)
    processor, logs, normal = [], [], []

    for _ in range(pick(1, 20)):
        crowd = [arrive(tunnel.tcp) for _ in range(VISITORS)]
        assert eventually(lambda: tunnel.server.descriptors() >= LIMIT - 2) is not None
        logged, cpu, began = len(tunnel.server.lines), tunnel.server.cpu(), time.monotonic()
        while time.monotonic() - began < 3:
            for visitor in regulars:
                ping(visitor)
            pass_time(0.1)
        seconds = time.monotonic() - began
        spent = tunnel.server.cpu() - cpu
        processor.append(spent / seconds * 100)
        between = max(len(tunnel.server.lines) - logged - 1, 0)  # a line each second makes four in three seconds
        logs.append(between / seconds)
        for visitor in crowd:
            visitor.close()
        left = time.monotonic()
        assert eventually(lambda: served(tunnel.tcp)) is not None
        normal.append(time.monotonic() - left)
        for visitor in regulars:
            ping(visitor)
    figures.at_most("exhausted, the server's processor time", max(processor), 5, "%")
    figures.at_most("exhausted, log lines of the server", max(logs), 1, "/s")
    figures.at_most("visitors have left, another is served after", max(normal), 1, "s")
    figures.equal("lines of the client meanwhile: its session survived", len(tunnel.client.lines) - lines, 0)
