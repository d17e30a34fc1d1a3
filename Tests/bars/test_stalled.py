"""Readers who stall cost no more than their window, and nobody else's time."""

from __future__ import annotations

import contextlib
import selectors
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from figures import Figures, median, percentile, pick
from services import RawService
from support import DEADLINE, MIB, connect, read_exactly
from tunnel import KIB, Tunnel

STALLED = 8


def fill(senders: list[socket.socket]) -> float:
    """Sends all that is taken, until for half a second nothing is. Returns the mean of the bytes sent."""
    data = bytes(MIB)
    sent = 0
    with selectors.DefaultSelector() as selector:
        for sender in senders:
            sender.setblocking(False)
            selector.register(sender, selectors.EVENT_WRITE)
        while ready := selector.select(0.5):
            for key, _ in ready:
                with contextlib.suppress(BlockingIOError):
                    sent += key.fileobj.send(data)  # type: ignore[union-attr]
    return sent / len(senders)


def round_trips(near: socket.socket, far: socket.socket, count: int) -> list[float]:
    """Milliseconds of requests of a few bytes and answers of 1 KiB, one after the other."""
    times = []
    answer = bytes(KIB)
    for number in range(count):
        started = time.perf_counter()
        near.sendall(b"%08d" % number)
        read_exactly(far, 8)
        far.sendall(answer)
        read_exactly(near, KIB)
        times.append((time.perf_counter() - started) * 1000)
    return times


class Visits:
    """Makes visits, and gives both outer ends of them: the visitor's, the service's."""

    def __init__(self, stack: contextlib.ExitStack, directory: Path, service: RawService) -> None:
        self._stack = stack
        self._service = service
        self.tunnel = stack.enter_context(Tunnel(directory, service.address))

    def __call__(self) -> tuple[socket.socket, socket.socket]:
        near = self._stack.enter_context(connect(self.tunnel.tcp))
        far = self._service.accept()
        near.sendall(b"begin")
        read_exactly(far, 5)
        far.sendall(b"begin")
        read_exactly(near, 5)
        return near, far

    def memory(self) -> dict[str, int]:
        return {name: end.memory() for name, end in self.tunnel.ends.items()}


@pytest.fixture
def visit(stack: contextlib.ExitStack, tmp_path: Path, raw_service: RawService) -> Visits:
    return Visits(stack, tmp_path, raw_service)


@pytest.mark.parametrize("way", ["down", "up"])
def test_stalled_readers_cost_their_window_and_nobodys_time(visit: Visits, figures: Figures, way: str) -> None:
    """Down: visitors do not read what services send. Up: services do not read what visitors send."""
    count = pick(3_000, 100_000)
    asking = visit()
    round_trips(*asking, 500)
    base = percentile(round_trips(*asking, count), 99)
    # With the first stalled reader come the buffers that all share. Then eight at a time, since each costs a bit more
    # or less, as the heap has it.
    senders = [far if way == "down" else near for near, far in (visit() for _ in range(3 * STALLED + 1))]
    fill(senders[:1])
    more: dict[str, list[float]] = {name: [] for name in visit.memory()}
    for begin in range(1, len(senders), STALLED):
        before = visit.memory()
        taken = fill(senders[begin : begin + STALLED])
        for name, after in visit.memory().items():
            more[name].append((after - before[name]) / STALLED / KIB)
        if begin == 1:
            beside = percentile(round_trips(*asking, count), 99)
    for name, each in more.items():
        figures.at_most(f"{STALLED} stalled {way}, more memory of the {name} for each", median(each), 320, "KiB")
    figures.note(f"{STALLED} stalled {way}, taken from each sender, sockets included", taken / KIB, "KiB")
    figures.note("p99 of round trips alone", base, "ms")
    figures.at_most(f"p99 of round trips beside {STALLED} stalled {way}", beside, 2 * base + 5, "ms")


def test_what_readers_cost_that_stall_after_having_kept_up(visit: Visits, figures: Figures) -> None:
    """Their windows may have grown. There is no bar for this, but it should be known."""
    with ThreadPoolExecutor(1) as pool:
        pairs = [visit() for _ in range(STALLED)]
        before = visit.memory()
        for near, far in pairs:
            sending = pool.submit(far.sendall, bytes(32 * MIB))
            read_exactly(near, 32 * MIB)
            sending.result(DEADLINE)
        fill([far for _, far in pairs])
        for name, after in visit.memory().items():
            more = (after - before[name]) / STALLED / KIB
            figures.note(f"{STALLED} stalled after having kept up, more memory of the {name} for each", more, "KiB")
