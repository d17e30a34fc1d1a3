"""Which visitors are let in, and how their addresses are told: allow and deny, trusted proxies, PROXY headers."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
from typing import Any

import pytest

import wmproxy
from datagrams import RawUDP
from services import HOST, EchoTCP, RawService, mapping
from support import DEADLINE, closed_by_peer, connect, field, raw_request, read_exactly, split, wait_for_stats

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def v2(source: str, port: int, destination: str = "203.0.113.1") -> bytes:
    ends = socket.inet_aton(source) + socket.inet_aton(destination) + struct.pack(">HH", port, 443)
    return SIGNATURE + b"\x21\x11" + struct.pack(">H", len(ends)) + ends


def tcp(service: Any, **options: Any) -> dict[str, Any]:
    return {"name": "tcp", "mode": "tcp", "local_addr": service.address, **options}


def is_echoed(sock: socket.socket) -> bool:
    sock.sendall(b"x")
    return sock.recv(1) == b"x"


def is_let_in(source: str, address: str) -> bool:
    # Who is turned away may see the reset at any call, the first included.
    with contextlib.suppress(ConnectionError), connect(address, source) as sock:
        return is_echoed(sock)
    return False


@pytest.mark.parametrize("where", ["server", "mapping"])
@pytest.mark.parametrize(
    "rule, let_in",
    [
        ({"deny": "127.0.0.2"}, [True, False, True]),
        ({"allow": "127.0.0.2/31"}, [False, True, True]),
        ({"allow": "127.0.0.0/8", "deny": ["127.0.0.1", "127.0.0.3"]}, [False, True, False]),
        ({"deny": "0.0.0.0/0"}, [False, False, False]),
    ],
)
def test_visitors_are_let_in_by_address(
    start_server: Any, start_client: Any, echo_tcp: EchoTCP, where: str, rule: dict[str, Any], let_in: list[bool]
) -> None:
    server = start_server(**(rule if where == "server" else {}))
    start_client(server, tcp(echo_tcp, **(rule if where == "mapping" else {})))
    address = server.address("map_tcp_bind")
    assert [is_let_in(f"127.0.0.{last}", address) for last in (1, 2, 3)] == let_in


def test_a_visitor_that_a_mapping_does_not_let_in_sees_403(
    start_server: Any, start_client: Any, echo_http: Any
) -> None:
    server = start_server()
    start_client(server, {**mapping(echo_http().address), "deny": "127.0.0.1"})
    with connect(server.address("map_http_bind")) as visitor:
        assert raw_request(visitor, f"GET / HTTP/1.1\nHost: {HOST}")[0].status == 403


def test_udp_visitors_are_let_in_by_address(start_server: Any, start_client: Any, raw_udp: RawUDP) -> None:
    server = start_server(deny="127.0.0.2")
    client = start_client(
        server, {"name": "udp", "mode": "udp", "local_addr": raw_udp.address, "remote_addr": "127.0.0.1:0"}
    )
    port = split(client.mapping_address("udp"))
    for source in ("127.0.0.2", "127.0.0.1"):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((source, 0))
            sock.sendto(source.encode(), port)
    assert raw_udp.receive()[0] == b"127.0.0.1"
    assert server.stats().refused == 1


@pytest.mark.parametrize(
    "header", [b"PROXY TCP4 198.51.100.7 203.0.113.1 5678 443\r\n", v2("198.51.100.7", 5678)], ids=["v1 in", "v2 in"]
)
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_trusted_proxy_speaks_for_its_visitors(
    start_server: Any, start_client: Any, raw_service: RawService, header: bytes, version: str
) -> None:
    """In by the server's edge, out to the service; the header in pieces, and the visitor's bytes at once behind it."""
    server = start_server(proxy_protocol=True, trusted_proxies="127.0.0.1")
    start_client(server, tcp(raw_service, proxy_protocol=version))
    with connect(server.address("map_tcp_bind")) as proxy:
        proxy.sendall(header[:9])
        proxy.sendall(header[9:] + b"hello")
        with raw_service.accept() as service:
            port = split(raw_service.address)[1]
            if version == "v1":
                wanted = b"PROXY TCP4 198.51.100.7 127.0.0.1 5678 %d\r\n" % port
            else:
                ends = socket.inet_aton("198.51.100.7") + socket.inet_aton("127.0.0.1") + struct.pack(">HH", 5678, port)
                wanted = SIGNATURE + b"\x21\x11\x00\x0c" + ends
            assert read_exactly(service, len(wanted) + 5) == wanted + b"hello"


def test_rules_are_for_the_visitor_not_for_its_proxy(start_server: Any, start_client: Any, echo_tcp: EchoTCP) -> None:
    server = start_server(proxy_protocol=True, trusted_proxies="127.0.0.1", deny="198.51.100.0/24")
    start_client(server, tcp(echo_tcp))
    for source, is_welcome in (("198.51.100.7", False), ("192.0.2.1", True)):
        with connect(server.address("map_tcp_bind")) as proxy:
            proxy.sendall(v2(source, 1))
            assert is_echoed(proxy) if is_welcome else closed_by_peer(proxy)


def test_only_trusted_proxies_are_believed(start_server: Any, start_client: Any, raw_service: RawService) -> None:
    server = start_server(proxy_protocol=True, trusted_proxies="127.0.0.2")
    start_client(server, tcp(raw_service))
    header = v2("198.51.100.7", 1)
    with connect(server.address("map_tcp_bind")) as stranger:
        stranger.sendall(header)
        with raw_service.accept() as service:
            # To the server they are bytes like any others.
            assert read_exactly(service, len(header)) == header


@pytest.mark.parametrize("edge", ["map_tcp_bind", "map_http_bind", "map_https_bind"])
@pytest.mark.parametrize(
    "said",
    [b"GET / HTTP/1.1\r\n", b"PROXY TCP4 1.2.3.4\r\n", SIGNATURE[:-1] + b"x", b"PROXY " + b"x" * 200],
    ids=["nothing of it", "too short", "wrong signature", "too long"],
)
def test_a_trusted_proxy_without_a_header_is_closed(
    start_server: Any, start_client: Any, echo_tcp: EchoTCP, edge: str, said: bytes
) -> None:
    server = start_server(proxy_protocol=True, trusted_proxies="127.0.0.1", map_https_bind="127.0.0.1:0")
    start_client(server, tcp(echo_tcp))
    with connect(server.address(edge)) as proxy:
        proxy.sendall(said)
        assert closed_by_peer(proxy)
    wait_for_stats(server, lambda stats: stats.connections == stats.lanes)


def test_forwarded_for_continues_behind_trusted_proxies_only(
    start_server: Any, start_client: Any, echo_http: Any
) -> None:
    for trusted, wanted in (("127.0.0.1", "198.51.100.7, 127.0.0.1"), ("192.0.2.1", "127.0.0.1")):
        server = start_server(trusted_proxies=trusted)
        service = echo_http()
        start_client(server, mapping(service.address))
        with connect(server.address("map_http_bind")) as visitor:
            head = f"GET / HTTP/1.1\nHost: {HOST}\nX-Forwarded-For: 198.51.100.7"
            assert field(json.loads(raw_request(visitor, head)[1]), "X-Forwarded-For") == [wanted]
