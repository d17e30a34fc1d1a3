"""Several connections make one session: who goes over which, and what happens when one of them is lost."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Callable

import pytest

import wmproxy
from services import HOST, EchoTCP, mapping
from support import (
    DEADLINE,
    MIB,
    connect,
    payload,
    raw_request,
    read_exactly,
    read_response,
    sha256,
    wait_for_event,
    wait_for_stats,
)
from switchboard import DOWN, UP, Link, Switchboard
from wmproxy import EventKind


class Lanes:
    """A tunnel whose lanes all go over one switchboard, with an echo behind the TCP edge."""

    def __init__(self, server: wmproxy.Server, client: wmproxy.Client, board: Switchboard) -> None:
        self.server, self.client, self.board = server, client, board
        self.tcp = server.address("map_tcp_bind")

    def visitors(self, count: int, stack: contextlib.ExitStack) -> dict[socket.socket, Link]:
        """Visitors who are being served, and the link of each."""
        found = {}
        for _ in range(count):
            visitor = stack.enter_context(connect(self.tcp))
            found[visitor] = self.board.carries(lambda: echo(visitor, bytes(100_000)))
        return found

    def visitors_everywhere(self, stack: contextlib.ExitStack) -> dict[socket.socket, Link]:
        """Eight visitors on both lanes: where nothing is encrypted, a loop that is not busy may have 64 more."""
        found: dict[socket.socket, Link] = {}
        for _ in range(150):
            found |= self.visitors(1, stack)
            first, other = (
                [visitor for visitor, link in found.items() if link is this][:4] for this in self.board.live
            )
            if len(first) == len(other) == 4:
                return {visitor: found[visitor] for visitor in first + other}
        raise AssertionError("all on one lane")

    def healed(self, lanes: int, timeout: float = DEADLINE) -> None:
        for end in (self.server, self.client):
            wait_for_stats(end, lambda stats: stats.lanes == lanes, timeout)

    def one_session_all_along(self) -> None:
        for end in (self.server, self.client):
            stats = end.stats()
            assert (stats.sessions, stats.sessions_total, stats.reconnects) == (1, 1, 0)
            while (event := end.next_event(0)) is not None:
                assert event.kind not in (EventKind.SESSION_DOWN, EventKind.MAPPING_DOWN), event


@pytest.fixture
def start_lanes(
    start_server: Any, start_client: Any, switchboard: Callable[..., Switchboard], echo_tcp: EchoTCP
) -> Callable[..., Lanes]:
    def start(lanes: int = 2, secure: bool = True, client: dict[str, Any] = {}, **server: Any) -> Lanes:
        end = start_server(tc=secure, threads=lanes, **server)
        board = switchboard(end)
        service = {"name": "echo", "mode": "tcp", "local_addr": echo_tcp.address}
        tunnel = Lanes(end, start_client(board.address, service, ts=secure, **client), board)
        tunnel.healed(lanes)
        return tunnel

    return start


def echo(visitor: socket.socket, data: bytes) -> None:
    thread = threading.Thread(target=visitor.sendall, args=(data,))
    thread.start()
    assert sha256(read_exactly(visitor, len(data))) == sha256(data)
    thread.join(DEADLINE)


def is_reset(visitor: socket.socket) -> bool:
    with pytest.raises(ConnectionResetError):
        while visitor.recv(MIB):
            pass
    return True


# ------------------------------------------------------------------------------------------------------------ How many


@pytest.mark.parametrize(
    "threads, server_lanes, client_lanes, expected",
    [
        (1, None, None, 1),
        (2, None, None, 2),
        (4, None, None, 4),
        (8, None, None, 4),
        (4, 2, None, 2),
        (4, None, 2, 2),
        (2, 1, None, 1),
        (2, None, 1, 1),
        (2, 3, 8, 3),
        (2, 8, 3, 3),
        (1, 16, 16, 16),
    ],
)
def test_a_session_has_a_lane_for_each_loop_of_the_server_or_as_many_as_both_ends_allow(
    start_server: Any,
    start_client: Any,
    switchboard: Callable[..., Switchboard],
    threads: int,
    server_lanes: int | None,
    client_lanes: int | None,
    expected: int,
) -> None:
    server = start_server(threads=threads, lanes=server_lanes)
    board = switchboard(server)
    client = start_client(board.address, lanes=client_lanes)
    for end in (server, client):
        wait_for_stats(end, lambda stats: stats.lanes == expected)
    wait_for_stats(server, lambda stats: stats.logins == 0)
    stats = server.stats()
    assert (stats.sessions, stats.sessions_total, stats.handshakes) == (1, 1, expected)
    assert len(board.links) == expected
    client.stop()
    wait_for_stats(server, lambda stats: stats.lanes == stats.sessions == stats.connections == stats.logins == 0)
    assert len(board.links) == expected


def test_each_client_has_lanes_of_its_own(start_server: Any, start_client: Any) -> None:
    server = start_server(threads=2)
    first, second = start_client(server), start_client(server)
    wait_for_stats(server, lambda stats: (stats.lanes, stats.sessions) == (4, 2))
    first.stop()
    wait_for_stats(server, lambda stats: (stats.lanes, stats.sessions) == (2, 1))
    assert second.stats().lanes == 2


# ------------------------------------------------------------------------------------------------------- Who goes where


def shares(visits: list[Link]) -> list[int]:
    return sorted(visits.count(link) for link in set(visits))


@pytest.mark.parametrize("lanes", [2, 4])
def test_visitors_are_spread_over_the_lanes(
    start_lanes: Callable[..., Lanes], stack: contextlib.ExitStack, lanes: int
) -> None:
    tunnel = start_lanes(lanes)
    visits = list(tunnel.visitors(8 * lanes, stack).values())
    assert len(set(visits)) == lanes
    assert shares(visits)[0] >= 4


def test_http_visitors_are_spread_over_the_lanes(start_lanes: Callable[..., Lanes], echo_http: Any) -> None:
    tunnel = start_lanes()
    tunnel.client.add_mapping(mapping(echo_http().address))
    visits = []
    for _ in range(16):
        with connect(tunnel.server.address("map_http_bind")) as visitor:
            request = f"GET /bytes?size=100000 HTTP/1.1\nHost: {HOST}"
            visits.append(tunnel.board.carries(lambda: raw_request(visitor, request)))
    assert len(set(visits)) == 2 and shares(visits)[0] >= 4


def test_visitors_of_several_edges_in_turn_are_spread_all_the_same(
    start_lanes: Callable[..., Lanes], echo_http: Any, stack: contextlib.ExitStack
) -> None:
    """A site's page, then its API, then its page: each of the two has visitors on both lanes."""
    tunnel = start_lanes()
    tunnel.client.add_mapping(mapping(echo_http().address))
    visits: list[Link] = []
    for _ in range(16):
        visits += tunnel.visitors(1, stack).values()
        with connect(tunnel.server.address("map_http_bind")) as visitor:
            raw_request(visitor, f"GET / HTTP/1.1\nHost: {HOST}")
    assert len(set(visits)) == 2, "all visitors of the TCP edge are on one lane"


