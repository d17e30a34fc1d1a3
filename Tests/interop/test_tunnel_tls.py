"""Who may talk to whom: the tunnel's own TLS, its secrets, and the HTTPS edge."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import ssl
import threading
import warnings
from typing import Any, BinaryIO, Callable, Iterator

import pytest

import wmproxy
from conftest import TOKEN, Certificate
from services import EchoHTTP, EchoTCP
from support import DEADLINE, MIB, connect, field, payload, read_exactly, sha256, split, wait_for_event, wait_for_stats
from wmproxy import EventKind


class Wire:
    """Stands between client and server and keeps what passes, as somebody on the way could."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.seen = bytearray()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.sockets = contextlib.ExitStack()
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                inner, _ = self.listener.accept()
            except OSError:
                return
            outer = connect(self.target)
            self.sockets.enter_context(inner)
            self.sockets.enter_context(outer)
            for source, sink in ((inner, outer), (outer, inner)):
                threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while part := source.recv(MIB):
                self.seen += part
                sink.sendall(part)
            sink.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.sockets.close()


# ------------------------------------------------------------------------------------------------------ What goes over


@pytest.mark.parametrize("secure", [True, False], ids=["tls", "plain"])
def test_what_passes_is_encrypted_if_it_shall_be(
    start_server: Any, start_client: Any, echo_tcp: EchoTCP, stack: Any, secure: bool
) -> None:
    server = start_server(tc=secure)
    wire = Wire(server.address("bind_addr"))
    stack.callback(wire.close)
    echo = {"name": "echo", "mode": "tcp", "local_addr": echo_tcp.address}
    client = start_client(wire.address, echo, ts=secure, lanes=1)
    marker = b"a text that is easy to find " * 10
    with connect(server.address("map_tcp_bind")) as visitor:
        visitor.sendall(marker)
        assert read_exactly(visitor, len(marker)) == marker
    assert (marker in wire.seen) is not secure
    assert (b"echo" in wire.seen) is not secure  # the mapping's name
    if secure:
        assert TOKEN.encode() not in wire.seen
        assert wire.seen[:2] == b"\x16\x03"  # a TLS record with a ClientHello
    assert server.stats().handshakes == client.stats().handshakes == int(secure)


@pytest.mark.parametrize("server_tls", [True, False])
def test_two_ends_that_disagree_about_tls_say_so(start_server: Any, start_client: Any, server_tls: bool) -> None:
    server = start_server(tc=server_tls)
    client = start_client(server, ts=not server_tls, ready=False)
    with pytest.raises((wmproxy.TLSError, wmproxy.ProtocolError)) as caught:
        client.wait_ready(timeout=5)
    assert re.search(r"TLS|\btc\b|\bts\b", str(caught.value))
    assert server.stats().sessions_total == 0


# ------------------------------------------------------------------------------------------------------------- Secrets


def test_a_shared_secret_is_enough(start_server: Any, start_client: Any) -> None:
    start_client(start_server())


def test_a_user_with_a_password_is_enough(start_server: Any, start_client: Any) -> None:
    server = start_server(token=None, username="anna", password="gehe\u00efm")
    start_client(server, token=None, username="anna", password="gehe\u00efm")
    for username, password in (("anna", "other"), ("bert", "gehe\u00efm"), ("anna", "gehe\u00ef")):
        client = start_client(server, token=None, username=username, password=password, ready=False)
        with pytest.raises(wmproxy.AuthError):
            client.wait_ready(timeout=None)


@pytest.mark.parametrize("secure", [True, False], ids=["tls", "plain"])
@pytest.mark.parametrize("token", ["another secret", TOKEN + " ", TOKEN[:-1], "", None])
def test_a_wrong_secret_is_refused(start_server: Any, start_client: Any, secure: bool, token: str | None) -> None:
    server = start_server(tc=secure)
    client = start_client(server, ts=secure, token=token, ready=False)
    with pytest.raises(wmproxy.AuthError) as caught:
        client.wait_ready(timeout=None)
    assert TOKEN not in str(caught.value)
    event = wait_for_event(client, EventKind.CONNECT_FAILED)
    assert event.status is wmproxy.Status.EAUTH and event.reason
    wait_for_stats(server, lambda stats: stats.login_failures >= 1)
    assert server.stats().sessions_total == 0


def test_a_server_that_does_not_know_the_secret_is_refused(start_server: Any, start_client: Any) -> None:
    """An impostor who lets everybody in does not get this client."""
    impostor = start_server(token=None)
    client = start_client(impostor, ready=False)
    with pytest.raises(wmproxy.AuthError):
        client.wait_ready(timeout=None)


