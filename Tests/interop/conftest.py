"""Fixtures: the ends of a tunnel, services behind it, certificates. Everything is stopped when its test ends."""

from __future__ import annotations

import contextlib
import hashlib
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

import wmproxy
from datagrams import EchoUDP, RawUDP, Visitor
from rawlane import RawLane
from services import EchoHTTP, EchoTCP, RawService, Web, mapping
from support import DEADLINE, wait_for_stats
from switchboard import Switchboard

TOKEN = "the secret of these tests"


@pytest.fixture
def stack() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture
def start_server(stack: contextlib.ExitStack) -> Callable[..., wmproxy.Server]:
    """Starts servers with all their edges on free ports of 127.0.0.1; options replace or, if None, remove."""

    def start(**options: Any) -> wmproxy.Server:
        config = {
            "bind_addr": "127.0.0.1:0",
            "map_http_bind": "127.0.0.1:0",
            "map_tcp_bind": "127.0.0.1:0",
            "tc": True,
            "token": TOKEN,
            **options,
        }
        config = {key: value for key, value in config.items() if value is not None}
        return stack.enter_context(wmproxy.Server(config))

    return start


@pytest.fixture
def start_client(stack: contextlib.ExitStack) -> Callable[..., wmproxy.Client]:
    """Starts clients of a server (or of an address), and waits until they are ready, unless ``ready`` is False."""

    def start(server: wmproxy.Server | str, *mappings: dict[str, Any], ready: bool = True, **options: Any) -> Any:
        address = server if isinstance(server, str) else server.address("bind_addr")
        config = {"server": address, "ts": True, "token": TOKEN, "mappings": list(mappings), **options}
        config = {key: value for key, value in config.items() if value is not None}
        client = stack.enter_context(wmproxy.Client(config))
        if ready:
            client.wait_ready(DEADLINE)
        return client

    return start


@pytest.fixture
def echo_http(stack: contextlib.ExitStack) -> Callable[..., EchoHTTP]:
    def start(name: str = "web") -> EchoHTTP:
        return stack.enter_context(contextlib.closing(EchoHTTP(name)))

    return start


@pytest.fixture
def echo_tcp(stack: contextlib.ExitStack) -> EchoTCP:
    return stack.enter_context(contextlib.closing(EchoTCP()))


@pytest.fixture
def raw_service(stack: contextlib.ExitStack) -> RawService:
    return stack.enter_context(contextlib.closing(RawService()))


@pytest.fixture
def echo_udp(stack: contextlib.ExitStack) -> EchoUDP:
    return stack.enter_context(contextlib.closing(EchoUDP()))


@pytest.fixture
def raw_udp(stack: contextlib.ExitStack) -> RawUDP:
    return stack.enter_context(contextlib.closing(RawUDP()))


@pytest.fixture
def visit(stack: contextlib.ExitStack) -> Callable[..., Visitor]:
    """Comes to a mapping of mode udp, from a new address."""

    def start(client: wmproxy.Client, name: str = "udp") -> Visitor:
        return stack.enter_context(Visitor(client.mapping_address(name)))

    return start


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """For what blocks while the test goes on."""
    with ThreadPoolExecutor(8) as pool:
        yield pool


@pytest.fixture
def switchboard(stack: contextlib.ExitStack) -> Callable[..., Switchboard]:
    """Relays in front of servers; clients are started with their address."""

    def start(*servers: wmproxy.Server) -> Switchboard:
        board = Switchboard(*(server.address("bind_addr") for server in servers))
        stack.callback(board.close)
        return board

    return start


@pytest.fixture
def raw_lane(stack: contextlib.ExitStack) -> Callable[..., RawLane]:
    """Tunnel connections that the test itself speaks on, to a server with ``tc: false``."""

    def start(server: wmproxy.Server, client_id: str = "raw", session: bytes = b"", secret: str = TOKEN) -> RawLane:
        return stack.enter_context(RawLane(server.address("bind_addr"), client_id, secret, session))

    return start


@dataclass(frozen=True)
class Certificate:
    cert: Path
    key: Path

    fingerprint: str
    """SHA-256 of its public key (SubjectPublicKeyInfo in DER), in hexadecimal."""


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A self-signed certificate for localhost, web.test and 127.0.0.1."""
    directory = tmp_path_factory.mktemp("certificate")
    cert, key = directory / "cert.pem", directory / "key.pem"

    def openssl(*arguments: object) -> bytes:
        return subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True).stdout

    openssl(
        *("req", "-x509", "-nodes", "-days", 2, "-subj", "/CN=localhost"),
        *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
        *("-addext", "subjectAltName=DNS:localhost,DNS:web.test,IP:127.0.0.1", "-keyout", key, "-out", cert),
    )
    public_key = openssl("pkey", "-in", key, "-pubout", "-outform", "DER")
    return Certificate(cert, key, hashlib.sha256(public_key).hexdigest())


@pytest.fixture(params=[True, False], ids=["tls", "plain"])
def web(request: Any, start_server: Any, start_client: Any, echo_http: Any) -> Iterator[Web]:
    service = echo_http()
    server = start_server(tc=request.param)
    web = Web(server, start_client(server, mapping(service.address), ts=request.param), service)
    yield web
    web.session.close()
    # Whatever a test did, its visitors are gone in the end, and so is what they held.
    wait_for_stats(server, lambda stats: stats.visitors == stats.streams == stats.queued_bytes == 0)
    wait_for_stats(web.client, lambda stats: stats.visitors == stats.streams == stats.queued_bytes == 0)