def test_bytes_over_all_lanes_at_once_are_whole(
    start_lanes: Callable[..., Lanes], pool: ThreadPoolExecutor, stack: contextlib.ExitStack
) -> None:
    tunnel = start_lanes(secure=True)
    visitors = [stack.enter_context(connect(tunnel.tcp)) for _ in range(8)]
    for done in [pool.submit(echo, visitor, payload(MIB, seed)) for seed, visitor in enumerate(visitors)]:
        done.result(DEADLINE * 2)


# ---------------------------------------------------------------------------------------------------- One lane is lost


@pytest.mark.parametrize("secure", [True, False], ids=["tls", "plain"])
@pytest.mark.parametrize("lost", [0, 1], ids=["the first", "the other"])
def test_a_lost_lane_takes_its_visitors_with_it_and_nobody_else(
    start_lanes: Callable[..., Lanes],
    pool: ThreadPoolExecutor,
    stack: contextlib.ExitStack,
    secure: bool,
    lost: int,
) -> None:
    tunnel = start_lanes(secure=secure)
    first, other = tunnel.board.links
    visitors = tunnel.visitors(8, stack) if secure else tunnel.visitors_everywhere(stack)
    cut = (first, other)[lost]
    staying = [visitor for visitor, link in visitors.items() if link is not cut]
    leaving = [visitor for visitor, link in visitors.items() if link is cut]
    assert staying and leaving
    data = [payload(2 * MIB, seed) for seed, _ in enumerate(staying)]
    echoes: list[Future[None]] = [pool.submit(echo, *pair) for pair in zip(staying, data)]
    for visitor in leaving:
        visitor.sendall(bytes(1000))
    began = time.monotonic()
    cut.cut()
    for visitor in leaving:
        assert is_reset(visitor)
    for visitor in tunnel.visitors(4, stack):  # served while the lane is away, and after
        echo(visitor, bytes(1000))
    tunnel.healed(2)
    assert time.monotonic() - began < 5
    for done in echoes:
        done.result(DEADLINE)
    for visitor in staying:
        echo(visitor, bytes(1000))
    after = tunnel.visitors(8, stack) if secure else tunnel.visitors_everywhere(stack)
    assert set(after.values()) == {link for link in tunnel.board.live}
    tunnel.one_session_all_along()


