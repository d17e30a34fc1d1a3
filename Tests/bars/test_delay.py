"""A client far away: one stream fills the way as well as a TCP connection does."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from pathlib import Path

import pytest

from figures import Figures, pick
from relay import Relay
from services import RawService
from support import MIB, connect, read_exactly
from tunnel import Tunnel

DELAY_MS = 50  # each way
RATE = 50  # MB/s each way


def throughput(sender: socket.socket, receiver: socket.socket, warm: float, seconds: float) -> float:
    """MB/s that arrive, looked at for so many seconds, after a while in which windows may open."""
    ended = threading.Event()

    def send() -> None:
        data = bytes(MIB)
        with contextlib.suppress(OSError):
            while not ended.is_set():
                sender.sendall(data)

    thread = threading.Thread(target=send)
    thread.start()
    room = memoryview(bytearray(MIB))
    try:
        arrived = 0
        started = time.monotonic()
        while (now := time.monotonic()) - started < warm:
            receiver.recv_into(room)
        while time.monotonic() - now < seconds:
            arrived += receiver.recv_into(room)
        return arrived / 1e6 / (time.monotonic() - now)
    finally:
        ended.set()
        receiver.close()
        thread.join()


@pytest.mark.parametrize("way", ["up", "down"])
def test_one_stream_fills_a_long_way(
    stack: contextlib.ExitStack, tmp_path: Path, raw_service: RawService, figures: Figures, way: str
) -> None:
    """Up: from the visitor to the service; down: back."""

    def via(address: str) -> str:
        return stack.enter_context(Relay(tmp_path, address, DELAY_MS, RATE)).address

    def visit(address: str) -> tuple[socket.socket, socket.socket]:
        near = stack.enter_context(connect(address))
        far = raw_service.accept()
        near.sendall(b"begin")
        read_exactly(far, 5)
        started = time.monotonic()
        far.sendall(b"x")
        read_exactly(near, 1)
        near.sendall(b"x")
        read_exactly(far, 1)
        round_trips.append((time.monotonic() - started) * 1000)
        return (near, far) if way == "up" else (far, near)

    round_trips: list[float] = []
    seconds = pick(1.5, 20)
    direct = throughput(*visit(via(raw_service.address)), 0.3, seconds)
    figures.at_least(f"{way}, TCP alone has nearly the whole rate of {RATE} MB/s", direct, 0.9 * RATE, "MB/s")
    tunnel = stack.enter_context(Tunnel(tmp_path, raw_service.address, via=via))
    tunnelled = throughput(*visit(tunnel.tcp), 1.5, seconds)
    figures.note(f"{way}, round trip", round_trips[-1], "ms")
    figures.at_least(f"{way}, one stream through the tunnel", tunnelled / direct * 100, 80, "% of TCP alone")