def test_a_credential_is_needed_where_others_can_reach() -> None:
    with pytest.raises(wmproxy.ConfigError, match="token"):
        wmproxy.Server(bind_addr="0.0.0.0:0", tc=True)
    with pytest.raises(wmproxy.ConfigError, match="fingerprint"):
        wmproxy.Client(server="192.0.2.1:8091", ts=True)


# -------------------------------------------------------------------------------------------- The server's certificate


@pytest.fixture
def certified(start_server: Any, certificate: Certificate) -> wmproxy.Server:
    server: wmproxy.Server = start_server(cert=certificate.cert, key=certificate.key, token=None)
    return server


def test_a_pinned_fingerprint_is_enough(certified: wmproxy.Server, start_client: Any, certificate: Certificate) -> None:
    digest = certificate.fingerprint
    colons = ":".join(digest[index : index + 2] for index in range(0, 64, 2)).upper()
    for fingerprint in (digest, f"sha256:{digest}", colons):
        start_client(certified, token=None, fingerprint=fingerprint)


def test_another_fingerprint_is_refused(certified: wmproxy.Server, start_client: Any, certificate: Certificate) -> None:
    wrong = ("0" if certificate.fingerprint[0] != "0" else "1") + certificate.fingerprint[1:]
    client = start_client(certified, token=None, fingerprint=wrong, ready=False)
    with pytest.raises(wmproxy.TLSError, match=certificate.fingerprint) as caught:
        client.wait_ready(timeout=None)
    assert isinstance(caught.value, ConnectionError)
    assert certified.stats().sessions_total == 0


def test_a_trusted_authority_is_enough(certified: wmproxy.Server, start_client: Any, certificate: Certificate) -> None:
    start_client(certified, token=None, ca=certificate.cert)
    start_client(certified, token=None, ca=certificate.cert, domain="localhost")


def test_a_certificate_for_another_name_is_refused(
    certified: wmproxy.Server, start_client: Any, certificate: Certificate
) -> None:
    client = start_client(certified, token=None, ca=certificate.cert, domain="example.com", ready=False)
    with pytest.raises(wmproxy.TLSError, match="(?i)name"):
        client.wait_ready(timeout=None)


def test_a_certificate_of_another_authority_is_refused(
    start_server: Any, start_client: Any, certificate: Certificate
) -> None:
    client = start_client(start_server(token=None), token=None, ca=certificate.cert, ready=False)
    with pytest.raises(wmproxy.TLSError, match="(?i)certificate"):
        client.wait_ready(timeout=None)


# -------------------------------------------------------------------------------------------------------- Strangers


def test_a_server_that_is_something_else_is_named_as_such(
    start_client: Any, echo_tcp: EchoTCP, echo_http: Callable[..., EchoHTTP]
) -> None:
    web = echo_http()
    for address, secure in ((web.address, True), (echo_tcp.address, True), (echo_tcp.address, False)):
        client = start_client(address, ts=secure, ready=False)
        with pytest.raises((wmproxy.TLSError, wmproxy.ProtocolError)) as caught:
            client.wait_ready(timeout=None)
        assert address in str(caught.value)
    # This one says nothing until a line has ended, which in a login only chance brings about.
    client = start_client(web.address, ts=False, ready=False)
    with pytest.raises((wmproxy.WaitTimeoutError, wmproxy.ProtocolError)):
        client.wait_ready(timeout=0.2)


# ------------------------------------------------------------------------------------------------------ The HTTPS edge


def https_get(
    address: str, path: str, context: ssl.SSLContext, host: str = "localhost"
) -> tuple[http.client.HTTPResponse, bytes]:
    with socket.create_connection(split(address), timeout=DEADLINE) as tcp:
        with context.wrap_socket(tcp, server_hostname=host) as visitor:
            visitor.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            response = http.client.HTTPResponse(visitor)
            response.begin()
            return response, response.read()


def unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@pytest.fixture(params=["made at start", "from files"])
def https(
    request: Any, start_server: Any, start_client: Any, certificate: Certificate, echo_http: Any
) -> Iterator[tuple[wmproxy.Server, wmproxy.Client, EchoHTTP, ssl.SSLContext]]:
    files: dict[str, Any] = {"map_cert": "", "map_key": ""}
    context = unverified()
    if request.param == "from files":
        files = {"map_cert": certificate.cert, "map_key": certificate.key}
        context = ssl.create_default_context(cafile=str(certificate.cert))
    service = echo_http()
    server = start_server(map_https_bind="127.0.0.1:0", **files)
    mapping = {"name": "web", "mode": "http", "domain": "localhost", "local_addr": service.address}
    yield server, start_client(server, mapping), service, context


