"""Lanes as docs/PROTOCOL.md has them, asked by a client that says what the engine's own never would."""

from __future__ import annotations

import contextlib
import random
import resource
import socket
import statistics
import struct
import threading
import time
from typing import Any, Callable

import pytest

import wmproxy
from rawlane import (
    CHALLENGE,
    CREDIT,
    DATA,
    GO_AWAY,
    HELLO,
    HTTP,
    LOGIN,
    LOGIN_FAILED,
    MAP,
    MAP_REFUSED,
    MAPPED,
    NOT_OFFERED,
    OPEN,
    OPENED,
    PING,
    PREFACE,
    REJECT,
    RESET,
    SHUTTING_DOWN,
    TAKEN,
    TCP,
    TOO_MANY,
    UDP,
    UNKNOWN_SESSION,
    UNMAP,
    UNMAPPED,
    VIOLATION,
    WELCOME,
    RawLane,
    mapping,
    message,
)
from services import EchoTCP
from support import (
    DEADLINE,
    MIB,
    closed_by_peer,
    connect,
    read_exactly,
    reset,
    split,
    turned_away,
    wait_for_event,
    wait_for_stats,
    wait_until_closed,
)
from wmproxy import EventKind

Raw = Callable[..., RawLane]


@pytest.fixture
def server(start_server: Any) -> wmproxy.Server:
    """With room for three lanes."""
    server: wmproxy.Server = start_server(tc=False, threads=2, lanes=3)
    return server


def session(server: wmproxy.Server, raw_lane: Raw, lanes: int = 2, client_id: str = "raw") -> list[RawLane]:
    first = raw_lane(server, client_id)
    assert first.log_in().type == WELCOME
    others = [raw_lane(server, client_id, first.session) for _ in range(lanes - 1)]
    for lane in others:
        assert lane.log_in().type == WELCOME
    return [first, *others]


def settled(server: wmproxy.Server, lanes: int) -> None:
    wait_for_stats(server, lambda stats: (stats.lanes, stats.connections, stats.logins) == (lanes, lanes, 0))


# --------------------------------------------------------------------------------------------------------- Who may join


def test_welcome_names_the_session_and_tells_how_many_lanes_it_may_have(
    server: wmproxy.Server, raw_lane: Raw
) -> None:
    lanes = session(server, raw_lane, 3)
    assert [lane.lanes for lane in lanes] == [3, 3, 3]
    assert len(lanes[0].session) == 16 and {lane.session for lane in lanes} == {lanes[0].session}
    (other,) = session(server, raw_lane, 1, "another")
    assert other.session != lanes[0].session
    wait_for_stats(server, lambda stats: (stats.sessions, stats.sessions_total, stats.lanes) == (2, 2, 4))


def test_who_does_not_belong_to_the_session_learns_nothing(server: wmproxy.Server, raw_lane: Raw) -> None:
    first, second = session(server, raw_lane)
    unknown = raw_lane(server, "raw", bytes(16)).log_in()
    foreign = raw_lane(server, "stranger", first.session).log_in()
    for answer in (unknown, foreign):
        assert (answer.type, answer.number(1)) == (REJECT, UNKNOWN_SESSION)
    assert unknown.text(2) == foreign.text(2)
    wrong = raw_lane(server, "raw", first.session, secret="wrong").log_in()
    assert (wrong.type, wrong.number(1)) == (REJECT, LOGIN_FAILED)
    settled(server, 2)
    assert first.is_alive() and second.is_alive()
    assert server.stats().sessions_total == 1


def test_a_lane_too_many_is_rejected_and_has_room_when_another_leaves(server: wmproxy.Server, raw_lane: Raw) -> None:
    lanes = session(server, raw_lane, 3)
    for _ in range(3):
        answer = raw_lane(server, "raw", lanes[0].session).log_in()
        assert (answer.type, answer.number(1)) == (REJECT, TOO_MANY)
    assert all(lane.is_alive() for lane in lanes)
    settled(server, 3)
    lanes[0].close()
    settled(server, 2)
    assert raw_lane(server, "raw", lanes[0].session).log_in().type == WELCOME
    settled(server, 3)


def test_lanes_that_join_at_the_same_time_are_no_more_than_allowed(server: wmproxy.Server, raw_lane: Raw) -> None:
    (first,) = session(server, raw_lane, 1)
    joining = [raw_lane(server, "raw", first.session) for _ in range(20)]
    for lane in joining:
        lane.hello()
    logins = [lane.prove() for lane in joining]
    for lane, login in zip(joining, logins):
        lane.send(LOGIN, login)
    answers = [lane.answer() for lane in joining]
    assert [answer.type for answer in answers].count(WELCOME) == 2
    assert {answer.number(1) for answer in answers if answer.type == REJECT} == {TOO_MANY}
    settled(server, 3)


