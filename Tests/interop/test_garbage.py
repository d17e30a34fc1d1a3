"""What strangers send to the ports: it ends their connection, and nothing else."""

from __future__ import annotations

import contextlib
import random
import socket
import ssl
import struct
from typing import Any, Callable, Iterator

import pytest
import requests

import wmproxy
from services import EchoHTTP
from support import DEADLINE, MIB, closed_by_peer, connect, read_exactly, wait_for_stats


def client_hello() -> bytes:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    context.set_alpn_protocols(["wmproxy/1", "http/1.1"])
    tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


def noise(size: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size)


STRANGERS = {
    "silence": b"",
    "one byte": b"\0",
    "noise": noise(4096, seed=11),
    "much noise": noise(MIB, seed=12),
    "half a ClientHello": client_hello()[:150],
    "a ClientHello and noise": client_hello() + noise(4096, seed=13),
    "a million zero bytes": bytes(1_000_000),
    "lines without an end": b"A" * 1_000_000,
    "half a request": b"GET / HTTP/1.1\r\nHost: web.te",
    "a request": b"GET / HTTP/1.1\r\nHost: nobody.test\r\nConnection: close\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9),
    "SSH": b"SSH-2.0-OpenSSH_9.2p1\r\n",
    "SOCKS5": b"\x05\x01\x00",
    "a TLS record that never ends": b"\x16\x03\x01\x3f\xff" + bytes(100),
    "a frame of the greatest length": struct.pack(">IBI", 0xFFFFFF, 0, 0xFFFFFFFF) * 100,
}


@pytest.fixture(params=[True, False], ids=["tls", "plain"])
def server(
    request: Any, start_server: Any, start_client: Any, echo_http: Callable[..., EchoHTTP]
) -> Iterator[wmproxy.Server]:
    """A server on which a visitor is served before, while and after strangers come."""
    server: wmproxy.Server = start_server(
        tc=request.param,
        map_https_bind="127.0.0.1:0",
        login_timeout="500ms",
        head_timeout="500ms",
        idle_timeout="500ms",
    )
    mapping = {"name": "web", "mode": "http", "domain": "web.test", "local_addr": echo_http().address}
    client = start_client(server, mapping, ts=request.param)
    yield server
    visit(server)
    wait_for_stats(server, lambda stats: stats.visitors == stats.streams == 0)
    stats = client.stats()
    assert (stats.sessions, stats.sessions_total, stats.reconnects) == (1, 1, 0)


def visit(server: wmproxy.Server) -> None:
    address = server.address("map_http_bind")
    with requests.Session() as session:
        session.trust_env = False
        answer = session.get(f"http://{address}/", headers={"Host": "web.test"}, timeout=DEADLINE)
    assert answer.json()["service"] == "web"


PORTS = ["bind_addr", "map_http_bind", "map_https_bind"]


@pytest.mark.parametrize("port", PORTS)
@pytest.mark.parametrize("sent", STRANGERS.values(), ids=STRANGERS.keys())
def test_a_stranger_is_closed_and_nobody_else_notices(server: wmproxy.Server, port: str, sent: bytes) -> None:
    with connect(server.address(port)) as stranger:
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            stranger.sendall(sent)
        visit(server)
        assert closed_by_peer(stranger)


@pytest.mark.parametrize("sent", STRANGERS.values(), ids=STRANGERS.keys())
def test_a_stranger_who_only_sends_is_closed_too(server: wmproxy.Server, sent: bytes) -> None:
    for port in PORTS:
        with connect(server.address(port)) as stranger:
            with contextlib.suppress(OSError):  # it may have been closed in the meantime
                stranger.sendall(sent)
                stranger.shutdown(socket.SHUT_WR)
            assert closed_by_peer(stranger)


def test_garbage_on_the_tcp_edge_is_the_services_business(
    start_server: Any, start_client: Any, raw_service: Any
) -> None:
    server = start_server()
    start_client(server, {"name": "raw", "mode": "tcp", "local_addr": raw_service.address})
    for sent in STRANGERS.values():
        with connect(server.address("map_tcp_bind")) as visitor, raw_service.accept() as service:
            visitor.sendall(sent)
            assert read_exactly(service, len(sent)) == sent


def test_300_silent_strangers_do_not_keep_a_client_out(start_server: Any, start_client: Any) -> None:
    server = start_server(map_https_bind="127.0.0.1:0", login_timeout="2s", head_timeout="2s", max_handshakes=400)
    with contextlib.ExitStack() as strangers:
        silent = [strangers.enter_context(connect(server.address(port))) for port in PORTS[::2] for _ in range(150)]
        start_client(server)
        for stranger in silent:
            assert closed_by_peer(stranger)


@pytest.mark.parametrize("secure", [True, False], ids=["tls", "plain"])
def test_a_server_that_sends_garbage_does_not_harm_its_client(
    start_client: Any, raw_service: Any, secure: bool
) -> None:
    client = start_client(raw_service.address, ts=secure, ready=False)
    alert = b"\x15\x03\x03\0\2\2\x28"
    for sent in [noise(4096, seed=14), bytes(100_000), b"HTTP/1.1 400 Bad Request\r\n\r\n", alert, b""]:
        with raw_service.accept() as service:
            with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                service.sendall(sent)
                service.shutdown(socket.SHUT_WR)
                assert closed_by_peer(service)
    assert client.stats().sessions_total == 0
