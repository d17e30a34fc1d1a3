"""Bounds: what they refuse, what they leave alone, and that nothing is left when everybody has gone."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from typing import Any, Callable

import pytest

import wmproxy
from datagrams import MOST, EchoUDP, Visitor
from rawlane import DATA, HTTP, MAP, MAPPED, OPEN, PREFACE, REJECT, RESET, TOO_MANY, UDP, WELCOME, RawLane
from rawlane import mapping as raw_mapping
from services import HOST, EchoTCP, RawService, mapping
from support import (
    DEADLINE,
    MIB,
    closed_by_peer,
    connect,
    raw_request,
    read_exactly,
    read_response,
    reset,
    turned_away,
    wait_for_event,
    wait_for_stats,
)
from switchboard import Switchboard
from taps import Guest, Highest, Tap
from wmproxy import EventKind, Status

#: What a stream may have waiting, unless it is read fast.
WINDOW = 262144

#: What a budget of 1 MiB may come to: it is noticed when it is exceeded, by one stream's window at most.
ROOM = MIB + 2 * WINDOW


@pytest.fixture
def tap(stack: contextlib.ExitStack) -> Tap:
    service = Tap()
    stack.callback(service.close)
    return service


@pytest.fixture
def guest(stack: contextlib.ExitStack) -> Callable[[str], Guest]:
    def come(address: str) -> Guest:
        guest = Guest(address)
        stack.callback(guest.close)
        return guest

    return come


def services(tap: Tap) -> list[dict[str, Any]]:
    return [{"name": "tap", "mode": "tcp", "local_addr": tap.address}, mapping(tap.address)]


def at_rest(server: wmproxy.Server) -> wmproxy.Statistics:
    """When nothing has come for a while."""
    seen: list[int] = []

    def look(stats: wmproxy.Statistics) -> bool:
        seen.append(stats.bytes_out)
        return seen[-20:] == [stats.bytes_out] * 20

    return wait_for_stats(server, look)


def nobody_left(*ends: Any) -> None:
    for end in ends:
        wait_for_stats(end, lambda stats: stats.visitors == stats.streams == stats.queued_bytes == 0)


# -------------------------------------------------------------------------------------------------------------- Memory


@pytest.mark.parametrize("limit", ["max_session_queued", "max_queued"])
@pytest.mark.parametrize("edge", ["map_tcp_bind", "map_http_bind"])
@pytest.mark.parametrize("threads", [1, 2])
def test_visitors_who_do_not_read_use_no_more_than_the_budget_and_disturb_nobody(
    start_server: Any,
    start_client: Any,
    tap: Tap,
    guest: Callable[[str], Guest],
    limit: str,
    edge: str,
    threads: int,
) -> None:
    server = start_server(threads=threads, **{limit: "1MiB"})
    client = start_client(server, *services(tap))
    wait_for_stats(server, lambda stats: stats.lanes == threads)
    readers = [guest(server.address(edge)) for _ in range(4)]
    with Highest(server) as highest:
        idlers = [guest(server.address(edge)) for _ in range(12)]
        for number, idler in enumerate(idlers):
            idler.ask(64 * MIB)
            for reader in readers:
                reader.fetch(8192)
        wait_for_stats(server, lambda stats: stats.shed >= 4)
        for _ in range(50):
            for reader in readers:
                reader.fetch(8192)
    assert WINDOW < highest.bytes <= ROOM
    stats = server.stats()
    assert 4 <= stats.shed <= 11, "some are cut off, and no more than it takes"
    assert client.stats().sessions_total == 1
    for each in (*idlers, *readers):
        each.close()
    nobody_left(server, client)


def test_the_one_for_whom_most_waits_is_cut_off_whichever_loop_he_is_on(
    start_server: Any,
    start_client: Any,
    switchboard: Callable[..., Switchboard],
    tap: Tap,
    guest: Callable[[str], Guest],
) -> None:
    """The idlers are all on one lane; who is a moment behind with a few bytes is on the other."""
    server = start_server(threads=2, max_session_queued="1MiB", max_window="256KiB")
    board = switchboard(server)
    start_client(board.address, *services(tap))
    wait_for_stats(server, lambda stats: stats.lanes == 2)
    lanes: dict[Any, list[Guest]] = {link: [] for link in board.links}
    for _ in range(12):
        someone = guest(server.address("map_tcp_bind"))
        lanes[board.carries(lambda: someone.fetch(100_000))].append(someone)
    idlers, others = sorted(lanes.values(), key=len, reverse=True)
    assert len(idlers) >= 5 and others
    for idler in idlers[:3]:
        idler.ask(64 * MIB)
    gap = MIB - at_rest(server).queued_bytes
    for idler in idlers[3:5]:
        idler.leave_waiting(server, gap // 2 - 16384)
    assert server.stats().shed == 0
    asked = others[0].leave_waiting(server, 6 * 16384)
    stats = wait_for_stats(server, lambda stats: stats.shed > 0)
    assert stats.shed == 1
    for _ in range(asked):
        others[0].take(16384)
    others[0].fetch(100_000)


Readers = tuple[Callable[[], socket.socket], Any]
"""Brings one more who may read, and the end at which it waits for them."""


@pytest.fixture(params=["down", "up"])
def readers(request: Any, start_server: Any, start_client: Any, tap: Tap, guest: Any, stack: Any) -> Readers:
    """Of endless downloads, for which the server has a budget of 4 MiB, or of uploads, for which the client has."""
    if request.param == "down":
        server = start_server(max_session_queued="4MiB")
        start_client(server, *services(tap))

        def visitor() -> socket.socket:
            someone: Guest = guest(server.address("map_tcp_bind"))
            someone.ask(1 << 40)
            return someone.sock

        return visitor, server

    service: RawService = stack.enter_context(contextlib.closing(RawService()))
    service.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    server = start_server()
    mapped = {"name": "raw", "mode": "tcp", "local_addr": service.address}
    client = start_client(server, mapped, max_session_queued="4MiB")

    def flood(visitor: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                visitor.sendall(bytes(MIB))

    def leave(visitor: socket.socket, thread: threading.Thread) -> None:
        with contextlib.suppress(OSError):  # it may have been cut off
            visitor.shutdown(socket.SHUT_RDWR)
        thread.join(DEADLINE)
        visitor.close()

    def uploaded() -> socket.socket:
        visitor = connect(server.address("map_tcp_bind"))
        thread = threading.Thread(target=flood, args=(visitor,))
        thread.start()
        stack.callback(leave, visitor, thread)
        return service.accept()

    return uploaded, client


def test_who_reads_nothing_gives_way_before_who_reads_steadily(readers: Readers) -> None:
    """Although more waits for the latter: the faster somebody reads, the more is on its way to him."""
    come, end = readers
    steady = [come() for _ in range(2)]
    for reader in steady:
        read_exactly(reader, 8 * MIB)
    pace = threading.Event()

    def read_on(times: int) -> None:
        for _ in range(times):
            for reader in steady:
                read_exactly(reader, 65536)
            pace.wait(0.01)

    for _ in range(8):
        come()
        read_on(1)
    read_on(100)
    for _ in range(40):
        if end.stats().shed >= 2:
            break
        come()
        read_on(2)
    read_on(20)
    assert end.stats().shed >= 2


def test_services_that_do_not_read_use_no_more_than_the_budget_of_the_client(
    start_server: Any, start_client: Any, echo_tcp: EchoTCP, stack: contextlib.ExitStack
) -> None:
    service = RawService()
    service.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    stack.callback(service.close)
    server = start_server()
    client = start_client(
        server,
        {"name": "raw", "mode": "tcp", "local_addr": service.address},
        {"name": "echo", "mode": "tcp", "local_addr": echo_tcp.address, "remote_addr": "127.0.0.1:0"},
        max_session_queued="1MiB",
    )
    with connect(client.mapping_address("echo")) as reader, Highest(client) as highest:
        visitors = [stack.enter_context(connect(server.address("map_tcp_bind"))) for _ in range(12)]
        for _ in visitors:
            service.accept()
        for visitor in visitors:
            visitor.settimeout(0.1)
            with contextlib.suppress(TimeoutError, ConnectionError):
                visitor.sendall(bytes(32 * MIB))
            reader.sendall(b"ping")
            assert read_exactly(reader, 4) == b"ping"
        wait_for_stats(client, lambda stats: stats.shed > 0)
    assert WINDOW < highest.bytes <= ROOM
    assert client.stats().shed < 12 and client.stats().sessions_total == 1
    for visitor in visitors:
        reset(visitor)
    nobody_left(server, client)


def test_halves_of_datagrams_use_no_more_than_the_budget(
    start_server: Any, raw_lane: Callable[..., RawLane], stack: contextlib.ExitStack
) -> None:
    """Each waits for its other half at the server."""
    server = start_server(tc=False, max_session_queued="1MiB")
    lane = raw_lane(server)
    lane.log_in()
    asked = raw_mapping(1, "udp", UDP, remote="127.0.0.1:0")
    address = lane.ask(MAP, asked).text(2)
    half = struct.pack(">H", MOST) + bytes(60_000)
    for _ in range(60):
        stack.enter_context(Visitor(address)).send(b"hello")
        while (frame := lane.expect(OPEN, DATA, RESET)).type != OPEN:
            pass
        lane.send(DATA, half, frame.stream)
    lane.send(MAP, asked)  # answered when all before it has been read
    while lane.expect(DATA, RESET, MAPPED).type != MAPPED:
        pass
    assert MIB // 2 < server.stats().udp_visitors * len(half) <= MIB


def test_a_sessions_idlers_cost_another_session_nothing(
    start_server: Any, start_client: Any, tap: Tap, guest: Callable[[str], Guest]
) -> None:
    server = start_server(max_session_queued="1MiB")
    start_client(server, *services(tap))
    other = start_client(server)
    other.add_mapping(name="tap", mode="tcp", local_addr=tap.address, remote_addr="127.0.0.1:0")
    for _ in range(10):
        guest(server.address("map_tcp_bind")).ask(64 * MIB)
    wait_for_stats(server, lambda stats: stats.shed > 0)
    slow = guest(other.mapping_address("tap"))
    slow.ask(24 * MIB)
    wait_for_stats(other, lambda stats: stats.bytes_out > WINDOW)
    slow.take(24 * MIB)


def test_nobody_is_cut_off_within_the_budget(
    start_server: Any, start_client: Any, tap: Tap, guest: Callable[[str], Guest]
) -> None:
    server = start_server(max_session_queued="16MiB")
    start_client(server, *services(tap))
    idlers = [guest(server.address("map_tcp_bind")) for _ in range(8)]
    for idler in idlers:
        idler.ask(12 * MIB)
    wait_for_stats(server, lambda stats: stats.queued_bytes > 4 * WINDOW)
    for idler in idlers:
        idler.take(12 * MIB)
    assert server.stats().shed == 0


# ------------------------------------------------------------------------------------------------------------ How many


@pytest.mark.parametrize("threads", [1, 2])
def test_no_more_streams_than_allowed(start_server: Any, start_client: Any, tap: Tap, threads: int) -> None:
    """On all lanes of the session together."""
    server = start_server(max_streams=3, threads=threads)
    client = start_client(server, *services(tap))
    wait_for_stats(server, lambda stats: stats.lanes == threads)
    for _ in range(3):
        guests = [Guest(server.address("map_tcp_bind")) for _ in range(3)]
        for guest in guests:
            guest.fetch(1000)
        refused = server.stats().refused
        turned_away(server.address("map_tcp_bind"))
        with connect(server.address("map_http_bind")) as visitor:
            assert raw_request(visitor, f"GET /10 HTTP/1.1\nHost: {HOST}")[0].status == 503
        assert server.stats().refused >= refused + 1
        guests[0].close()
        wait_for_stats(server, lambda stats: stats.streams == 2)
        with connect(server.address("map_http_bind")) as visitor:
            assert raw_request(visitor, f"GET /10 HTTP/1.1\nHost: {HOST}")[0].status == 200
        for guest in guests:
            guest.fetch(1000) if guest is not guests[0] else None
            guest.close()
        nobody_left(server, client)


def test_no_more_streams_than_allowed_also_of_udp(start_server: Any, start_client: Any, stack: Any) -> None:
    service = EchoUDP()
    stack.callback(service.close)
    server = start_server(max_streams=2)
    client = start_client(server)
    client.add_mapping(name="udp", mode="udp", local_addr=service.address, remote_addr="127.0.0.1:0", udp_timeout="1s")
    visitors = [stack.enter_context(Visitor(client.mapping_address("udp"))) for _ in range(3)]
    for visitor in visitors[:2]:
        visitor.until_echoed(b"in")
    visitors[2].send(b"late")
    wait_for_stats(server, lambda stats: stats.datagrams_dropped == 1)
    visitors[2].until_echoed(b"later")


def test_no_more_sessions_than_allowed(start_server: Any, start_client: Any) -> None:
    server = start_server(max_sessions=2)
    first, second = start_client(server), start_client(server)
    third = start_client(server, ready=False)
    event = wait_for_event(third, EventKind.CONNECT_FAILED)
    assert event.status is Status.EREFUSED and "session" in event.reason
    wait_for_stats(server, lambda stats: (stats.sessions, stats.logins) == (2, 0))
    first.stop()
    third.wait_ready(DEADLINE)
    assert second.stats().sessions_total == 1


def test_no_more_logins_at_once_than_allowed(start_server: Any, start_client: Any) -> None:
    server = start_server(tc=False, max_handshakes=3, login_timeout="1h")
    with contextlib.ExitStack() as begun:
        for number in range(12):
            sock = begun.enter_context(connect(server.address("bind_addr")))
            sock.sendall(PREFACE[:5])
            # One of those who are there, or the one that comes, gives way.
            wait_for_stats(server, lambda stats: stats.logins + stats.login_failures >= min(number + 1, 3))
            assert server.stats().logins <= 3
        wait_for_stats(server, lambda stats: stats.connections == 3)
        # Who holds every place keeps nobody out.
        for number in range(5):
            start_client(server, client_id=f"c{number}", ts=False)
    wait_for_stats(server, lambda stats: stats.logins == 0)


def test_no_more_connections_than_allowed(start_server: Any, start_client: Any, echo_tcp: EchoTCP) -> None:
    server = start_server(max_connections=4, lanes=1)
    client = start_client(server, {"name": "echo", "mode": "tcp", "local_addr": echo_tcp.address})
    own = {"name": "own", "mode": "tcp", "local_addr": echo_tcp.address, "remote_addr": "127.0.0.1:0"}
    client.add_mapping(own)
    addresses = [server.address("map_tcp_bind"), client.mapping_address("own")]
    for _ in range(3):
        visitors = [connect(addresses[number % 2]) for number in range(3)]
        for visitor in visitors:
            visitor.sendall(b"ping")
            assert read_exactly(visitor, 4) == b"ping"
        assert server.stats().connections == 4
        for address in (*addresses, server.address("map_http_bind"), server.address("bind_addr")):
            turned_away(address)
        for visitor in visitors:
            visitor.close()
        wait_for_stats(server, lambda stats: (stats.connections, stats.lanes) == (1, 1))


def test_no_more_mappings_than_allowed(start_server: Any, start_client: Any, tap: Tap) -> None:
    server = start_server(max_mappings=3)
    client = start_client(server, *services(tap))
    client.add_mapping(name="own", mode="tcp", local_addr=tap.address, remote_addr="127.0.0.1:0")
    for number in range(3):
        with pytest.raises(wmproxy.RefusedError, match=r"\b3\b"):
            client.add_mapping(mapping(tap.address, f"{number}.test", f"late-{number}"))
    with pytest.raises(wmproxy.RefusedError):
        client.add_mapping(name="late", mode="tcp", local_addr=tap.address, remote_addr="127.0.0.1:0")
    assert (server.stats().mappings, server.stats().ports) == (3, 1)
    client.remove_mapping("own")
    client.add_mapping(mapping(tap.address, "late.test", "late"))
    # Another session has its own.
    start_client(server, mapping(tap.address, "other.test"))


def test_a_full_server_still_takes_further_lanes_of_those_inside(
    start_server: Any, raw_lane: Callable[..., RawLane]
) -> None:
    server = start_server(tc=False, max_sessions=1, lanes=2)
    first = raw_lane(server, "one")
    assert first.log_in().type == WELCOME
    answer = raw_lane(server, "two").log_in()
    assert (answer.type, answer.number(1)) == (REJECT, TOO_MANY)
    assert raw_lane(server, "one", first.session).log_in().type == WELCOME


# ------------------------------------------------------------------------------------------------------------- Nothing


def cut_off(board: Switchboard) -> None:
    board.shut()
    for link in board.live:
        link.cut()


def test_names_are_kept_while_their_client_is_away(
    start_server: Any, start_client: Any, switchboard: Callable[..., Switchboard], tap: Tap
) -> None:
    server = start_server()
    board = switchboard(server)
    names = [mapping(tap.address, f"{number}.test", f"web-{number}") for number in range(3)]
    client = start_client(board.address, *names)
    assert server.stats().vacant_names == 0
    cut_off(board)
    wait_for_stats(server, lambda stats: (stats.vacant_names, stats.sessions, stats.mappings) == (3, 0, 0))
    with connect(server.address("map_http_bind")) as visitor:
        assert raw_request(visitor, "GET /1 HTTP/1.1\nHost: 0.test")[0].status == 503
        assert raw_request(visitor, "GET /1 HTTP/1.1\nHost: 3.test")[0].status == 404
    board.reopen()
    wait_for_event(client, EventKind.SESSION_UP)
    client.wait_ready(DEADLINE)
    wait_for_stats(server, lambda stats: (stats.vacant_names, stats.mappings) == (0, 3))
    client.stop()
    wait_for_stats(server, lambda stats: (stats.vacant_names, stats.mappings) == (0, 0))


def test_no_more_names_are_kept_than_a_thousand(
    start_server: Any, raw_lane: Callable[..., RawLane], pool: Any
) -> None:
    server = start_server(tc=False, max_mappings=2000)
    lane = raw_lane(server)
    lane.log_in()
    for number in range(1200):
        assert lane.ask(MAP, raw_mapping(number, "web", HTTP, domain=f"{number}.test")).type == MAPPED
    lane.close()
    wait_for_stats(server, lambda stats: (stats.sessions, stats.mappings, stats.vacant_names) == (0, 0, 1000))


def test_every_number_of_now_is_0_when_everybody_has_gone(
    start_server: Any,
    start_client: Any,
    switchboard: Callable[..., Switchboard],
    tap: Tap,
    guest: Callable[[str], Guest],
    stack: contextlib.ExitStack,
) -> None:
    datagrams = EchoUDP()
    stack.callback(datagrams.close)
    server = start_server(threads=2, max_session_queued="1MiB")
    board = switchboard(server)
    client = start_client(board.address, *services(tap))
    client.add_mapping(name="own", mode="tcp", local_addr=tap.address, remote_addr="127.0.0.1:0")
    client.add_mapping(name="udp", mode="udp", local_addr=datagrams.address, remote_addr="127.0.0.1:0")
    addresses = [server.address("map_tcp_bind"), server.address("map_http_bind"), client.mapping_address("own")]
    udp = [stack.enter_context(Visitor(client.mapping_address("udp"))) for _ in range(3)]
    everybody = []
    for turn in range(2):
        guests = [guest(address) for address in addresses * 4]
        everybody += guests
        for number, someone in enumerate(guests):
            if number % 2:
                someone.fetch(1000)
            else:
                someone.ask(32 * MIB)
        for visitor in udp:
            visitor.until_echoed(b"turn %d" % turn)
        stranger = stack.enter_context(connect(server.address("bind_addr")))
        stranger.sendall(b"\x16")
        stats = wait_for_stats(server, lambda stats: stats.logins == 1 and stats.shed > 0)
        assert stats.lanes == 2 and stats.ports == 2 and stats.udp_visitors == 3 and stats.visitors > 0
        board.live[turn].cut()
        wait_for_stats(server, lambda stats: stats.lanes == 2)
        stranger.close()
    with connect(server.address("map_http_bind")) as visitor:
        answer = raw_request(visitor, f"GET /10 HTTP/1.1\nHost: {HOST}")[0]
        assert answer.status == 200
    client.stop()
    for someone in everybody:
        someone.close()
    nothing = [
        *("sessions", "mappings", "streams", "visitors", "queued_bytes", "lanes", "connections", "logins", "ports"),
        *("vacant_names", "udp_visitors"),
    ]
    wait_for_stats(server, lambda stats: not any(getattr(stats, name) for name in nothing))