def test_a_session_that_has_ended_cannot_be_joined(server: wmproxy.Server, raw_lane: Raw) -> None:
    (first,) = session(server, raw_lane, 1)
    late = raw_lane(server, "raw", first.session)
    late.hello()
    login = late.prove()
    first.close()
    wait_for_stats(server, lambda stats: stats.sessions == 0)
    late.send(LOGIN, login)
    answer = late.answer()
    assert (answer.type, answer.number(1)) == (REJECT, UNKNOWN_SESSION)
    settled(server, 0)


def test_a_session_goes_on_without_its_first_lane(server: wmproxy.Server, raw_lane: Raw) -> None:
    first, second = session(server, raw_lane)
    assert first.ask(MAP, mapping(1, "web", HTTP, domain="web.test")).type == MAPPED
    reset(first.sock)
    settled(server, 1)
    assert second.ask(UNMAP, message(_1=1)).type == UNMAPPED
    (third,) = [raw_lane(server, "raw", second.session)]
    assert third.log_in().type == WELCOME
    second.close()
    settled(server, 1)
    assert third.ask(MAP, mapping(1, "web", HTTP, domain="web.test")).type == MAPPED
    assert server.stats().sessions_total == 1


def test_a_name_of_another_length_is_a_violation(server: wmproxy.Server, raw_lane: Raw) -> None:
    (first,) = session(server, raw_lane, 1)
    for name in (first.session[:15], first.session + b"\0", b"\0"):
        lane = raw_lane(server, "raw", name)
        lane.hello()
        assert closed_by_peer(lane.sock)
    settled(server, 1)


# ---------------------------------------------------------------------------------- Between HELLO and the login's end


def test_garbage_behind_hello_ends_that_lane_and_hurts_nobody(server: wmproxy.Server, raw_lane: Raw) -> None:
    first, second = session(server, raw_lane)
    noise = random.Random(5)
    for turn in range(60):
        joining = first.session if turn % 3 else bytes(16)
        lane = raw_lane(server, "raw", joining)
        hello = lane.hello_payload()
        head = PREFACE + struct.pack(">II", len(hello) << 8 | HELLO, 0) + hello
        with contextlib.suppress(ConnectionError):
            lane.sock.sendall(head + noise.randbytes(1 + turn * 400))
            lane.sock.shutdown(socket.SHUT_WR)  # it might be the beginning of a frame
        assert closed_by_peer(lane.sock)
    settled(server, 2)
    assert first.is_alive() and second.is_alive()


def test_a_lane_that_breaks_off_anywhere_leaves_nothing_behind(server: wmproxy.Server, raw_lane: Raw) -> None:
    first, second = session(server, raw_lane)
    for turn in range(120):
        lane = raw_lane(server, "raw", first.session)
        lane.hello()
        if turn % 4 > 0:
            login = lane.prove()
        if turn % 4 > 1:
            lane.send(LOGIN, login)
        if turn % 4 > 2:
            lane.answer()
        if turn % 8 > 3:
            reset(lane.sock)
        else:
            lane.close()
    settled(server, 2)
    assert first.is_alive() and second.is_alive()
    assert server.stats().sessions_total == 1


def test_a_lane_that_stops_in_its_login_is_closed_in_time(start_server: Any, raw_lane: Raw) -> None:
    server = start_server(tc=False, threads=2, lanes=8, login_timeout="500ms")
    (first,) = session(server, raw_lane, 1)
    lanes = [raw_lane(server, "raw", first.session) for _ in range(6)]
    for number, lane in enumerate(lanes):
        lane.hello()
        if number % 2:
            lane.expect(CHALLENGE)
    for lane in lanes:
        assert closed_by_peer(lane.sock)
    settled(server, 1)
    assert first.is_alive()


def test_a_login_that_is_sent_ahead_of_the_challenge_gets_nobody_in(server: wmproxy.Server, raw_lane: Raw) -> None:
    (first,) = session(server, raw_lane, 1)
    for joining in (b"", first.session):
        lane = raw_lane(server, "raw", joining)
        lane.hello()
        made_up = f"r={lane.scram.nonce}{'s' * 32},s=c2FsdA==,i=4096".encode()
        lane.send(LOGIN, message(_1=lane.scram.final(made_up)))
        assert closed_by_peer(lane.sock)
    settled(server, 1)
    assert server.stats().sessions_total == 1