def test_https_reaches_the_service(https: Any) -> None:
    server, client, service, context = https
    context.set_alpn_protocols(["h2", "http/1.1"])
    address = server.address("map_https_bind")
    answer, body = https_get(address, "/hello", context)
    report = json.loads(body)
    assert answer.status == 200 and report["path"] == "/hello"
    assert field(report, "X-Forwarded-Proto") == ["https"]
    assert field(report, "X-Forwarded-For") == ["127.0.0.1"]
    assert field(report, "Host") == ["localhost"]
    data = payload(5 * MIB)
    answer, body = https_get(address, f"/bytes?size={len(data)}", context)
    assert sha256(body) == sha256(data)


def test_a_name_that_no_certificate_is_for_is_refused(https: Any) -> None:
    """RFC 6066 §3, unrecognized_name; a certificate that was made at start is shown for all names."""
    server, _, _, context = https
    address = server.address("map_https_bind")
    if context.verify_mode == ssl.CERT_NONE:
        assert https_get(address, "/", unverified(), host="other.test")[0].status == 404
    else:
        with pytest.raises(ssl.SSLError, match="(?i)unrecognized.name"):
            https_get(address, "/", unverified(), host="other.test")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_https_speaks_tls_1_2_and_1_3(https: Any, version: ssl.TLSVersion) -> None:
    server, _, _, context = https
    context.minimum_version = context.maximum_version = version
    assert https_get(server.address("map_https_bind"), "/", context)[0].status == 200


def test_https_does_not_speak_what_is_older(https: Any) -> None:
    server, _, _, context = https
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        https_get(server.address("map_https_bind"), "/", context)


def test_plain_http_on_the_https_edge_gets_no_service(https: Any) -> None:
    server, _, service, context = https
    with connect(server.address("map_https_bind")) as visitor:
        visitor.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert b"200 OK" not in visitor.recv(MIB)
    assert service.requests.empty()
    assert https_get(server.address("map_https_bind"), "/", context)[0].status == 200


@pytest.mark.parametrize("size", [MIB, 6 * MIB])
def test_a_visitor_whose_next_request_is_for_another_client_gets_all_of_both_answers(
    start_server: Any, start_client: Any, echo_http: Any, stack: contextlib.ExitStack, size: int
) -> None:
    """The other one's lane is on another loop, and the visitor goes there with what it has yet to read."""
    server = start_server(map_https_bind="127.0.0.1:0", threads=2, lanes=1)
    for name in ("one", "two"):
        service = {"name": name, "mode": "https", "domain": f"{name}.test", "local_addr": echo_http(name).address}
        start_client(server, service)
    for first, second in (("one", "two"), ("two", "one")):
        with socket.socket() as tcp:
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
            tcp.settimeout(DEADLINE)
            tcp.connect(split(server.address("map_https_bind")))
            visitor = stack.enter_context(unverified().wrap_socket(tcp))  # for no name: 421
            with visitor.makefile("rb") as answers:
                for host, path in ((first, f"/bytes?size={size}"), (second, "/")):
                    visitor.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}.test\r\n\r\n".encode())
                assert sha256(read_answer(answers)) == sha256(payload(size))
                assert json.loads(read_answer(answers))["service"] == second


def read_answer(stream: BinaryIO) -> bytes:
    """The body of the next answer, with a length, of several in a row."""
    length = 0
    while line := stream.readline().strip():
        if match := re.match(rb"(?i)content-length: *(\d+)", line):
            length = int(match[1])
    return stream.read(length)


def test_a_mapping_of_mode_https_is_not_on_the_http_edge(start_server: Any, start_client: Any, echo_http: Any) -> None:
    service = echo_http()
    server = start_server(map_https_bind="127.0.0.1:0")
    client = start_client(
        server, {"name": "web", "mode": "https", "domain": "localhost", "local_addr": service.address}
    )
    port = split(server.address("map_https_bind"))[1]
    assert client.mapping_address("web") == f"https://localhost:{port}"
    assert https_get(server.address("map_https_bind"), "/", unverified())[0].status == 200
    with connect(server.address("map_http_bind")) as visitor:
        visitor.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        response = http.client.HTTPResponse(visitor)
        response.begin()
        assert response.status == 404
        response.close()
