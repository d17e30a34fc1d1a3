"""Bytes through the tunnel: whole, in order, in both directions, and ended as they were ended."""

from __future__ import annotations

import asyncio
import select
import socket
import threading
from typing import Any, Callable, Iterator

import pytest

import wmproxy
from services import EchoTCP, RawService, refusing_address
from support import (
    DEADLINE,
    MIB,
    connect,
    payload,
    read_exactly,
    read_to_end,
    reset,
    sha256,
    split,
    turned_away,
    wait_for_event,
    wait_for_stats,
)
from taps import Guest
from wmproxy import EventKind

Visit = Callable[[str], str]


@pytest.fixture(params=[True, False], ids=["tls", "plain"])
def visit(request: Any, start_server: Any, start_client: Any) -> Iterator[Visit]:
    """Maps a service, and returns where visitors reach it."""
    server = start_server(tc=request.param, map_http_bind=None)
    client = start_client(server, ts=request.param)

    def add(local_addr: str) -> str:
        client.add_mapping(name="service", mode="tcp", local_addr=local_addr)
        assert client.mapping_address("service") == server.address("map_tcp_bind")
        return str(client.mapping_address("service"))

    yield add
    for end in (server, client):
        wait_for_stats(end, lambda stats: stats.visitors == stats.streams == stats.queued_bytes == 0)


@pytest.fixture
def pair(visit: Visit, raw_service: RawService) -> Iterator[tuple[socket.socket, socket.socket]]:
    """The two outer ends of a tunnelled connection: the visitor's, the service's."""
    with connect(visit(raw_service.address)) as visitor:
        with raw_service.accept() as service:
            yield visitor, service


def transfer(sender: socket.socket, receiver: socket.socket, data: bytes) -> None:
    thread = threading.Thread(target=sender.sendall, args=(data,))
    thread.start()
    received = read_exactly(receiver, len(data))
    thread.join(DEADLINE)
    assert sha256(received) == sha256(data)


def test_a_service_that_speaks_first_is_heard(pair: tuple[socket.socket, socket.socket]) -> None:
    visitor, service = pair
    service.sendall(b"220 ready\r\n")
    assert read_exactly(visitor, 11) == b"220 ready\r\n"


def test_16_mib_arrive_whole_in_each_direction(pair: tuple[socket.socket, socket.socket]) -> None:
    visitor, service = pair
    transfer(visitor, service, payload(16 * MIB, seed=1))
    transfer(service, visitor, payload(16 * MIB, seed=2))


def test_both_directions_at_once(pair: tuple[socket.socket, socket.socket]) -> None:
    visitor, service = pair
    failures: list[BaseException] = []

    def run(*arguments: Any) -> None:
        try:
            transfer(*arguments)
        except BaseException as failure:
            failures.append(failure)

    threads = [
        threading.Thread(target=run, args=(visitor, service, payload(16 * MIB, seed=3))),
        threading.Thread(target=run, args=(service, visitor, payload(16 * MIB, seed=4))),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE * 2)
    assert failures == []


def test_an_echo_of_16_mib_is_equal(visit: Visit, echo_tcp: EchoTCP) -> None:
    data = payload(16 * MIB)
    with connect(visit(echo_tcp.address)) as visitor:

        def send() -> None:
            visitor.sendall(data)
            visitor.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=send)
        thread.start()
        echoed = read_to_end(visitor)
        thread.join(DEADLINE)
    assert len(echoed) == len(data) and sha256(echoed) == sha256(data)


def test_small_messages_go_at_once(visit: Visit, echo_tcp: EchoTCP) -> None:
    with connect(visit(echo_tcp.address)) as visitor:
        for number in range(1000):
            message = b"%08d" % number
            visitor.sendall(message)
            assert read_exactly(visitor, 8) == message


def test_each_direction_ends_on_its_own(pair: tuple[socket.socket, socket.socket]) -> None:
    visitor, service = pair
    visitor.sendall(b"question")
    visitor.shutdown(socket.SHUT_WR)
    assert read_to_end(service) == b"question"
    service.sendall(payload(MIB))
    service.shutdown(socket.SHUT_WR)
    assert sha256(read_to_end(visitor)) == sha256(payload(MIB))


def test_a_service_that_ends_first_still_hears_the_visitor(pair: tuple[socket.socket, socket.socket]) -> None:
    visitor, service = pair
    service.sendall(b"banner")
    service.shutdown(socket.SHUT_WR)
    assert read_to_end(visitor) == b"banner"
    visitor.sendall(payload(MIB))
    visitor.shutdown(socket.SHUT_WR)
    assert sha256(read_to_end(service)) == sha256(payload(MIB))