def test_a_server_that_stops_while_lanes_join_stops(start_server: Any, raw_lane: Raw) -> None:
    for _ in range(10):
        server = start_server(tc=False, threads=2, lanes=16)
        (first,) = session(server, raw_lane, 1)
        lanes = [raw_lane(server, "raw", first.session) for _ in range(8)]
        for lane in lanes:
            lane.hello()
        server.stop()
        for lane in (first, *lanes):
            assert closed_by_peer(lane.sock)


# ------------------------------------------------------------------------------------------------------------ Mappings


def test_a_mapping_that_is_asked_for_again_is_answered_again_on_the_lane_of_the_question(
    server: wmproxy.Server, raw_lane: Raw
) -> None:
    lanes = session(server, raw_lane, 3)
    asked = mapping(7, "own", TCP, remote="127.0.0.1:0")
    answers = [lane.ask(MAP, asked) for lane in (*lanes, *lanes)]
    assert {answer.type for answer in answers} == {MAPPED} and {answer.number(1) for answer in answers} == {7}
    (address,) = {answer.text(2) for answer in answers}
    # What the client has learned meanwhile is no other content.
    port = split(address)[1]
    again = lanes[1].ask(MAP, mapping(7, "own", TCP, remote="127.0.0.1:0", last_port=port))
    assert (again.type, again.text(2)) == (MAPPED, address)
    assert (server.stats().mappings, server.stats().ports) == (1, 1)
    assert lanes[2].ask(UNMAP, message(_1=7)).type == UNMAPPED
    wait_until_closed(address)
    assert (server.stats().mappings, server.stats().ports) == (0, 0)


@pytest.mark.parametrize(
    "other",
    [
        mapping(7, "other", UDP, remote="127.0.0.1:0", idle=1000),
        mapping(7, "own", TCP, remote="127.0.0.1:0", idle=1000),
        mapping(7, "own", UDP, remote="localhost:0", idle=1000),
        mapping(7, "own", UDP, remote="127.0.0.1:0", idle=2000),
        mapping(7, "own", HTTP, domain="web.test"),
    ],
    ids=["name", "mode", "remote", "idle", "all"],
)
def test_a_number_in_use_for_something_else_is_a_violation(
    server: wmproxy.Server, raw_lane: Raw, other: bytes
) -> None:
    first, second = session(server, raw_lane)
    assert first.ask(MAP, mapping(7, "own", UDP, remote="127.0.0.1:0", idle=1000)).type == MAPPED
    answer = second.ask(MAP, other)
    assert (answer.type, answer.number(1)) == (GO_AWAY, VIOLATION)
    assert closed_by_peer(second.sock)
    # The lane's alone: the session and its mapping go on.
    assert first.ask(MAP, mapping(7, "own", UDP, remote="127.0.0.1:0", idle=1000)).type == MAPPED
    assert (server.stats().mappings, server.stats().lanes) == (1, 1)


def test_a_number_that_was_refused_is_free_again(server: wmproxy.Server, raw_lane: Raw) -> None:
    first, second = session(server, raw_lane)
    assert first.ask(MAP, mapping(1, "own", TCP, remote="127.0.0.1:80")).type == MAP_REFUSED
    assert second.ask(MAP, mapping(1, "own", HTTP, domain="web.test")).type == MAPPED
    assert first.ask(UNMAP, message(_1=1)).type == UNMAPPED
    assert first.ask(UNMAP, message(_1=1)).type == UNMAPPED
    assert second.ask(MAP, mapping(1, "own", TCP)).type == MAPPED


def test_a_last_port_that_another_mapping_has_is_passed_over(server: wmproxy.Server, raw_lane: Raw) -> None:
    """It is a wish: "port 0 leaves the choice to the server, which takes last port if [...] can be had"."""
    (lane,) = session(server, raw_lane, 1)
    for number, mode in enumerate((TCP, UDP)):
        one = lane.ask(MAP, mapping(2 * number, "one", mode, remote="127.0.0.1:0"))
        port = split(one.text(2))[1]
        other = lane.ask(MAP, mapping(2 * number + 1, "other", mode, remote="127.0.0.1:0", last_port=port))
        assert other.type == MAPPED, other.text(3)
        assert split(other.text(2))[1] != port
    assert lane.ask(MAP, mapping(9, "low", TCP, remote="127.0.0.1:0", last_port=80)).type == MAPPED


