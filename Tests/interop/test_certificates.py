"""Certificates: what is wrong with one is told as what it is, at both ends; clients that show one; the edge by name."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any, Callable

import pytest

import wmproxy
from authority import Authority, Files
from services import RawService
from support import DEADLINE, connect, read_exactly, split, wait_for_event, wait_for_stats
from wmproxy import EventKind, Status


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority") / "ours")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority") / "theirs", name="Another Authority")


@pytest.fixture(scope="module")
def local(authority: Authority) -> Files:
    return authority.sign("localhost", "DNS:localhost", "IP:127.0.0.1")


def failure(client: wmproxy.Client) -> wmproxy.WMProxyError:
    with pytest.raises(wmproxy.TLSError) as caught:
        client.wait_ready(DEADLINE)
    event = wait_for_event(client, EventKind.CONNECT_FAILED)
    assert event.status is caught.value.status
    return caught.value


# ---------------------------------------------------------------------------------------- What is wrong with a server's


@pytest.mark.parametrize(
    "times, status",
    [
        ({"begin": "20200101000000Z", "end": "20210101000000Z"}, Status.ECERTEXPIRED),
        ({"begin": "20980101000000Z"}, Status.ECERTNOTYETVALID),
    ],
    ids=["expired", "not yet valid"],
)
def test_a_certificate_out_of_its_time(
    start_server: Any, start_client: Any, authority: Authority, times: dict[str, str], status: Status
) -> None:
    files = authority.sign("localhost", "IP:127.0.0.1", **times)
    server = start_server(cert=files.cert, key=files.key)
    assert failure(start_client(server, ca=authority.cert, ready=False)).status is status
    told = wait_for_event(server, EventKind.LOGIN_FAILED).status
    assert told is (Status.ECERTEXPIRED if status is Status.ECERTEXPIRED else Status.ETLS)
    assert server.stats().sessions_total == 0


def test_a_certificate_for_another_host(start_server: Any, start_client: Any, authority: Authority) -> None:
    files = authority.sign("other.test", "DNS:other.test", "IP:127.0.0.2")
    server = start_server(cert=files.cert, key=files.key)
    assert failure(start_client(server, ca=authority.cert, ready=False)).status is Status.ECERTHOST
    assert wait_for_event(server, EventKind.LOGIN_FAILED).status is Status.ETLS
    start_client(server, ca=authority.cert, domain="other.test")


def test_a_certificate_of_another_authority(
    start_server: Any, start_client: Any, local: Files, stranger: Authority
) -> None:
    server = start_server(cert=local.cert, key=local.key)
    assert failure(start_client(server, ca=stranger.cert, ready=False)).status is Status.ECERTAUTHORITY
    assert wait_for_event(server, EventKind.LOGIN_FAILED).status is Status.ECERTAUTHORITY
    assert server.stats().sessions_total == 0


def test_a_key_that_is_not_the_pinned_one(start_server: Any, start_client: Any, local: Files) -> None:
    server = start_server(cert=local.cert, key=local.key)
    assert failure(start_client(server, fingerprint="00" * 32, ready=False)).status is Status.ECERTFINGERPRINT
    assert wait_for_event(server, EventKind.LOGIN_FAILED).status is Status.ETLS
    assert server.stats().sessions_total == 0


# ------------------------------------------------------------------------------------------------ Clients that show one


@pytest.fixture
def start_two_way(start_server: Any, local: Files, authority: Authority) -> Callable[..., wmproxy.Server]:
    def start(**options: Any) -> wmproxy.Server:
        base = {"cert": local.cert, "key": local.key, "two_way_tls": True, "ca": authority.cert, "token": None}
        server: wmproxy.Server = start_server(**{**base, **options})
        return server

    return start


def showing(files: Files, authority: Authority, **options: Any) -> dict[str, Any]:
    base = {"two_way_tls": True, "cert": files.cert, "key": files.key, "ca": authority.cert, "token": None}
    return {**base, **options}


def test_a_certificate_is_enough_and_names_its_holder(
    start_two_way: Any, start_client: Any, authority: Authority, raw_service: RawService
) -> None:
    server = start_two_way()
    offer = {"name": "tcp", "mode": "tcp", "local_addr": raw_service.address}
    one, two = authority.sign("one", "DNS:laptop.test"), authority.sign("two")
    start_client(server, offer, client_id="same", **showing(one, authority))
    # Another name is another identity, whatever the client calls itself.
    other = start_client(server, offer, client_id="same", ready=False, **showing(two, authority))
    with pytest.raises(wmproxy.AlreadyExistsError):
        other.wait_ready(DEADLINE)
    # The same name, by another certificate, is the same: it takes over.
    again = authority.sign("renewed", "DNS:laptop.test")
    start_client(server, offer, client_id="same", **showing(again, authority))


def test_no_certificate(start_two_way: Any, start_client: Any, authority: Authority) -> None:
    server = start_two_way()
    client = start_client(server, ca=authority.cert, token=None, ready=False)
    assert failure(client).status is Status.ECERTREQUIRED
    assert wait_for_event(server, EventKind.LOGIN_FAILED).status is Status.ECERTREQUIRED
    assert server.stats().sessions_total == 0


def test_a_clients_certificate_that_is_not_good(
    start_two_way: Any, start_client: Any, authority: Authority, stranger: Authority
) -> None:
    server = start_two_way()
    expired = authority.sign("one", begin="20200101000000Z", end="20210101000000Z")
    for files, status in ((stranger.sign("one"), Status.ECERTAUTHORITY), (expired, Status.ECERTEXPIRED)):
        client = start_client(server, ready=False, **showing(files, authority))
        assert failure(client).status is status
        client.stop()
    wait_for_stats(server, lambda stats: stats.sessions_total == stats.logins == 0)


def test_a_certificate_on_top_of_a_secret(start_two_way: Any, start_client: Any, authority: Authority) -> None:
    server = start_two_way(token="secret")
    files = authority.sign("one")
    start_client(server, **showing(files, authority, token="secret"))
    for token in ("wrong", None):
        client = start_client(server, ready=False, **showing(files, authority, token=token))
        with pytest.raises(wmproxy.AuthError):
            client.wait_ready(DEADLINE)


def test_users_by_certificate(start_two_way: Any, start_client: Any, authority: Authority) -> None:
    users = [{"username": "one"}, {"username": "two", "password": "secret"}]
    server = start_two_way(users=users)
    one, two, three = (authority.sign(name) for name in ("one", "two", "three"))
    start_client(server, **showing(one, authority))
    start_client(server, client_id="two", **showing(two, authority, username="two", password="secret"))
    # Not a user; a user without its second secret; and one who borrows another's.
    for options in (
        showing(three, authority),
        showing(two, authority),
        showing(one, authority, username="two", password="secret"),
    ):
        client = start_client(server, client_id="other", ready=False, **options)
        with pytest.raises(wmproxy.AuthError):
            client.wait_ready(DEADLINE)


# ------------------------------------------------------------------------------------------------------------- The edge


def shown(address: str, name: str | None, authority: Authority) -> list[str]:
    """The DNS names in the certificate that is shown to who asks for ``name``."""
    context = ssl.create_default_context(cafile=str(authority.cert))
    context.check_hostname = False
    with socket.create_connection(split(address), timeout=DEADLINE) as tcp:
        with context.wrap_socket(tcp, server_hostname=name) as visitor:
            names = visitor.getpeercert() or {}
            return [value for kind, value in names.get("subjectAltName", ()) if kind == "DNS"]


def test_the_edge_shows_the_certificate_that_is_for_the_name(
    start_server: Any, authority: Authority, tmp_path: Path
) -> None:
    """Of each kind of key; the last one with a link between it and the root."""
    link = Authority(tmp_path / "link", above=authority, name="Link")
    first = authority.sign("first", "DNS:first.test")
    others = [
        authority.sign("rsa", "DNS:rsa.test", kind="rsa"),
        authority.sign("ed", "DNS:*.ed.test", kind="ed25519"),
        link.sign("link", "DNS:link.test"),
    ]
    server = start_server(
        map_https_bind="127.0.0.1:0", map_cert=first.cert, map_key=first.key,
        certs=[{"cert": files.cert, "key": files.key} for files in others],
    )
    address = server.address("map_https_bind")
    for name, wanted in (
        ("first.test", "first.test"), (None, "first.test"), ("RSA.test", "rsa.test"), ("a.ed.test", "*.ed.test"),
        ("link.test", "link.test"),
    ):
        assert shown(address, name, authority) == [wanted]
    for name in ("ed.test", "a.b.ed.test", "other.test"):
        with pytest.raises(ssl.SSLError, match="(?i)unrecognized.name"):
            shown(address, name, authority)


def test_a_reload_swaps_certificates_without_losing_a_connection(
    start_server: Any, start_client: Any, authority: Authority, raw_service: RawService, tmp_path: Path
) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"

    def install(files: Files) -> None:
        cert.write_bytes(files.cert.read_bytes())
        key.write_bytes(files.key.read_bytes())

    install(authority.sign("old", "DNS:localhost", "DNS:old.test"))
    config = {
        "bind_addr": "127.0.0.1:0", "map_https_bind": "127.0.0.1:0", "map_tcp_bind": "127.0.0.1:0", "tc": True,
        "token": "the secret of these tests", "map_cert": cert, "map_key": key,
    }
    server = start_server(**{"map_http_bind": None, **config})
    start_client(server, {"name": "tcp", "mode": "tcp", "local_addr": raw_service.address})
    visitor = connect(server.address("map_tcp_bind"))
    service = raw_service.accept()
    assert "old.test" in shown(server.address("map_https_bind"), "localhost", authority)
    install(authority.sign("new", "DNS:localhost", "DNS:new.test"))
    server.reload(config)
    assert "new.test" in shown(server.address("map_https_bind"), "localhost", authority)
    visitor.sendall(b"still here")
    assert read_exactly(service, 10) == b"still here"
    visitor.close()
    key.write_text("no key")
    with pytest.raises(wmproxy.CertificateError):
        server.reload(config)
    assert "new.test" in shown(server.address("map_https_bind"), "localhost", authority)


@pytest.mark.parametrize("host, status", [("one.test", 200), ("two.test", 421)])
def test_the_host_of_another_service_is_misdirected(
    start_server: Any, start_client: Any, echo_http: Any, host: str, status: int
) -> None:
    server = start_server(map_https_bind="127.0.0.1:0")
    address = echo_http().address
    start_client(
        server,
        *({"name": name, "mode": "http", "domain": f"{name}.test", "local_addr": address} for name in ("one", "two")),
    )
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(split(server.address("map_https_bind")), timeout=DEADLINE) as tcp:
        with context.wrap_socket(tcp, server_hostname="one.test") as visitor:
            visitor.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            assert visitor.recv(12) == b"HTTP/1.1 %d" % status