@pytest.mark.parametrize("lost", range(4))
def test_a_lost_lane_of_four_is_back_within_a_second_or_two(start_lanes: Callable[..., Lanes], lost: int) -> None:
    tunnel = start_lanes(4)
    tunnel.board.links[lost].cut()
    tunnel.board.wait_for(lambda: len(tunnel.board.links) == 5, timeout=2)
    tunnel.healed(4, timeout=2)
    tunnel.one_session_all_along()


@pytest.mark.parametrize("lost", [0, 1], ids=["the first", "the other"])
def test_visitors_are_served_for_as_long_as_the_lane_cannot_come_back(
    start_lanes: Callable[..., Lanes], stack: contextlib.ExitStack, echo_http: Any, lost: int
) -> None:
    tunnel = start_lanes()
    tunnel.client.add_mapping(mapping(echo_http().address))
    tunnel.board.shut()
    tunnel.board.links[lost].cut()
    tunnel.board.wait_for(lambda: tunnel.board.refused >= 3)
    assert tunnel.server.stats().lanes == tunnel.client.stats().lanes == 1
    for _ in range(6):
        with connect(tunnel.server.address("map_http_bind")) as visitor:
            assert raw_request(visitor, f"GET / HTTP/1.1\nHost: {HOST}")[0].status == 200
    assert set(tunnel.visitors(6, stack).values()) == set(tunnel.board.live)
    tunnel.board.reopen()
    tunnel.healed(2)
    assert len(set(tunnel.visitors(8, stack).values())) == 2
    tunnel.one_session_all_along()


def test_an_http_connection_goes_on_over_another_lane(start_lanes: Callable[..., Lanes], echo_http: Any) -> None:
    tunnel = start_lanes()
    tunnel.client.add_mapping(mapping(echo_http().address))
    tunnel.board.shut()
    request = f"GET /bytes?size=100000 HTTP/1.1\nHost: {HOST}"
    with contextlib.ExitStack() as stack:
        links = {}
        for _ in range(6):
            visitor = stack.enter_context(connect(tunnel.server.address("map_http_bind")))
            links[visitor] = tunnel.board.carries(lambda: raw_request(visitor, request))
        assert len(set(links.values())) == 2
        tunnel.board.links[1].cut()
        for end in (tunnel.server, tunnel.client):
            wait_for_stats(end, lambda stats: stats.lanes == 1)
        for visitor in links:
            answer, body = raw_request(visitor, request)
            assert (answer.status, len(body)) == (200, 100_000)
    tunnel.one_session_all_along()


def test_a_request_on_the_lost_lane_has_an_answer_and_is_not_sent_twice(
    start_lanes: Callable[..., Lanes], echo_http: Any
) -> None:
    tunnel = start_lanes()
    service = echo_http()
    tunnel.client.add_mapping(mapping(service.address))
    with contextlib.ExitStack() as stack:
        visitors = [stack.enter_context(connect(tunnel.server.address("map_http_bind"))) for _ in range(6)]
        for visitor in visitors:
            head = f"POST /hold HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 3\r\n\r\n"
            visitor.sendall(head.encode() + b"abc")
            service.held.get(timeout=DEADLINE)
        tunnel.board.links[1].cut()
        wait_for_stats(tunnel.server, lambda stats: stats.http_errors > 0)
        tunnel.healed(2)
        errors = tunnel.server.stats().http_errors
        assert 0 < errors < 6 and service.held.empty()
        service.release.set()
        answers = [read_response(visitor, "POST")[0].status for visitor in visitors]
    assert set(answers) <= {502, 503} and service.held.empty()


def test_a_lane_that_falls_silent_is_lost_by_itself(
    start_lanes: Callable[..., Lanes], stack: contextlib.ExitStack
) -> None:
    quick = {"ping_interval": "100ms", "ping_timeout": "600ms"}
    tunnel = start_lanes(client=quick, **quick)
    visitors = tunnel.visitors(6, stack)
    silent = tunnel.board.links[0]
    silent.hold()
    for visitor, link in visitors.items():
        if link is silent:
            assert is_reset(visitor)
        else:
            echo(visitor, bytes(100_000))
    tunnel.healed(2)
    for visitor, link in visitors.items():
        if link is not silent:
            echo(visitor, bytes(100_000))
    tunnel.one_session_all_along()