@pytest.mark.parametrize("mode", [TCP, UDP], ids=["tcp", "udp"])
def test_a_last_port_that_is_the_servers_own_is_passed_over(
    server: wmproxy.Server, raw_lane: Raw, mode: int
) -> None:
    """Also at an address where the server itself does not listen."""
    (lane,) = session(server, raw_lane, 1)
    for number, listener in enumerate(("bind_addr", "map_http_bind", "map_tcp_bind")):
        port = split(server.address(listener))[1]
        answer = lane.ask(MAP, mapping(number, "own", mode, remote="127.0.0.2:0", last_port=port))
        assert answer.type == MAPPED and split(answer.text(2))[1] != port


def test_a_port_that_is_in_use_is_refused_as_taken(server: wmproxy.Server, raw_lane: Raw) -> None:
    (lane,) = session(server, raw_lane, 1)
    with socket.create_server(("127.0.0.1", 0)) as held, socket.socket(type=socket.SOCK_DGRAM) as held_udp:
        held_udp.bind(("127.0.0.1", 0))
        for number, (mode, sock) in enumerate(((TCP, held), (UDP, held_udp))):
            remote = "127.0.0.1:%d" % sock.getsockname()[1]
            answer = lane.ask(MAP, mapping(number, "own", mode, remote=remote))
            assert (answer.type, answer.number(2)) == (MAP_REFUSED, TAKEN), answer.text(3)


@pytest.mark.parametrize("mode", [TCP, UDP], ids=["tcp", "udp"])
def test_a_port_is_free_when_unmapped_is_read_on_whichever_lane(start_server: Any, raw_lane: Raw, mode: int) -> None:
    server = start_server(tc=False, threads=4)
    lanes = session(server, raw_lane, 4)
    for first in lanes:
        remote = first.ask(MAP, mapping(0, "own", mode, remote="127.0.0.1:0")).text(2)
        assert first.ask(UNMAP, message(_1=0)).type == UNMAPPED
        for turn in range(1, 200):
            answer = lanes[turn % 4].ask(MAP, mapping(turn, "own", mode, remote=remote))
            assert answer.type == MAPPED, f"turn {turn}: {answer.text(3)}"
            assert first.ask(UNMAP, message(_1=turn)).type == UNMAPPED


def test_a_udp_port_is_free_when_unmapped_is_read_also_where_the_server_has_it_on_another_loop(
    start_server: Any, raw_lane: Raw
) -> None:
    """With two lanes of four loops, neither of them is on the first."""
    server = start_server(tc=False, threads=4)
    lanes = session(server, raw_lane, 2)
    remote = lanes[0].ask(MAP, mapping(0, "own", UDP, remote="127.0.0.1:0")).text(2)
    for turn in range(4000):
        assert lanes[1].ask(UNMAP, message(_1=turn)).type == UNMAPPED
        answer = lanes[1].ask(MAP, mapping(turn + 1, "own", UDP, remote=remote))
        assert answer.type == MAPPED, f"turn {turn}: {answer.text(3)}"


def test_what_is_no_address_of_the_server_is_not_offered(server: wmproxy.Server, raw_lane: Raw) -> None:
    (lane,) = session(server, raw_lane, 1)
    remotes = ["192.0.2.1:5000", "example.org:5000", "127.0.0.1", ":5000", "127.0.0.1:65536", "127.0.0.1:1023", "x"]
    for number, remote in enumerate(remotes):
        for mode in (TCP, UDP):
            answer = lane.ask(MAP, mapping(number, "own", mode, remote=remote))
            assert (answer.type, answer.number(2)) == (MAP_REFUSED, NOT_OFFERED), (remote, answer)
            assert answer.text(3)
    assert lane.ask(MAP, mapping(1, "own", UDP)).number(2) == NOT_OFFERED
    assert lane.ask(MAP, mapping(1, "own", 99)).number(2) == NOT_OFFERED
    assert server.stats().ports == 0 and lane.is_alive()


