"""A server is replaced by another at the same addresses: what runs is completed at the old one, what comes next is
served by the new one."""

from __future__ import annotations

import contextlib
import socket
from typing import Any, Callable

import pytest

import wmproxy
from datagrams import EchoUDP, Visitor
from services import HOST, RawService, mapping
from support import (
    DEADLINE,
    MIB,
    connect,
    payload,
    raw_request,
    read_exactly,
    read_response,
    read_to_end,
    read_until,
    sha256,
    wait_for_event,
    wait_for_stats,
    wait_until_closed,
)
from wmproxy import EventKind

DATA = payload(8 * MIB)

LISTENERS = ("bind_addr", "map_http_bind", "map_tcp_bind")


class Relay:
    """Two servers, of which the second takes over from the first."""

    def __init__(self, start_server: Any, pool: Any, secure: bool = True) -> None:
        self._start, self._pool, self._secure = start_server, pool, secure
        self.old = start_server(tc=secure, threads=2)
        self.addresses = {name: self.old.address(name) for name in LISTENERS}

    def replace(self, drain: float | None = DEADLINE * 2) -> None:
        self.stopping = self._pool.submit(self.old.stop, drain)
        for address in self.addresses.values():
            wait_until_closed(address)
        self.new = self._start(tc=self._secure, threads=2, **self.addresses)


@pytest.fixture
def relay(start_server: Any, pool: Any) -> Relay:
    return Relay(start_server, pool)


def back(client: wmproxy.Client) -> None:
    wait_for_event(client, EventKind.SESSION_DOWN)
    wait_for_event(client, EventKind.SESSION_UP)
    client.wait_ready(DEADLINE)