def test_bytes_before_an_end_are_not_lost(pair: tuple[socket.socket, socket.socket]) -> None:
    visitor, service = pair
    data = payload(4 * MIB)

    def send() -> None:
        service.sendall(data)
        service.close()

    thread = threading.Thread(target=send)
    thread.start()
    assert sha256(read_to_end(visitor)) == sha256(data)
    thread.join(DEADLINE)


def test_a_reset_of_the_service_is_a_reset_for_the_visitor(pair: tuple[socket.socket, socket.socket]) -> None:
    visitor, service = pair
    service.sendall(b"begin")
    assert read_exactly(visitor, 5) == b"begin"
    reset(service)
    with pytest.raises(ConnectionResetError):
        visitor.recv(1)


def test_a_reset_of_the_visitor_is_a_reset_for_the_service(pair: tuple[socket.socket, socket.socket]) -> None:
    visitor, service = pair
    visitor.sendall(b"begin")
    assert read_exactly(service, 5) == b"begin"
    reset(visitor)
    with pytest.raises(ConnectionResetError):
        service.recv(1)


def is_reset(sock: socket.socket) -> bool:
    """Whether it breaks. Behind an end, reading does not tell."""
    poll = select.poll()
    poll.register(sock, select.POLLERR)
    return any(event & select.POLLERR for _, event in poll.poll(DEADLINE * 1000))


@pytest.mark.parametrize("who", ["visitor", "service"])
def test_a_reset_behind_an_end_is_a_reset_for_the_other_end(
    pair: tuple[socket.socket, socket.socket], who: str
) -> None:
    """Who sits and waits for an answer that nobody will read has to hear of it."""
    one, other = pair if who == "visitor" else reversed(pair)
    one.sendall(b"question")
    one.shutdown(socket.SHUT_WR)
    assert read_to_end(other) == b"question"
    reset(one)
    assert is_reset(other)


@pytest.mark.parametrize("patient", [False, True], ids=["at once", "a moment later"])
def test_who_resets_while_the_service_is_called_is_never_a_proper_end_for_it(
    start_server: Any, start_client: Any, raw_service: RawService, patient: bool
) -> None:
    server = start_server(tc=False, threads=1)
    client = start_client(server, ts=False)
    client.add_mapping(name="service", mode="tcp", local_addr=raw_service.address)
    for number in range(1, 301):
        visitor = connect(server.address("map_tcp_bind"))
        if patient:
            while server.stats().streams_total < number:
                pass
        reset(visitor)
    with connect(server.address("map_tcp_bind")) as visitor:
        visitor.sendall(b"the last")
        while (first := first_word(raw_service.accept())) != b"the last":
            assert first is None, "an end"


def first_word(sock: socket.socket) -> bytes | None:
    """None: a reset."""
    try:
        return sock.recv(100)
    except ConnectionResetError:
        return None


def test_a_service_that_is_not_there_ends_the_visit_and_no_other(
    start_server: Any, start_client: Any, echo_tcp: EchoTCP
) -> None:
    server = start_server()
    client = start_client(server, {"name": "service", "mode": "tcp", "local_addr": refusing_address()})
    for _ in range(3):
        turned_away(server.address("map_tcp_bind"))
    client.remove_mapping("service")
    client.add_mapping(name="service", mode="tcp", local_addr=echo_tcp.address)
    with connect(server.address("map_tcp_bind")) as visitor:
        visitor.sendall(b"ping")
        assert read_exactly(visitor, 4) == b"ping"
    assert server.stats().refused == 3


def test_a_visitor_without_a_mapping_is_turned_away(start_server: Any) -> None:
    server = start_server()
    turned_away(server.address("map_tcp_bind"))
    wait_for_stats(server, lambda stats: stats.refused == 1)


def test_a_lost_session_is_a_reset_for_its_visitors(
    start_server: Any, start_client: Any, raw_service: RawService
) -> None:
    """A killed stream is never a clean end."""
    server = start_server()
    client = start_client(server, {"name": "service", "mode": "tcp", "local_addr": raw_service.address})
    with connect(server.address("map_tcp_bind")) as visitor:
        with raw_service.accept() as service:
            service.sendall(b"begin")
            assert read_exactly(visitor, 5) == b"begin"
            client.stop()
            wait_for_event(server, EventKind.SESSION_DOWN)
            for end in (visitor, service):
                with pytest.raises(ConnectionResetError):
                    end.recv(1)


