"""A stop that lets visitors finish: no new ones, what runs is completed, and it ends when it said."""

from __future__ import annotations

import contextlib
import http.client
import socket
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Iterator

import pytest

import wmproxy
from crowd import EchoProcess, ping
from figures import Figures
from services import HOST, EchoHTTP, RawService, mapping
from support import DEADLINE, MIB, closed_by_peer, connect, payload, read_exactly, read_to_end, reset, sha256
from tunnel import TOKEN

DATA = payload(8 * MIB)


class Pair:
    """Both ends in this process, since what is measured is their calls."""

    def __init__(self, stack: contextlib.ExitStack, **services: str) -> None:
        anywhere = {key: "127.0.0.1:0" for key in ("bind_addr", "map_http_bind", "map_tcp_bind")}
        self.server = stack.enter_context(wmproxy.Server(anywhere, tc=True, token=TOKEN))
        mappings = [
            {"name": "tcp", "mode": "tcp", "local_addr": services["tcp"]},
            mapping(services["http"]),
        ]
        config = {"server": self.server.address("bind_addr"), "ts": True, "token": TOKEN, "mappings": mappings}
        self.client = stack.enter_context(wmproxy.Client(config))
        self.client.wait_ready(DEADLINE)
        self.tcp = self.server.address("map_tcp_bind")
        self.http = self.server.address("map_http_bind")


class Stop:
    """A stop in a thread of its own."""

    def __init__(self, end: wmproxy.Server | wmproxy.Client, drain: float, pool: ThreadPoolExecutor) -> None:
        self.began = time.monotonic()
        self._call = pool.submit(end.stop, drain)
        self._call.add_done_callback(self._done)

    def _done(self, _: Future[None]) -> None:
        self._returned = time.monotonic()

    @property
    def returned(self) -> bool:
        return self._call.done()

    def took(self) -> float:
        """Seconds until the call returned."""
        self._call.result(DEADLINE)
        return self._returned - self.began


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


def get(address: str, path: str) -> http.client.HTTPConnection:
    host, port = address.rsplit(":", 1)
    connection = http.client.HTTPConnection(host, int(port), timeout=DEADLINE)
    connection.request("GET", path, headers={"Host": HOST})
    return connection


def milliseconds_until_closed(address: str, began: float) -> float:
    while True:
        try:
            reset(connect(address))  # who merely ends might be waited for
        except ConnectionRefusedError:
            return (time.monotonic() - began) * 1000
        except ConnectionResetError:
            pass  # it was in the queue when the port was closed


@pytest.mark.parametrize("stopped", ["server", "client"])
def test_a_download_completes_and_idle_visitors_are_closed(
    stack: contextlib.ExitStack,
    pool: ThreadPoolExecutor,
    raw_service: RawService,
    figures: Figures,
    stopped: str,
) -> None:
    web = EchoHTTP()
    stack.callback(web.close)
    pair = Pair(stack, tcp=raw_service.address, http=web.address)
    idle = stack.enter_context(contextlib.closing(get(pair.http, "/")))
    idle.getresponse().read()
    page = stack.enter_context(contextlib.closing(get(pair.http, f"/bytes?size={len(DATA)}"))).getresponse()
    beginning = page.read(MIB)
    visitor = stack.enter_context(connect(pair.tcp))
    visitor.sendall(b"begin")
    service = raw_service.accept()
    sending = pool.submit(service.sendall, DATA)
    first = read_exactly(visitor, MIB)

    stop = Stop(getattr(pair, stopped), 5, pool)
    if stopped == "server":
        for edge, address in (("TCP", pair.tcp), ("HTTP", pair.http), ("tunnel", pair.server.address("bind_addr"))):
            took = milliseconds_until_closed(address, stop.began)
            figures.at_most(f"server stops, {edge} port closed after", took, 50, "ms")
        assert idle.sock is not None
        closed_by_peer(idle.sock)
        took = (time.monotonic() - stop.began) * 1000
        figures.at_most("server stops, an idle HTTP visitor is closed after", took, 50, "ms")
    assert not stop.returned, "it did not wait for the downloads"

    equal = sha256(beginning + page.read()) == sha256(DATA)
    figures.equal(f"{stopped} stops, HTTP download", "whole" if equal else "broken", "whole")
    received = pool.submit(read_to_end, visitor)
    sending.result(DEADLINE)
    service.shutdown(socket.SHUT_WR)
    equal = sha256(first + received.result(DEADLINE)) == sha256(DATA)
    figures.equal(f"{stopped} stops, TCP download", "whole" if equal else "broken", "whole")
    visitor.close()
    service.close()
    ended = time.monotonic()
    stop.took()
    took = (time.monotonic() - ended) * 1000
    figures.at_most(f"{stopped} stops, the call returns after the last visitor", took, 100, "ms")


@pytest.mark.parametrize("stopped", ["server", "client"])
def test_a_visitor_who_does_not_leave_is_closed_at_the_end_of_the_grace(
    stack: contextlib.ExitStack, pool: ThreadPoolExecutor, echo: EchoProcess, figures: Figures, stopped: str
) -> None:
    pair = Pair(stack, tcp=echo.address, http=echo.address)
    grace = 1.0
    with connect(pair.tcp) as visitor:
        ping(visitor)
        stop = Stop(getattr(pair, stopped), grace, pool)
        with pytest.raises(ConnectionResetError):
            visitor.recv(1)
        closed = time.monotonic() - stop.began
        figures.at_most(f"{stopped} stops, the grace is 1 s: a visitor who stays is closed after", closed, 1.1, "s")
        figures.at_least(f"{stopped} stops, the grace is 1 s: that visitor had", closed, 0.95, "s")
        figures.at_most(f"{stopped} stops, the grace is 1 s: the call returns after", stop.took(), 1.1, "s")