def test_a_stopping_server_opens_no_port_any_more(server: wmproxy.Server, raw_lane: Raw, pool: Any) -> None:
    """A MAP that crosses its GO_AWAY."""
    (lane,) = session(server, raw_lane, 1)
    assert lane.ask(MAP, mapping(1, "edge", TCP)).type == MAPPED
    with connect(server.address("map_tcp_bind")) as visitor:
        lane.expect(OPEN)
        stopping = pool.submit(server.stop, 3)
        assert lane.expect(GO_AWAY).number(1) == SHUTTING_DOWN
        lane.send(MAP, mapping(2, "late", TCP, remote="127.0.0.1:0"))
        lane.send(MAP, mapping(3, "late", UDP, remote="127.0.0.1:0"))
        lane.send(UNMAP, message(_1=99))
        lane.sock.settimeout(1)
        with contextlib.suppress(TimeoutError):  # it may skip all three
            while (answer := lane.expect(MAPPED, MAP_REFUSED, UNMAPPED)).type != UNMAPPED:
                assert answer.type == MAP_REFUSED, f"a port was opened: {answer.text(2)}"
        assert server.stats().ports == 0
        reset(visitor)
    lane.close()
    stopping.result(DEADLINE)


# ------------------------------------------------------------------------------------------------------------- Streams


def test_the_same_number_on_two_lanes_means_two_streams(server: wmproxy.Server, raw_lane: Raw) -> None:
    lanes = session(server, raw_lane, 2)
    assert lanes[0].ask(MAP, mapping(1, "edge", TCP)).type == MAPPED
    # In the clear, a loop that is not busy may have 64 visitors more than another.
    visitors = [connect(server.address("map_tcp_bind")) for _ in range(80)]
    opened = [lane.expect(OPEN) for lane in lanes]
    assert {frame.stream for frame in opened} == {2}
    # A visitor's address tells which is whose.
    names = {"127.0.0.1:%d" % visitor.getsockname()[1]: visitor for visitor in visitors}
    for lane, frame in zip(lanes, opened):
        lane.send(OPENED, stream=2)
        lane.send(DATA, f"for {frame.text(2)}".encode(), stream=2)
    for frame in opened:
        expected = f"for {frame.text(2)}".encode()
        assert read_exactly(names[frame.text(2)], len(expected)) == expected
    reset(lanes[0].sock)
    gone, staying = [names[frame.text(2)] for frame in opened]
    with pytest.raises(ConnectionResetError):
        gone.recv(1)
    lanes[1].send(DATA, b"still here", stream=2)
    assert read_exactly(staying, 10) == b"still here"
    for visitor in visitors:
        visitor.close()


@pytest.mark.parametrize("how", ["a farewell", "a violation"])
def test_what_ends_one_lane_ends_no_other(server: wmproxy.Server, raw_lane: Raw, how: str) -> None:
    first, second = session(server, raw_lane)
    assert first.ask(MAP, mapping(1, "web", HTTP, domain="web.test")).type == MAPPED
    if how == "a farewell":
        first.send(GO_AWAY, message(_1=SHUTTING_DOWN))
    else:
        first.send(DATA, b"x", stream=4)
        answer = first.expect(GO_AWAY)
        assert answer.number(1) == VIOLATION
    assert closed_by_peer(first.sock)
    settled(server, 1)
    assert second.is_alive() and server.stats().mappings == 1
    second.close()
    assert wait_for_event(server, EventKind.SESSION_DOWN).client_id == "raw"


def test_visitors_are_turned_away_when_no_lane_is_left(server: wmproxy.Server, raw_lane: Raw) -> None:
    lanes = session(server, raw_lane, 3)
    assert lanes[1].ask(MAP, mapping(1, "edge", TCP)).type == MAPPED
    for lane in lanes:
        reset(lane.sock)
    settled(server, 0)
    turned_away(server.address("map_tcp_bind"))
    wait_for_stats(server, lambda stats: stats.connections == stats.visitors == stats.streams == 0)


def test_a_flood_of_mappings_keeps_nobody_waiting(
    server: wmproxy.Server, raw_lane: Raw, start_client: Any, echo_tcp: EchoTCP
) -> None:
    echo = {"name": "echo", "mode": "tcp", "remote_addr": "127.0.0.1:0", "local_addr": echo_tcp.address}
    client = start_client(server, echo, ts=False)
    flood = raw_lane(server)
    flood.log_in()
    pairs = mapping(1, "a", TCP)
    stopped = threading.Event()

    def send() -> None:
        with contextlib.suppress(OSError):
            while not stopped.is_set():
                flood.send(MAP, pairs)
                flood.send(UNMAP, bytes([1, 0, 4, 0, 0, 0, 1]))

    def read() -> None:
        with contextlib.suppress(OSError, EOFError, AssertionError):
            while not stopped.is_set():
                flood.read()

    threads = [threading.Thread(target=send), threading.Thread(target=read)]
    for thread in threads:
        thread.start()
    try:
        slowest = 0.0
        for _ in range(100):
            began = time.monotonic()
            with connect(client.mapping_address("echo")) as visitor:
                visitor.sendall(b"hello")
                assert read_exactly(visitor, 5) == b"hello"
            slowest = max(slowest, time.monotonic() - began)
        began = time.monotonic()
        start_client(server, ts=False)
        assert time.monotonic() - began < 2
        assert slowest < 1
    finally:
        stopped.set()
        flood.sock.shutdown(socket.SHUT_RDWR)  # wakes both, which a close does not
        flood.close()
        for thread in threads:
            thread.join(DEADLINE)