def test_200_connections_at_once_are_apart(visit: Visit, echo_tcp: EchoTCP) -> None:
    host, port = split(visit(echo_tcp.address))

    async def one(number: int) -> None:
        data = payload(100_000, seed=number)
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(data)
        writer.write_eof()
        assert await reader.read(-1) == data
        writer.close()
        await writer.wait_closed()

    async def all_of_them() -> None:
        await asyncio.wait_for(asyncio.gather(*(one(number) for number in range(200))), DEADLINE * 2)

    asyncio.run(all_of_them())


def test_a_slow_reader_stalls_nobody_but_itself(visit: Visit, raw_service: RawService) -> None:
    address = visit(raw_service.address)
    data = payload(32 * MIB)
    with connect(address) as slow, raw_service.accept() as slow_service:
        sender = threading.Thread(target=slow_service.sendall, args=(data,))
        sender.start()
        assert read_exactly(slow, 1) == data[:1]  # and no more for now
        with connect(address) as fast, raw_service.accept() as fast_service:
            for number in range(200):
                fast.sendall(b"%08d" % number)
                assert read_exactly(fast_service, 8) == b"%08d" % number
                fast_service.sendall(b"%08d" % number)
                assert read_exactly(fast, 8) == b"%08d" % number
            transfer(fast_service, fast, payload(8 * MIB, seed=5))
            transfer(fast, fast_service, payload(8 * MIB, seed=6))
        assert sender.is_alive()
        assert sha256(read_exactly(slow, len(data) - 1)) == sha256(data[1:])
        sender.join(DEADLINE)


def test_a_stalled_reader_costs_its_window_and_no_more(
    start_server: Any, start_client: Any, raw_service: RawService
) -> None:
    server = start_server()
    client = start_client(server, {"name": "service", "mode": "tcp", "local_addr": raw_service.address})
    with connect(server.address("map_tcp_bind")) as slow, raw_service.accept() as service:
        service.settimeout(1.0)  # nothing is taken any more for so long
        with pytest.raises(socket.timeout):
            while True:
                service.sendall(bytes(MIB))
        queued = server.stats().queued_bytes + client.stats().queued_bytes
        assert queued <= 16 * MIB
        slow.close()


@pytest.mark.parametrize("first", ["visitor", "service"])
def test_what_a_stream_leaves_behind_for_a_slow_reader_goes_with_the_reader(
    start_server: Any, start_client: Any, raw_service: RawService, first: str
) -> None:
    """It has ended both ways, and its reader has yet to take much of it."""
    server = start_server()
    client = start_client(server, {"name": "service", "mode": "tcp", "local_addr": raw_service.address})
    slow = Guest(server.address("map_tcp_bind"))
    with raw_service.accept() as service:
        if first == "visitor":
            slow.sock.shutdown(socket.SHUT_WR)
            assert service.recv(1) == b""
        fill(server, service, 20_000)
        service.shutdown(socket.SHUT_WR)
        if first == "service":
            wait_for_stats(client, lambda stats: stats.queued_bytes == 0)
            slow.sock.shutdown(socket.SHUT_WR)
        for end in (server, client):
            wait_for_stats(end, lambda stats: stats.streams == 0)
    assert server.stats().visitors == 1 and server.stats().queued_bytes > 0
    slow.close()
    wait_for_stats(server, lambda stats: stats.visitors == stats.queued_bytes == 0)


def fill(server: wmproxy.Server, service: socket.socket, waiting: int) -> None:
    """Has the service send until so many bytes wait at the server."""
    sent = 0
    while server.stats().queued_bytes < waiting:
        service.sendall(bytes(16384))
        sent += 16384
        wait_for_stats(server, lambda stats: stats.bytes_out >= sent)


def test_the_statistics_count_payload(start_server: Any, start_client: Any, raw_service: RawService) -> None:
    server = start_server()
    client = start_client(server, {"name": "service", "mode": "tcp", "local_addr": raw_service.address})
    with connect(server.address("map_tcp_bind")) as visitor, raw_service.accept() as service:
        visitor.sendall(bytes(1000))
        read_exactly(service, 1000)
        service.sendall(bytes(70_000))
        read_exactly(visitor, 70_000)
        for end in (server, client):
            stats = wait_for_stats(end, lambda stats: (stats.bytes_in, stats.bytes_out) == (1000, 70_000))
            assert (stats.visitors, stats.visitors_total, stats.streams) == (1, 1, 1)
    for end in (server, client):
        wait_for_stats(end, lambda stats: stats.visitors == stats.streams == 0)
