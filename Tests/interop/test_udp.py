"""Mappings of mode udp: datagrams as they come, each visitor a stream."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from typing import Any, Callable

import pytest

import wmproxy
from datagrams import MOST, EchoUDP, RawUDP, Visitor, bound, has_ipv6, udp
from services import RawService
from support import DEADLINE, connect, payload, split, wait_for_stats


def gone(*ends: Any) -> None:
    for end in ends:
        wait_for_stats(end, lambda stats: stats.udp_visitors == stats.streams == stats.queued_bytes == 0)


# ----------------------------------------------------------------------------------------------------------- Datagrams


@pytest.mark.parametrize("secure", [True, False], ids=["tls", "plain"])
def test_datagrams_of_any_size_arrive_as_they_were_sent(
    start_server: Any, start_client: Any, raw_udp: RawUDP, visit: Callable[..., Visitor], secure: bool
) -> None:
    client = start_client(start_server(tc=secure), udp(raw_udp), ts=secure)
    visitor = visit(client)
    for size in (1, 0, 1200, 0, 0, 1472, 9000, 65000, MOST - 1, MOST, 1):
        data = payload(size, seed=size)
        visitor.send(data)
        received, peer = raw_udp.receive()
        assert received == data
        raw_udp.send(data[::-1], peer)
        assert visitor.receive() == data[::-1]
    stats = client.stats()
    assert (stats.udp_visitors, stats.streams_total, stats.datagrams_dropped) == (1, 1, 0)
    assert stats.bytes_in == stats.bytes_out == 1 + 1200 + 1472 + 9000 + 65000 + MOST - 1 + MOST + 1


def test_datagrams_keep_their_bounds_in_a_burst(
    start_server: Any, start_client: Any, raw_udp: RawUDP, visit: Callable[..., Visitor]
) -> None:
    client = start_client(start_server(), udp(raw_udp))
    visitor = visit(client)
    sent = [payload(size, seed=size) for size in (*range(100), 1400, 3, 20000, 0, 1)]
    for data in sent:
        visitor.send(data)
    received = [raw_udp.receive() for _ in sent]
    assert [data for data, _ in received] == sent
    for data in sent:
        raw_udp.send(data, received[0][1])
    assert [visitor.receive() for _ in sent] == sent


def test_a_service_may_speak_whenever_it_likes(
    start_server: Any, start_client: Any, raw_udp: RawUDP, visit: Callable[..., Visitor]
) -> None:
    client = start_client(start_server(), udp(raw_udp))
    visitor = visit(client)
    visitor.send(b"subscribe")
    _, peer = raw_udp.receive()
    for number in range(200):
        raw_udp.send(b"%d" % number, peer)
    assert [visitor.receive() for _ in range(200)] == [b"%d" % number for number in range(200)]


# ------------------------------------------------------------------------------------------------------------ Visitors


def test_each_visitor_has_a_stream_and_an_address_of_its_own(
    start_server: Any, start_client: Any, echo_udp: EchoUDP, visit: Callable[..., Visitor]
) -> None:
    server = start_server(threads=2)
    client = start_client(server, udp(echo_udp))
    visitors = [visit(client) for _ in range(50)]
    for turn in range(3):
        for number, visitor in enumerate(visitors):
            visitor.send(b"%d of %d" % (turn, number))
        for number, visitor in enumerate(visitors):
            assert visitor.receive() == b"%d of %d" % (turn, number)
    assert len(echo_udp.peers) == 50
    for end in (server, client):
        stats = end.stats()
        assert (stats.udp_visitors, stats.streams, stats.streams_total, stats.datagrams_dropped) == (50, 50, 50, 0)
    assert server.stats().streams_total == server.stats().udp_visitors == 50


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no [::1]")
def test_ipv6_does_as_well(start_server: Any, start_client: Any, visit: Callable[..., Visitor], stack: Any) -> None:
    service = EchoUDP("::1")
    stack.callback(service.close)
    client = start_client(start_server(), udp(service, remote="[::1]:0"))
    assert client.mapping_address("udp").startswith("[::1]:")
    for size in (0, 1, 1200, MOST):
        visitor = visit(client)
        visitor.send(payload(size))
        assert visitor.receive() == payload(size)


def test_a_stranger_cannot_speak_as_the_service(
    start_server: Any, start_client: Any, raw_udp: RawUDP, visit: Callable[..., Visitor], stack: Any
) -> None:
    client = start_client(start_server(), udp(raw_udp))
    visitor = visit(client)
    visitor.send(b"hello")
    _, peer = raw_udp.receive()
    stranger = stack.enter_context(bound())
    stranger.sendto(b"forged", peer)
    raw_udp.send(b"real", peer)
    assert visitor.receive() == b"real"


def test_a_silent_visitor_is_forgotten_and_may_come_again(
    start_server: Any, start_client: Any, raw_udp: RawUDP, visit: Callable[..., Visitor]
) -> None:
    server = start_server()
    client = start_client(server, udp(raw_udp, udp_timeout="200ms"))
    visitor = visit(client)
    peers = set()
    for turn in range(3):
        visitor.send(b"%d" % turn)
        data, peer = raw_udp.receive()
        assert data == b"%d" % turn
        peers.add(peer)
        gone(server, client)
    assert client.stats().streams_total == 3
    assert client.stats().sessions_total == 1


def test_who_is_not_silent_is_not_forgotten(
    start_server: Any, start_client: Any, raw_udp: RawUDP, visit: Callable[..., Visitor]
) -> None:
    """Either side's datagrams keep it."""
    server = start_server()
    client = start_client(server, udp(raw_udp, udp_timeout="600ms"))
    visitor = visit(client)
    visitor.send(b"hello")
    _, peer = raw_udp.receive()
    for _ in range(5):
        assert visitor.hears_nothing(0.3)
        raw_udp.send(b"tick", peer)
        assert visitor.receive() == b"tick"
    for number in range(5):
        assert visitor.hears_nothing(0.3)
        visitor.send(b"tock")
        assert raw_udp.receive() == (b"tock", peer)
    assert client.stats().streams_total == 1


