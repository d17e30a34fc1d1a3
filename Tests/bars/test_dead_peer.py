"""A network that loses every packet and tells nobody: both ends notice, and go on when it is back."""

from __future__ import annotations

import contextlib
import socket
import time
from pathlib import Path
from typing import Callable, Iterator

import pytest

from crowd import ping, served
from figures import Figures, median, pick
from network import Network
from services import EchoTCP
from support import closed_by_peer, connect, raw_request
from tunnel import HOST, Tunnel, logged_at, pass_time, when

#: What the short forms ask for instead of the defaults: a sign of life each 200 ms, and a second without is too long.
SHORT = {"ping_interval": "200ms", "ping_timeout": "1s"}


@pytest.fixture
def network() -> Iterator[Network]:
    with Network() as network:
        yield network


class Far:
    """A tunnel between the two hosts, and visitors beside its server."""

    def __init__(self, stack: contextlib.ExitStack, network: Network, directory: Path, **options: str) -> None:
        self._network = network
        directory.mkdir()
        with network.inside("client"):
            service = EchoTCP()
        stack.callback(service.close)
        self.tunnel = Tunnel(
            directory, service.address, host=network.SERVER, inside=network.inside, server=options, client=options
        )
        stack.callback(self.tunnel.close)
        self.visitor = stack.enter_context(self.connect(self.tunnel.tcp))
        ping(self.visitor)
        self.look_from_here()

    def look_from_here(self) -> None:
        """What ``noticed`` looks for is logged after this."""
        self._lines = {name: len(end.lines) for name, end in self.tunnel.ends.items()}

    def connect(self, address: str) -> socket.socket:
        with self._network.inside("server"):
            return connect(address)

    def served(self) -> bool:
        with self._network.inside("server"):
            return served(self.tunnel.tcp)

    def noticed(self, end: str, since: float, timeout: float) -> float:
        """After how many seconds that end logged the loss."""
        pattern = {"server": "is gone", "client": "is lost"}[end]
        line = self.tunnel.ends[end].wait_for(pattern, timeout, after=self._lines[end])
        return logged_at(line) - since

    def refused(self) -> None:
        with contextlib.suppress(ConnectionResetError), self.connect(self.tunnel.tcp) as visitor:
            closed_by_peer(visitor)

    def refused_by_http(self) -> None:
        with self.connect(self.tunnel.http) as visitor:
            response, _ = raw_request(visitor, f"GET / HTTP/1.1\nHost: {HOST}")
            assert response.status == 503


def milliseconds(call: Callable[[], None]) -> float:
    started = time.monotonic()
    call()
    return (time.monotonic() - started) * 1000


def test_both_ends_notice_and_refuse_visitors_until_the_network_is_back(
    stack: contextlib.ExitStack, tmp_path: Path, network: Network, figures: Figures
) -> None:
    fars = {
        "1 s": (Far(stack, network, tmp_path / "short", **SHORT), 1.1),
        "default": (Far(stack, network, tmp_path / "default"), 15),
    }
    # The last sign of life comes at no special time, and not at the very end.
    pass_time(0.35)
    for far, _ in fars.values():
        ping(far.visitor)
    pass_time(0.1)
    network.drop()
    dropped = time.time()
    for name, (far, bar) in fars.items():
        for end in ("server", "client"):
            took = far.noticed(end, dropped, timeout=bar + 10)
            figures.at_most(f"ping_timeout {name}, noticed by the {end} after", took, bar, "s")
        with pytest.raises(ConnectionResetError):
            far.visitor.recv(1)
        for edge, refused in (("TCP", far.refused), ("HTTP", far.refused_by_http)):
            times = [milliseconds(refused) for _ in range(20)]
            figures.at_most(f"then {edge} visitors are refused in", median(times), 100, "ms")

    network.heal()
    healed = time.time()
    for name, served_at in zip(fars, when([far.served for far, _ in fars.values()])):
        figures.at_most(f"ping_timeout {name}, healed, a visitor served after", served_at - healed, 2, "s")


def test_a_visitor_is_served_soon_after_the_network_is_back(
    stack: contextlib.ExitStack, tmp_path: Path, network: Network, figures: Figures
) -> None:
    """However long it was away: an attempt to connect that began in the dark is not waited for. (The system asks again
    after 1, 3 and 7 s, or after 1, 2, 3, 4, 5 and 7 s: at 7.5 s there is the longest pause.)"""
    fars = [Far(stack, network, tmp_path / str(number), **SHORT) for number in range(4)]
    for outage in pick([8.5], [3, 8.5, 12, 30, 60, 120]):
        network.drop()
        dropped = time.monotonic()
        for far in fars:
            assert far.noticed("client", time.time(), timeout=10)
        pass_time(dropped + outage - time.monotonic())
        network.heal()
        healed = time.time()
        last = max(when([far.served for far in fars])) - healed
        figures.at_most(f"{outage} s away, the last of {len(fars)} tunnels serves after", last, 2, "s")
        for far in fars:
            far.look_from_here()