@pytest.mark.parametrize("silent", [0, 1], ids=["the first", "the other"])
def test_a_lane_that_falls_silent_gets_no_new_visitors_long_before_it_is_lost(
    start_lanes: Callable[..., Lanes], silent: int
) -> None:
    patient = {"ping_interval": "30s", "ping_timeout": "60s"}
    tunnel = start_lanes(client=patient, **patient)
    tunnel.board.links[silent].hold()
    began = time.monotonic()
    in_a_row = 0
    with contextlib.ExitStack() as stack:
        while in_a_row < 12:
            visitor = stack.enter_context(connect(tunnel.tcp))
            visitor.sendall(b"hello")
            in_a_row = in_a_row + 1 if select.select([visitor], [], [], 0.2)[0] else 0
            assert time.monotonic() - began < 5, "new visitors still go to a lane of which nothing is heard"
        assert tunnel.server.stats().lanes == 2
        tunnel.board.links[silent].let_go()
        tunnel.one_session_all_along()


def test_lanes_that_are_lost_again_and_again_leave_nothing_behind(start_lanes: Callable[..., Lanes]) -> None:
    tunnel = start_lanes(4)
    for turn in range(12):
        tunnel.board.live[turn % 4].cut()
        tunnel.board.wait_for(lambda: len(tunnel.board.links) == 5 + turn)
        tunnel.healed(4)
    wait_for_stats(tunnel.server, lambda stats: (stats.logins, stats.connections, stats.lanes) == (0, 4, 4))
    tunnel.one_session_all_along()


def test_a_lane_that_is_lost_as_soon_as_it_is_there_is_tried_less_and_less_often(
    start_lanes: Callable[..., Lanes],
) -> None:
    """At first after 50 ms at most, later after a second at most, as docs/PROTOCOL.md has it."""
    tunnel = start_lanes(secure=True)
    board = tunnel.board
    began = time.monotonic()
    while time.monotonic() - began < 4:
        count = len(board.links)
        board.links[-1].cut()
        board.wait_for(lambda: len(board.links) > count)
        wait_for_stats(tunnel.client, lambda stats: stats.lanes == 2)
    assert len(board.links) < 40
    tunnel.one_session_all_along()


def test_a_further_lane_that_another_server_rejects_does_the_session_no_harm(
    start_server: Any, start_client: Any, switchboard: Callable[..., Switchboard]
) -> None:
    """Behind a balancer, half of the lanes come to a server that does not know the session."""
    servers = [start_server(threads=4) for _ in range(2)]
    board = switchboard(*servers)
    client = start_client(board.address)
    wait_for_stats(client, lambda stats: stats.lanes == 4)
    assert len(board.links) >= 7
    assert (client.stats().sessions_total, client.stats().reconnects) == (1, 0)
    assert sorted(server.stats().sessions_total for server in servers) == [0, 1]


# ------------------------------------------------------------------------------------- What is asked on the first lane


def answers_lost(tunnel: Lanes, pool: ThreadPoolExecutor, call: Callable[[], object]) -> Future[object]:
    """Has the client ask something on its first lane, of which the server's answer never arrives."""
    control = tunnel.board.links[0]
    control.hold(DOWN)
    before = control.bytes[UP]
    asked = pool.submit(call)
    control.wait_for_bytes(UP, before)
    return asked


def add_another(tunnel: Lanes, service: EchoTCP, name: str = "another") -> None:
    tunnel.client.add_mapping(
        name=name, mode="tcp", local_addr=service.address, remote_addr="127.0.0.1:0", timeout=DEADLINE
    )


def test_a_mapping_whose_answer_was_on_the_lost_lane_is_there(
    start_lanes: Callable[..., Lanes], pool: ThreadPoolExecutor, echo_tcp: EchoTCP
) -> None:
    tunnel = start_lanes()
    asked = answers_lost(tunnel, pool, lambda: add_another(tunnel, echo_tcp))
    wait_for_stats(tunnel.server, lambda stats: stats.mappings == 2)
    assert not asked.done()
    tunnel.board.links[0].cut()
    asked.result(DEADLINE)
    with connect(tunnel.client.mapping_address("another")) as visitor:
        echo(visitor, bytes(1000))
    assert (tunnel.server.stats().mappings, tunnel.server.stats().ports) == (2, 1)
    tunnel.one_session_all_along()