def test_no_more_visitors_than_the_limit(
    start_server: Any, start_client: Any, raw_udp: RawUDP, visit: Callable[..., Visitor]
) -> None:
    server = start_server(max_udp_visitors=3)
    client = start_client(server, udp(raw_udp, udp_timeout="1s"))
    visitors = [visit(client) for _ in range(3)]
    for visitor in visitors:
        visitor.send(b"in")
        raw_udp.send(b"answer", raw_udp.receive()[1])
        assert visitor.receive() == b"answer"
    late = visit(client)
    for _ in range(5):
        late.send(b"late")
    wait_for_stats(server, lambda stats: stats.datagrams_dropped == 5)
    assert server.stats().udp_visitors == 3
    visitors[0].send(b"still here")
    assert raw_udp.receive()[0] == b"still here"
    gone(server, client)
    late.send(b"now")
    assert raw_udp.receive()[0] == b"now"


def test_whom_the_service_never_answered_gives_way(
    start_server: Any, start_client: Any, raw_udp: RawUDP, visit: Callable[..., Visitor]
) -> None:
    """Anybody can make up addresses: who does so keeps nobody out, and those in conversation stay."""
    server = start_server(max_udp_visitors=4)
    client = start_client(server, udp(raw_udp))
    known = visit(client)
    known.send(b"hello")
    raw_udp.send(b"answer", raw_udp.receive()[1])
    assert known.receive() == b"answer"
    for number in range(20):
        visit(client).send(b"made up %d" % number)
        assert raw_udp.receive()[0] == b"made up %d" % number
    assert server.stats().udp_visitors == 4
    known.send(b"still here")
    assert raw_udp.receive()[0] == b"still here"


def test_the_limit_holds_for_each_mapping_by_itself(
    start_server: Any, start_client: Any, raw_udp: RawUDP, visit: Callable[..., Visitor]
) -> None:
    server = start_server(max_udp_visitors=1)
    client = start_client(server, udp(raw_udp, "one"), udp(raw_udp, "two"))
    for name in ("one", "two"):
        visit(client, name).send(name.encode())
        assert raw_udp.receive()[0] == name.encode()
    assert server.stats().udp_visitors == 2


# ---------------------------------------------------------------------------------------------- Trouble at the service


def test_a_service_that_is_not_there_ends_nothing(
    start_server: Any, start_client: Any, visit: Callable[..., Visitor], stack: Any
) -> None:
    service = EchoUDP()
    server = start_server()
    client = start_client(server, udp(service))
    visitor = visit(client)
    visitor.until_echoed(b"one")
    service.close()
    for _ in range(20):
        visitor.send(b"anybody?")
    wait_for_stats(client, lambda stats: stats.bytes_in >= 8 * 20)
    again = EchoUDP(port=split(service.address)[1])
    stack.callback(again.close)
    visitor.until_echoed(b"two")
    assert (client.stats().streams_total, client.stats().mappings, client.stats().sessions_total) == (1, 1, 1)