@pytest.mark.parametrize("flood", ["empty frames of no type", "credit for a stream that is over"])
def test_a_flood_of_the_smallest_frames_leaves_visitors_of_others_quick(
    start_server: Any, raw_lane: Raw, start_client: Any, echo_tcp: EchoTCP, flood: str
) -> None:
    """On the same loop, to which each frame is work."""
    server = start_server(tc=False, threads=1)
    echo = {"name": "echo", "mode": "tcp", "remote_addr": "127.0.0.1:0", "local_addr": echo_tcp.address}
    client = start_client(server, echo, ts=False)
    floods = []
    for _ in range(2):
        (lane,) = session(server, raw_lane, 1)
        if flood == "empty frames of no type":
            frames = struct.pack(">II", 0xFF, 0) * 20_000
        else:
            address = lane.ask(MAP, mapping(1, "own", TCP, remote="127.0.0.1:0")).text(2)
            with connect(address):
                stream = lane.expect(OPEN).stream
                lane.send(RESET, bytes(2), stream)
            frames = struct.pack(">III", 4 << 8 | CREDIT, stream, 1) * 20_000
        floods.append((lane, frames))
    stopped = threading.Event()

    def send(lane: RawLane, frames: bytes) -> None:
        with contextlib.suppress(OSError):
            while not stopped.is_set():
                lane.sock.sendall(frames)

    threads = [threading.Thread(target=send, args=flood) for flood in floods]
    for thread in threads:
        thread.start()
    try:
        with connect(client.mapping_address("echo")) as visitor:
            times = []
            for _ in range(100):
                began = time.monotonic()
                visitor.sendall(b"hello")
                assert read_exactly(visitor, 5) == b"hello"
                times.append(time.monotonic() - began)
        assert statistics.median(times) < 0.01
        assert all(thread.is_alive() for thread in threads)
    finally:
        stopped.set()
        for lane, _ in floods:
            reset(lane.sock)
        for thread in threads:
            thread.join(DEADLINE)


def memory() -> int:
    """Bytes of memory that this process has (RSS), the server in it."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def test_visitors_who_come_and_go_before_a_client_that_reads_nothing_cost_little_and_are_turned_away(
    start_server: Any, raw_lane: Raw
) -> None:
    """Each is something to tell the client, as long as there is no end to what it may be told."""
    server = start_server(tc=False, threads=1, ping_interval="1s", ping_timeout="3s")
    (lane,) = session(server, raw_lane, 1)
    assert lane.ask(MAP, mapping(1, "edge", TCP)).type == MAPPED
    edge = server.address("map_tcp_bind")
    with contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(connect(edge)) for _ in range(40)]
        for visitor in crowd:
            visitor.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while visitor.send(bytes(MIB)):
                    pass
        before = memory()
        while server.stats().refused < 2000:
            with contextlib.suppress(ConnectionError), connect(edge) as visitor:
                visitor.sendall(b"x")
                reset(visitor)
            assert server.stats().visitors_total < 16_000, "each of them is one more to tell of"
        assert memory() - before < 32 * MIB
    assert wait_for_event(server, EventKind.SESSION_DOWN).reason
    wait_for_stats(server, lambda stats: stats.visitors == 0)


def test_a_client_that_asks_and_does_not_read_is_lost(start_server: Any, raw_lane: Raw) -> None:
    server = start_server(tc=False, ping_timeout="1h")
    (lane,) = session(server, raw_lane, 1)
    before = memory()
    ping = struct.pack(">II", 8 << 8 | PING, 0) + bytes(8)
    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        for _ in range(64):
            lane.sock.sendall(ping * (MIB // len(ping)))
    assert wait_for_event(server, EventKind.SESSION_DOWN).reason
    assert memory() - before < 32 * MIB
