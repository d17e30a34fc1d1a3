"""Visitors who come and go, in good order and not: nothing is left, and nobody else's bytes are touched."""

from __future__ import annotations

import asyncio
import random
import socket

from crowd import visitors
from figures import Figures, pick
from support import payload, reset, split
from tunnel import KIB, Tunnel, eventually

DATA = payload(64 * KIB, seed=3)


class Churn:
    """Begins visits at a steady rate: a quarter is reset, a quarter goes without waiting for the answer."""

    def __init__(self, address: str, rate: int, count: int) -> None:
        self._address = split(address)
        self._rate = rate
        self._count = count
        self._begun = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._random = random.Random(rate)
        self.whole = 0
        self.failures: list[str] = []

    async def run(self) -> float:
        """Returns the rate at which visits were begun and ended."""
        self._loop = asyncio.get_running_loop()
        self._all_begun = self._loop.create_future()
        self._started = self._loop.time()
        self._begin()
        await self._all_begun
        while self._tasks:
            await asyncio.wait(self._tasks)
        return self._count / (self._loop.time() - self._started)

    def _begin(self) -> None:
        """One more visit; the next one's time does not depend on how long this takes."""
        task = self._loop.create_task(self._visit(self._begun))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._begun += 1
        if self._begun < self._count:
            self._loop.call_at(self._started + self._begun / self._rate, self._begin)
        else:
            self._all_begun.set_result(None)

    async def _visit(self, number: int) -> None:
        size = self._random.randrange(1, 32 * KIB)
        start = self._random.randrange(len(DATA) - size)
        sent = DATA[start : start + size]
        with socket.socket() as sock:
            sock.setblocking(False)
            try:
                await self._loop.sock_connect(sock, self._address)
                await self._loop.sock_sendall(sock, sent)
                if number % 4 == 0:
                    reset(sock)
                elif number % 4 != 1:
                    sock.shutdown(socket.SHUT_WR)
                    received = b""
                    while part := await self._loop.sock_recv(sock, 64 * KIB):
                        received += part
                    if received != sent:
                        raise ValueError(f"{len(received)} bytes came back for {size}, or wrong ones")
                    self.whole += 1
            except (OSError, ValueError) as failure:
                self.failures.append(f"visit {number}: {failure!r}")


def test_visitors_come_and_go_and_nothing_is_left(tunnel: Tunnel, figures: Figures) -> None:
    rate, seconds = pick((300, 10), (1_000, 600))
    ends = tunnel.ends.items()
    with visitors(tunnel.tcp, 1):
        descriptors = {name: end.descriptors() - 1 for name, end in ends}
    asyncio.run(Churn(tunnel.tcp, rate, rate).run())  # the memory of a second of this is the base
    for name, end in ends:
        assert eventually(lambda: end.descriptors() == descriptors[name]) is not None
    before = {name: (end.threads(), end.memory()) for name, end in ends}

    churn = Churn(tunnel.tcp, rate, rate * seconds)
    figures.at_least("rate", asyncio.run(churn.run()), 0.9 * rate, "visits/s")
    figures.equal(f"wrong or missing answers of {churn.whole + len(churn.failures)}", len(churn.failures), 0)
    assert churn.failures == []

    for name, end in ends:
        threads, memory = before[name]
        eventually(lambda: (end.descriptors(), end.threads()) == (descriptors[name], threads), timeout=3)
        figures.equal(f"more descriptors of the {name}", end.descriptors() - descriptors[name], 0)
        figures.equal(f"more threads of the {name}", end.threads() - threads, 0)
        figures.at_most(f"more memory of the {name}", (end.memory() - memory) / KIB / KIB, 2, "MiB")
        end.statistics(visitors=0, queued_bytes=0)