def test_a_flood_loses_datagrams_and_nothing_else(
    start_server: Any, start_client: Any, raw_udp: RawUDP, visit: Callable[..., Visitor]
) -> None:
    server = start_server()
    client = start_client(server, udp(raw_udp))
    visitor = visit(client)
    for number in range(5000):
        visitor.send(struct.pack(">I", number) + bytes(1196))
    arrived = [struct.unpack_from(">I", data)[0] for data in raw_udp.all_that_comes()]
    assert arrived == sorted(set(arrived)) and len(arrived) > 100
    wait_for_stats(client, lambda stats: stats.queued_bytes == 0)
    taken = server.stats().bytes_in // 1200
    assert taken + server.stats().datagrams_dropped <= 5000
    assert len(arrived) <= taken
    visitor.send(b"after")
    data, peer = raw_udp.receive()
    assert data == b"after"
    for number in range(5000):
        raw_udp.send(struct.pack(">I", number) + bytes(1196), peer)
    answers = []
    with contextlib.suppress(TimeoutError):
        while True:
            answers.append(struct.unpack_from(">I", visitor.receive(0.5))[0])
    assert answers == sorted(set(answers)) and len(answers) > 100
    raw_udp.send(b"after", peer)
    assert visitor.receive() == b"after"


def test_a_flood_of_the_largest_datagrams_uses_no_memory_and_passes(
    start_server: Any, start_client: Any, raw_udp: RawUDP, visit: Callable[..., Visitor], switchboard: Any
) -> None:
    """The lane takes nothing meanwhile: what finds no credit is dropped and counted."""
    server = start_server(lanes=1)
    board = switchboard(server)
    client = start_client(board.address, udp(raw_udp))
    visitor = visit(client)
    visitor.send(b"before")
    assert raw_udp.receive()[0] == b"before"
    board.links[0].hold()
    for number in range(200):
        visitor.send(struct.pack(">I", number) + bytes(MOST - 4))
    stats = wait_for_stats(server, lambda stats: stats.datagrams_dropped > 0)
    assert stats.queued_bytes <= 1 << 20
    board.links[0].let_go()
    arrived = [struct.unpack_from(">I", data)[0] for data in raw_udp.all_that_comes()]
    assert arrived and arrived == list(range(len(arrived))), "the newest are dropped, not those before"
    visitor.send(b"after")
    assert raw_udp.receive()[0] == b"after"
    gone_or_one = client.stats()
    assert (gone_or_one.udp_visitors, gone_or_one.streams_total) == (1, 1)


def test_datagrams_go_on_beside_a_tcp_service_that_takes_nothing(
    start_server: Any,
    start_client: Any,
    echo_udp: EchoUDP,
    raw_service: RawService,
    visit: Callable[..., Visitor],
) -> None:
    server = start_server(lanes=1)
    client = start_client(server, udp(echo_udp), {"name": "raw", "mode": "tcp", "local_addr": raw_service.address})
    with connect(server.address("map_tcp_bind")) as stalled, raw_service.accept():
        stalled.settimeout(0.3)
        with contextlib.suppress(TimeoutError):
            stalled.sendall(bytes(64 << 20))
        visitor = visit(client)
        for number in range(100):
            began = time.monotonic()
            visitor.send(b"%d" % number)
            assert visitor.receive() == b"%d" % number
            assert time.monotonic() - began < 1


def test_a_service_that_reads_nothing_does_not_stall_the_others(
    start_server: Any, start_client: Any, raw_udp: RawUDP, echo_tcp: Any, visit: Callable[..., Visitor]
) -> None:
    server = start_server(lanes=1)
    client = start_client(server, udp(raw_udp), {"name": "echo", "mode": "tcp", "local_addr": echo_tcp.address})
    raw_udp.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    flooding = visit(client)
    with connect(server.address("map_tcp_bind")) as visitor:
        for _ in range(50):
            for _ in range(40):
                flooding.send(bytes(8000))
            visitor.sendall(b"ping")
            assert visitor.recv(4) == b"ping"
    wait_for_stats(client, lambda stats: stats.queued_bytes == 0)


# ------------------------------------------------------------------------------------------------------- Ports and ends


def test_the_port_is_closed_with_the_mapping(
    start_server: Any, start_client: Any, echo_udp: EchoUDP, visit: Callable[..., Visitor]
) -> None:
    server = start_server(threads=2)
    client = start_client(server, udp(echo_udp))
    host, port = split(client.mapping_address("udp"))
    visitor = visit(client)
    visitor.until_echoed(b"before")
    client.remove_mapping("udp")
    assert server.stats().ports == 0
    gone(server, client)
    bound(host, port).close()
    with pytest.raises(ConnectionRefusedError):
        visitor.send(b"after")
        visitor.receive()


