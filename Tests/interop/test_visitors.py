"""Visitors that come, wait and leave at awkward moments."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any

import pytest

from conftest import TOKEN
from services import HOST, RawService, Web, mapping
from support import (
    DEADLINE,
    closed_by_peer,
    connect,
    open_files,
    raw_request,
    read_exactly,
    read_response,
    read_to_end,
    read_until,
    reset,
    wait_for_stats,
)
import wmproxy


@pytest.mark.parametrize("head", ["GET / HTTP/1.1", "GET / HTTP/1.0", "POST / HTTP/1.1\r\nContent-Length: 3"])
def test_an_error_page_comes_however_the_request_is_split(web: Web, head: str) -> None:
    request = f"{head}\r\nHost: unknown.test\r\nConnection: close\r\n\r\n".encode()
    for at in range(1, len(request)):
        with connect(web.address) as visitor:
            visitor.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            visitor.sendall(request[:at])
            # One byte back and forth elsewhere: the first part has been read by then.
            assert web.get("/").status_code == 200
            visitor.sendall(request[at:])
            answer, body = read_response(visitor)
            assert answer.status == 404 and b"unknown.test" in body
    assert web.get("/").status_code == 200


def test_requests_before_a_half_close_are_all_answered(web: Web) -> None:
    with connect(web.address) as visitor:
        visitor.sendall(f"GET /bytes?size=300000 HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode() * 3)
        visitor.shutdown(socket.SHUT_WR)
        assert read_to_end(visitor).count(b"HTTP/1.1 200 OK\r\n") == 3


def test_a_head_that_broke_off_does_not_reach_the_next_answer(web: Web, raw_service: RawService) -> None:
    web.client.add_mapping(mapping(raw_service.address, "raw.test", "raw"))
    with connect(web.address) as visitor:
        visitor.sendall(b"GET /one HTTP/1.1\r\nHost: raw.test\r\n\r\n")
        service = raw_service.accept()
        read_until(service, b"\r\n\r\n")
        service.sendall(b"HTTP/1.1 200 OK\r\nX-Secret: old\r\nContent-Le")
        reset(service)
        answer, _ = read_response(visitor)
        assert answer.status == 502
        visitor.sendall(b"GET /two HTTP/1.1\r\nHost: raw.test\r\n\r\n")
        service = raw_service.accept()
        assert read_until(service, b"\r\n\r\n").startswith(b"GET /two HTTP/1.1\r\n")
        service.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        answer, body = read_response(visitor)
        assert (answer.status, body, answer.getheader("X-Secret")) == (200, b"ok", None)
        service.close()


def test_a_client_that_dies_under_a_repeatable_request_is_a_503(start_server: Any, start_client: Any) -> None:
    server = start_server()
    with contextlib.closing(RawService()) as service:
        client = wmproxy.Client(
            server=server.address("bind_addr"), ts=True, token=TOKEN, mappings=[mapping(service.address)]
        )
        client.wait_ready(DEADLINE)
        with connect(server.address("map_http_bind")) as visitor:
            visitor.sendall(f"GET /one HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
            served = service.accept()
            read_until(served, b"\r\n\r\n")
            served.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            assert read_response(visitor)[0].status == 200
            visitor.sendall(f"GET /two HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
            read_until(served, b"\r\n\r\n")
            client.stop(0)
            assert read_response(visitor)[0].status == 503
    wait_for_stats(server, lambda stats: stats.visitors == stats.streams == 0)


def test_visitors_that_are_reset_while_the_service_takes_nothing_are_noticed(
    start_server: Any, start_client: Any, raw_service: RawService
) -> None:
    server = start_server()
    start_client(server, {"name": "raw", "mode": "tcp", "local_addr": raw_service.address})
    visitors = [connect(server.address("map_tcp_bind")) for _ in range(5)]
    services = [raw_service.accept() for _ in visitors]
    for visitor in visitors:
        visitor.settimeout(0.2)
        with contextlib.suppress(TimeoutError):
            visitor.sendall(bytes(64 * 1024 * 1024))
    wait_for_stats(server, lambda stats: stats.visitors == len(services))
    for visitor in visitors:
        reset(visitor)
    wait_for_stats(server, lambda stats: stats.visitors == stats.streams == 0)


def test_slots_come_back_when_client_and_visitors_leave(start_server: Any, raw_service: RawService) -> None:
    server = start_server(max_connections=6)
    for _ in range(3):
        with wmproxy.Client(
            server=server.address("bind_addr"),
            ts=True,
            token=TOKEN,
            lanes=1,
            mappings=[{"name": "raw", "mode": "tcp", "local_addr": raw_service.address}],
        ) as client:
            client.wait_ready(DEADLINE)
            visitors = [connect(server.address("map_tcp_bind")) for _ in range(5)]
            services = [raw_service.accept() for _ in visitors]
            for service, visitor in zip(services, visitors):
                visitor.shutdown(socket.SHUT_WR)
                service.settimeout(0.2)
                with contextlib.suppress(TimeoutError):
                    service.sendall(bytes(16 * 1024 * 1024))
                service.close()
        for visitor in visitors:
            visitor.close()
        wait_for_stats(server, lambda stats: stats.visitors == stats.sessions == 0)


def test_a_drain_ends_with_the_last_visitor(start_server: Any, start_client: Any, echo_http: Any) -> None:
    server = start_server()
    start_client(server, mapping(echo_http().address))
    with connect(server.address("map_http_bind")) as visitor:
        visitor.sendall(b"GET / HTTP/1.1\r\nHo")
        with connect(server.address("map_http_bind")) as other:
            assert raw_request(other, f"GET / HTTP/1.1\nHost: {HOST}")[0].status == 200
        thread = threading.Thread(target=server.stop, args=(None,))
        thread.start()
        visitor.close()
        thread.join(DEADLINE)
        assert not thread.is_alive()


def test_silent_strangers_keep_no_client_out(start_server: Any, start_client: Any) -> None:
    server = start_server(max_handshakes=8)
    with contextlib.ExitStack() as stack:
        for _ in range(64):
            stack.enter_context(connect(server.address("bind_addr")))
        start_client(server).wait_ready(2)


def test_urgent_data_is_data(start_server: Any, start_client: Any, raw_service: RawService) -> None:
    server = start_server()
    start_client(server, {"name": "raw", "mode": "tcp", "local_addr": raw_service.address})
    with connect(server.address("map_tcp_bind")) as visitor:
        visitor.sendall(b"one")
        service = raw_service.accept()
        assert read_exactly(service, 3) == b"one"
        visitor.send(b"!", socket.MSG_OOB)
        visitor.sendall(b"two")
        assert read_exactly(service, 4) == b"!two"


def test_an_idle_connection_is_closed_also_after_a_slow_answer(
    start_server: Any, start_client: Any, echo_http: Any
) -> None:
    server = start_server(idle_timeout="1s")
    start_client(server, mapping(echo_http().address))
    with connect(server.address("map_http_bind")) as visitor:
        visitor.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        answer, body = raw_request(visitor, f"GET /bytes?size=3000000 HTTP/1.1\nHost: {HOST}")
        assert answer.status == 200 and len(body) == 3_000_000
        assert closed_by_peer(visitor)


def test_engines_that_end_with_connections_open_leave_none(raw_service: RawService) -> None:
    def cycle() -> None:
        with wmproxy.Server(bind_addr="127.0.0.1:0", map_http_bind="127.0.0.1:0", token=TOKEN, tc=True) as server:
            with contextlib.ExitStack() as stack:
                for name in ("bind_addr", "map_http_bind") * 4:
                    stack.enter_context(connect(server.address(name))).sendall(b"GET / HTTP/1.1\r\n\r\n")
                with wmproxy.Client(
                    server=server.address("bind_addr"), ts=True, token=TOKEN, mappings=[mapping(raw_service.address)]
                ) as client:
                    client.wait_ready(DEADLINE)

    cycle()
    before = open_files()
    for _ in range(20):
        cycle()
    assert open_files() <= before