@pytest.mark.parametrize("secure", [True, False], ids=["tls", "plain"])
def test_downloads_over_the_old_server_are_completed_while_the_new_one_serves(
    start_server: Any, start_client: Any, raw_service: RawService, echo_http: Any, pool: Any, secure: bool
) -> None:
    relay = Relay(start_server, pool, secure)
    web = echo_http()
    tcp = {"name": "tcp", "mode": "tcp", "local_addr": raw_service.address}
    client = start_client(relay.old, tcp, mapping(web.address), ts=secure)
    wait_for_stats(client, lambda stats: stats.lanes == 2)
    with contextlib.ExitStack() as stack:
        # Two on each lane, and an HTTP download of which the beginning is there.
        visitors = [stack.enter_context(connect(relay.addresses["map_tcp_bind"])) for _ in range(4)]
        services = []
        for number, visitor in enumerate(visitors):
            visitor.sendall(b"%d" % number)
            services.append(raw_service.accept())
        order = [int(read_exactly(service, 1)) for service in services]
        for service in services:
            service.sendall(DATA[:1000])
        page = stack.enter_context(connect(relay.addresses["map_http_bind"]))
        page.sendall(f"GET /bytes?size={8 * MIB} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        read_until(page, b"\r\n\r\n")

        relay.replace()
        back(client)
        wait_for_stats(relay.new, lambda stats: (stats.sessions, stats.lanes, stats.mappings) == (1, 2, 2))
        with connect(relay.addresses["map_tcp_bind"]) as visitor, raw_service.accept() as service:
            visitor.sendall(b"new")
            assert read_exactly(service, 3) == b"new"
            service.sendall(b"old no more")
            assert read_exactly(visitor, 11) == b"old no more"
        with connect(relay.addresses["map_http_bind"]) as visitor:
            assert raw_request(visitor, f"GET / HTTP/1.1\nHost: {HOST}")[0].status == 200
        assert not relay.stopping.done()

        received = [pool.submit(read_to_end, visitors[number]) for number in order]
        for service in services:
            service.sendall(DATA[1000:])
            service.shutdown(socket.SHUT_WR)
        assert sha256(read_exactly(page, len(DATA))) == sha256(DATA)
        for download in received:
            assert sha256(download.result(DEADLINE)) == sha256(DATA)
        for visitor in visitors:
            visitor.shutdown(socket.SHUT_WR)
    relay.stopping.result(5)
    wait_for_stats(client, lambda stats: (stats.lanes, stats.streams, stats.visitors) == (2, 0, 0))
    stats = client.stats()
    assert (stats.sessions, stats.sessions_total, stats.mappings) == (1, 2, 2)
    assert relay.new.stats().sessions_total == 1


def test_ports_and_datagrams_are_at_the_new_server_where_they_were(
    relay: Relay, start_client: Any, raw_service: RawService, stack: contextlib.ExitStack
) -> None:
    """While a visitor of the old one is still there: the port of a mapping is free at once."""
    datagrams = EchoUDP()
    stack.callback(datagrams.close)
    client = start_client(
        relay.old,
        {"name": "tcp", "mode": "tcp", "local_addr": raw_service.address, "remote_addr": "127.0.0.1:0"},
        {"name": "udp", "mode": "udp", "local_addr": datagrams.address, "remote_addr": "127.0.0.1:0"},
    )
    before = {name: client.mapping_address(name) for name in ("tcp", "udp")}
    talker = stack.enter_context(Visitor(before["udp"]))
    talker.until_echoed(b"old")
    with connect(before["tcp"]) as visitor, raw_service.accept() as service:
        relay.replace()
        back(client)
        assert {name: client.mapping_address(name) for name in ("tcp", "udp")} == before
        talker.until_echoed(b"new")
        with connect(before["tcp"]) as other, raw_service.accept() as its_service:
            other.sendall(b"new")
            assert read_exactly(its_service, 3) == b"new"
        service.sendall(b"still")
        assert read_exactly(visitor, 5) == b"still"
        assert not relay.stopping.done()
    relay.stopping.result(5)
    wait_for_stats(relay.new, lambda stats: (stats.ports, stats.udp_visitors) == (2, 1))


def test_an_upload_goes_on_at_the_old_server(
    relay: Relay, start_client: Any, echo_http: Any, raw_service: RawService
) -> None:
    web = echo_http()
    client = start_client(relay.old, mapping(web.address))
    with connect(relay.addresses["map_http_bind"]) as visitor:
        head = f"POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {len(DATA)}\r\n\r\n"
        visitor.sendall(head.encode() + DATA[: 3 * MIB])
        wait_for_stats(relay.old, lambda stats: stats.streams == 1)
        relay.replace()
        back(client)
        visitor.sendall(DATA[3 * MIB :])
        answer, body = read_response(visitor, "POST")
        assert answer.status == 200 and sha256(DATA).encode() in body
    relay.stopping.result(5)


def test_the_client_takes_no_more_than_one_new_session(
    relay: Relay, start_client: Any, raw_service: RawService
) -> None:
    """Each lane says farewell; it is one farewell all the same."""
    client = start_client(relay.old, {"name": "tcp", "mode": "tcp", "local_addr": raw_service.address}, lanes=2)
    with connect(relay.addresses["map_tcp_bind"]), raw_service.accept():
        relay.replace()
        back(client)
        wait_for_stats(client, lambda stats: stats.lanes == 3)  # the old one that carries the visitor
        wait_for_stats(relay.new, lambda stats: (stats.sessions, stats.lanes) == (1, 2))
    relay.stopping.result(5)
    wait_for_stats(client, lambda stats: stats.lanes == 2)
    while (event := client.next_event(0)) is not None:
        assert event.kind not in (EventKind.SESSION_DOWN, EventKind.MAPPING_REFUSED), event
    assert client.stats().sessions_total == 2


def test_a_mapping_that_is_removed_meanwhile_is_nowhere_and_who_is_there_stays(
    relay: Relay, start_client: Any, raw_service: RawService
) -> None:
    client = start_client(relay.old, {"name": "tcp", "mode": "tcp", "local_addr": raw_service.address})
    with connect(relay.addresses["map_tcp_bind"]) as visitor, raw_service.accept() as service:
        relay.replace()
        back(client)
        client.remove_mapping("tcp")
        assert relay.new.stats().mappings == 0
        service.sendall(b"still")
        assert read_exactly(visitor, 5) == b"still"
    relay.stopping.result(5)


@pytest.mark.parametrize("drain", [0.0, DEADLINE])
def test_a_client_that_stops_meanwhile_stops_at_both(
    relay: Relay, start_client: Any, raw_service: RawService, pool: Any, drain: float
) -> None:
    client = start_client(relay.old, {"name": "tcp", "mode": "tcp", "local_addr": raw_service.address})
    with connect(relay.addresses["map_tcp_bind"]) as visitor, raw_service.accept() as service:
        relay.replace()
        back(client)
        stopping = pool.submit(client.stop, drain)
        wait_for_stats(relay.new, lambda stats: stats.sessions == stats.lanes == 0)
        if drain:
            service.sendall(b"still")
            assert read_exactly(visitor, 5) == b"still"
            assert not stopping.done()
        else:
            with pytest.raises(ConnectionResetError):
                visitor.recv(1)
    stopping.result(5)
    relay.stopping.result(5)


def test_a_client_without_visitors_leaves_the_old_server_at_once(
    relay: Relay, start_client: Any, raw_service: RawService
) -> None:
    clients = [start_client(relay.old) for _ in range(5)]
    relay.replace(None)
    relay.stopping.result(5)
    for client in clients:
        back(client)
    wait_for_stats(relay.new, lambda stats: stats.sessions == 5)


def test_servers_follow_one_another(
    start_server: Any, start_client: Any, raw_service: RawService, pool: Any, stack: contextlib.ExitStack
) -> None:
    """A visitor who stays on through all of them."""
    relay = Relay(start_server, pool)
    client = start_client(relay.old, {"name": "tcp", "mode": "tcp", "local_addr": raw_service.address})
    pairs: list[tuple[socket.socket, socket.socket]] = []
    stops = []
    for turn in range(4):
        visitor = stack.enter_context(connect(relay.addresses["map_tcp_bind"]))
        pairs.append((visitor, raw_service.accept()))
        relay.replace()
        stops.append(relay.stopping)
        back(client)
        relay.old = relay.new
        for visitor, service in pairs:
            service.sendall(b"turn %d" % turn)
            assert read_exactly(visitor, 6) == b"turn %d" % turn
    assert not any(stop.done() for stop in stops)
    for visitor, service in pairs:
        visitor.close()
        service.close()
    for stop in stops:
        stop.result(5)
    wait_for_stats(client, lambda stats: (stats.lanes, stats.streams, stats.sessions_total) == (2, 0, 5))