def test_a_port_that_was_given_back_can_be_had_again_at_once(
    start_server: Any, start_client: Any, echo_udp: EchoUDP, visit: Callable[..., Visitor]
) -> None:
    server = start_server(threads=2)
    client = start_client(server, udp(echo_udp))
    wait_for_stats(server, lambda stats: stats.lanes == 2)
    address = client.mapping_address("udp")
    client.remove_mapping("udp")
    for turn in range(200):
        client.add_mapping(udp(echo_udp, f"turn-{turn}", remote=address))
        if turn % 10 == 0:
            visit(client, f"turn-{turn}").until_echoed(b"%d" % turn)
        client.remove_mapping(f"turn-{turn}")


def test_two_mappings_cannot_have_the_same_port(
    start_server: Any, start_client: Any, echo_udp: EchoUDP, visit: Callable[..., Visitor]
) -> None:
    server = start_server()
    client = start_client(server, udp(echo_udp, "one"))
    address = client.mapping_address("one")
    with pytest.raises(wmproxy.AlreadyExistsError, match="'one'"):
        client.add_mapping(udp(echo_udp, "two", remote=address))
    other = start_client(server)
    with pytest.raises(wmproxy.AlreadyExistsError, match=address):
        other.add_mapping(udp(echo_udp, "three", remote=address))
    visit(client, "one").until_echoed(b"undisturbed")
    assert server.stats().ports == 1


def test_a_port_of_tcp_is_not_one_of_udp(
    start_server: Any, start_client: Any, echo_udp: EchoUDP, visit: Callable[..., Visitor]
) -> None:
    server = start_server()
    # TCP first: a number that is free for TCP may be that of somebody's connection by the next moment.
    tcp = {"name": "tcp", "mode": "tcp", "local_addr": "127.0.0.1:1", "remote_addr": "127.0.0.1:0"}
    address = start_client(server, tcp).mapping_address("tcp")
    visit(start_client(server, udp(echo_udp, remote=address))).until_echoed(b"hello")
    assert server.stats().ports == 2


def test_a_client_that_takes_its_port_over_has_its_own_timeout(
    start_server: Any, start_client: Any, echo_udp: EchoUDP, visit: Callable[..., Visitor]
) -> None:
    server = start_server()
    first = start_client(server, udp(echo_udp, udp_timeout="1h"), client_id="edge")
    address = first.mapping_address("udp")
    second = start_client(server, udp(echo_udp, remote=address, udp_timeout="200ms"), client_id="edge")
    first.stop()
    visit(second).until_echoed(b"hello")
    gone(server, second)


@pytest.mark.parametrize("drain", [0.0, 10.0, None], ids=["at once", "for a while", "without limit"])
@pytest.mark.parametrize("stopped", ["server", "client"])
def test_a_stop_does_not_wait_for_visitors_of_udp(
    start_server: Any,
    start_client: Any,
    echo_udp: EchoUDP,
    visit: Callable[..., Visitor],
    pool: Any,
    stopped: str,
    drain: float | None,
) -> None:
    server = start_server(threads=2)
    client = start_client(server, udp(echo_udp, udp_timeout="1h"))
    visitors = [visit(client) for _ in range(5)]
    for visitor in visitors:
        visitor.until_echoed(b"hello")
    ends = {"server": server, "client": client}
    stopping = pool.submit(ends.pop(stopped).stop, drain)
    stopping.result(2)
    (other,) = ends.values()
    gone(other)
    assert server.stopped or server.stats().ports == 0
    for visitor in visitors:
        with contextlib.suppress(ConnectionRefusedError):
            visitor.send(b"after")


def test_datagrams_that_come_while_it_stops_do_not_keep_it(
    start_server: Any, start_client: Any, echo_udp: EchoUDP, visit: Callable[..., Visitor], pool: Any
) -> None:
    for turn in range(4):
        server = start_server(threads=2)
        client = start_client(server, udp(echo_udp))
        visitor = visit(client)
        visitor.until_echoed(b"hello")
        stopping = pool.submit((server, client)[turn % 2].stop, 5)
        began = time.monotonic()
        while not stopping.done() and time.monotonic() - began < DEADLINE:
            with contextlib.suppress(ConnectionRefusedError):
                visitor.send(b"more")
        assert time.monotonic() - began < 2
        client.stop()
        server.stop()