def test_a_removal_whose_answer_was_on_the_lost_lane_is_done(
    start_lanes: Callable[..., Lanes], pool: ThreadPoolExecutor, echo_tcp: EchoTCP
) -> None:
    tunnel = start_lanes()
    add_another(tunnel, echo_tcp)
    asked = answers_lost(tunnel, pool, lambda: tunnel.client.remove_mapping("another", timeout=DEADLINE))
    wait_for_stats(tunnel.server, lambda stats: stats.mappings == 1)
    assert not asked.done()
    tunnel.board.links[0].cut()
    asked.result(DEADLINE)
    with pytest.raises(wmproxy.NotFoundError):
        tunnel.client.mapping_address("another")
    assert (tunnel.server.stats().mappings, tunnel.server.stats().ports) == (1, 0)
    stats = tunnel.client.stats()
    assert (stats.sessions_total, stats.mappings) == (1, 1)


def test_mappings_that_the_server_never_heard_of_are_asked_for_again(
    start_lanes: Callable[..., Lanes], pool: ThreadPoolExecutor, echo_tcp: EchoTCP
) -> None:
    tunnel = start_lanes()
    add_another(tunnel, echo_tcp)
    control = tunnel.board.links[0]
    control.hold(UP)
    before = control.bytes[UP]
    removed = pool.submit(tunnel.client.remove_mapping, "another", timeout=DEADLINE)
    added = [pool.submit(add_another, tunnel, echo_tcp, f"new-{number}") for number in range(5)]
    control.wait_for_bytes(UP, before)
    control.cut()
    for done in [removed, *added]:
        done.result(DEADLINE)
    for number in range(5):
        with connect(tunnel.client.mapping_address(f"new-{number}")) as visitor:
            echo(visitor, bytes(1000))
    assert (tunnel.server.stats().mappings, tunnel.server.stats().ports) == (6, 5)
    assert tunnel.client.stats().mappings == 6


@pytest.mark.parametrize("drain", [3.0, None], ids=["for a while", "without limit"])
def test_a_client_whose_first_lane_is_lost_while_it_stops_stops_at_once(
    start_lanes: Callable[..., Lanes], pool: ThreadPoolExecutor, drain: float | None
) -> None:
    tunnel = start_lanes()
    stopping = answers_lost(tunnel, pool, lambda: tunnel.client.stop(drain))
    wait_for_stats(tunnel.server, lambda stats: stats.mappings == 0)
    began = time.monotonic()
    tunnel.board.links[0].cut()
    try:
        stopping.result(8)
        assert time.monotonic() - began < 1.5
    finally:
        for link in tunnel.board.live:  # or else a stop without limit would hold up the test's own end
            link.cut()
        stopping.result(DEADLINE)


# ----------------------------------------------------------------------------------------------------- All of them are


@pytest.mark.parametrize("lanes", [1, 2, 4])
def test_the_session_ends_with_its_last_lane_and_a_new_one_begins(
    start_lanes: Callable[..., Lanes], stack: contextlib.ExitStack, lanes: int
) -> None:
    tunnel = start_lanes(lanes)
    visitors = tunnel.visitors(2 * lanes, stack)
    for link in tunnel.board.links[:lanes]:
        link.cut()
    for visitor in visitors:
        assert is_reset(visitor)
    for end in (tunnel.server, tunnel.client):
        wait_for_event(end, EventKind.SESSION_DOWN)
        wait_for_event(end, EventKind.SESSION_UP)
    tunnel.client.wait_ready(DEADLINE)
    tunnel.healed(lanes)
    tunnel.visitors(2, stack)
    stats = tunnel.client.stats()
    assert (stats.sessions_total, stats.reconnects, stats.mappings) == (2, 1, 1)
    wait_for_stats(tunnel.server, lambda stats: (stats.sessions, stats.logins, stats.mappings) == (1, 0, 1))


def test_a_client_that_stops_takes_all_its_lanes_with_it(
    start_lanes: Callable[..., Lanes], stack: contextlib.ExitStack
) -> None:
    tunnel = start_lanes(4)
    visitors = tunnel.visitors(8, stack)
    tunnel.client.stop()
    for visitor in visitors:
        assert is_reset(visitor)
    wait_for_stats(tunnel.server, lambda stats: stats.lanes == stats.sessions == stats.visitors == stats.streams == 0)
    assert tunnel.server.stats().sessions_total == 1


def test_a_server_that_stops_ends_the_visitors_of_all_lanes(
    start_lanes: Callable[..., Lanes], stack: contextlib.ExitStack
) -> None:
    tunnel = start_lanes(4)
    visitors = tunnel.visitors(8, stack)
    tunnel.server.stop()
    for visitor in visitors:
        assert is_reset(visitor)
    assert wait_for_event(tunnel.client, EventKind.SESSION_DOWN).reason
    wait_for_stats(tunnel.client, lambda stats: stats.lanes == stats.sessions == stats.visitors == stats.streams == 0)
