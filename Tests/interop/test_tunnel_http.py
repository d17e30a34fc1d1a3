"""HTTP through the tunnel, as clients and services on the network speak it."""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
from typing import Any, Callable, Iterable

import pytest

from services import HOST, EchoHTTP, RawService, Web, mapping
from support import (
    DEADLINE,
    MIB,
    closed_by_peer,
    connect,
    field,
    payload,
    raw_request,
    read_response,
    read_until,
    sha256,
    split,
)

# ----------------------------------------------------------------------------------------------------------- Requests


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_a_request_reaches_the_service_as_it_was_sent(web: Web, method: str) -> None:
    body = payload(10_000) if method in ("POST", "PUT", "PATCH") else b""
    answer = web.request(method, "/a%20path;x/?q=%2F&q=2", data=body, headers={"X-Own": "value", "Accept": "a/b"})
    assert answer.status_code == 200
    report = answer.json()
    assert report["method"] == method
    assert report["path"] == "/a%20path;x/?q=%2F&q=2"
    assert report["version"] == "HTTP/1.1"
    assert (report["length"], report["sha256"]) == (len(body), sha256(body))
    assert field(report, "X-Own") == ["value"] and field(report, "Accept") == ["a/b"]


def test_a_head_has_the_length_and_no_body(web: Web) -> None:
    with connect(web.address) as visitor:
        for _ in range(3):
            answer, body = raw_request(visitor, f"HEAD /bytes?size=123456 HTTP/1.1\nHost: {HOST}", method="HEAD")
            assert answer.status == 200 and body == b""
            assert answer.getheader("Content-Length") == "123456"
        # Not one byte came after the head: the next answer on the same connection is whole.
        answer, body = raw_request(visitor, f"GET /bytes?size=10 HTTP/1.1\nHost: {HOST}")
        assert answer.status == 200 and body == payload(10)


def test_the_service_sees_the_host_and_who_came(web: Web) -> None:
    host = f"{HOST}:{split(web.address)[1]}"
    with connect(web.address) as visitor:
        _, body = raw_request(visitor, f"GET / HTTP/1.1\nHost: {host}\nX-Forwarded-For: 9.9.9.9")
    report = json.loads(body)
    assert field(report, "Host") == [host]
    # Nobody stands in front of this server, so what the visitor claims is not passed on.
    assert field(report, "X-Forwarded-For") == ["127.0.0.1"]
    assert field(report, "X-Forwarded-Proto") == ["http"]
    assert field(report, "X-Forwarded-Host") == [host]
    forwarded = field(report, "Forwarded")
    assert len(forwarded) == 1 and "for=127.0.0.1" in forwarded[0].replace('"', "")


def test_fields_of_one_hop_are_not_passed_on(web: Web) -> None:
    with connect(web.address) as visitor:
        _, body = raw_request(
            visitor,
            f"""
GET / HTTP/1.1
Host: {HOST}
Connection: keep-alive, X-Secret
Keep-Alive: timeout=5
Proxy-Connection: keep-alive
Proxy: evil
TE: gzip
X-Secret: nominated
X-Public: stays
""",
        )
    report = json.loads(body)
    for name in ("Keep-Alive", "Proxy-Connection", "Proxy", "TE", "X-Secret"):
        assert field(report, name) == [], name
    assert field(report, "X-Public") == ["stays"]


def test_one_connection_carries_many_requests(web: Web) -> None:
    with connect(web.address) as visitor:
        for number in range(200):
            answer, body = raw_request(visitor, f"GET /{number} HTTP/1.1\nHost: {HOST}")
            assert answer.status == 200
            assert json.loads(body)["path"] == f"/{number}"
    stats = web.server.stats()
    assert (stats.visitors_total, stats.http_requests) == (1, 200)


def test_pipelined_requests_are_answered_in_order(web: Web) -> None:
    with connect(web.address) as visitor:
        visitor.sendall(b"".join(b"GET /%d HTTP/1.1\r\nHost: web.test\r\n\r\n" % number for number in range(50)))
        stream = visitor.makefile("rb")
        for number in range(50):
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += stream.readline()
            length = re.search(rb"(?i)content-length: (\d+)", head)
            assert length is not None, head
            assert json.loads(stream.read(int(length.group(1))))["path"] == f"/{number}"
        stream.close()


def test_a_head_that_comes_byte_by_byte_is_one(web: Web) -> None:
    with connect(web.address) as visitor:
        for byte in f"POST /slow HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 5\r\n\r\nhello".encode():
            visitor.sendall(bytes([byte]))
        answer, body = read_response(visitor)
        assert json.loads(body)["sha256"] == sha256(b"hello")


def test_http_1_0_is_answered_and_closed(web: Web) -> None:
    with connect(web.address) as visitor:
        answer, body = raw_request(visitor, f"GET /old HTTP/1.0\nHost: {HOST}")
        assert answer.status == 200 and json.loads(body)["path"] == "/old"
        assert visitor.recv(1) == b""
    with connect(web.address) as visitor:  # which knows no chunks: the body is what comes until the end
        answer, body = raw_request(visitor, f"GET /chunked?size=5000 HTTP/1.0\nHost: {HOST}")
        assert answer.getheader("Transfer-Encoding") is None
        assert body == payload(5000)


def test_connection_close_is_done(web: Web) -> None:
    with connect(web.address) as visitor:
        answer, _ = raw_request(visitor, f"GET / HTTP/1.1\nHost: {HOST}\nConnection: close")
        assert (answer.getheader("Connection") or "").lower() == "close"
        assert visitor.recv(1) == b""


def test_each_request_of_a_connection_goes_by_its_own_host(
    start_server: Any, start_client: Any, echo_http: Callable[[str], EchoHTTP]
) -> None:
    server = start_server()
    names = ["one", "two", "three"]
    for name in names:
        service = echo_http(name)
        start_client(server, mapping(service.address, f"{name}.test"), client_id=name)
    with connect(server.address("map_http_bind")) as visitor:
        for turn in range(30):
            name = names[turn * 7 % 3]
            host = [f"{name}.test", f"{name.upper()}.Test", f"{name}.test:80", f"{name}.test."][turn % 4]
            answer, body = raw_request(visitor, f"GET / HTTP/1.1\nHost: {host}")
            assert answer.status == 200, (host, body)
            assert json.loads(body)["service"] == name
        answer, body = raw_request(visitor, "GET / HTTP/1.1\nHost: four.test")
        assert answer.status == 404
        answer, body = raw_request(visitor, "GET / HTTP/1.1\nHost: two.test")
        assert json.loads(body)["service"] == "two"
        answer, body = raw_request(visitor, "GET http://one.test/absolute HTTP/1.1\nHost: one.test")
        assert (json.loads(body)["service"], json.loads(body)["path"]) == ("one", "/absolute")
    assert server.stats().visitors_total == 1


def test_100_visitors_at_once_get_their_own_answers(web: Web) -> None:
    wrong: list[object] = []

    def visit(number: int) -> None:
        try:
            with connect(web.address) as visitor:
                for turn in range(5):
                    _, body = raw_request(visitor, f"GET /{number}/{turn} HTTP/1.1\nHost: {HOST}")
                    if json.loads(body)["path"] != f"/{number}/{turn}":
                        wrong.append(body)
        except Exception as failure:
            wrong.append(failure)

    threads = [threading.Thread(target=visit, args=(number,)) for number in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert wrong == []
    assert web.server.stats().http_requests == 500


# ------------------------------------------------------------------------------------------------------------- Bodies


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 1_000_003])
def test_a_chunked_upload_arrives_whole(web: Web, size: int) -> None:
    data = payload(size)

    def chunks() -> Iterable[bytes]:
        for start in range(0, size, 9973):
            yield data[start : start + 9973]

    report = web.request("POST", "/upload", data=chunks()).json()
    assert (report["length"], report["sha256"]) == (size, sha256(data))


def test_a_chunked_upload_may_have_extensions_and_trailers(web: Web) -> None:
    with connect(web.address) as visitor:
        answer, body = raw_request(
            visitor,
            f"POST / HTTP/1.1\nHost: {HOST}\nTransfer-Encoding: chunked",
            b"5;name=value\r\nhello\r\n00a\r\n, tunnel!!\r\n0\r\nX-Trailer: value\r\n\r\n",
        )
        assert json.loads(body)["sha256"] == sha256(b"hello, tunnel!!")
        answer, body = raw_request(visitor, f"GET /next HTTP/1.1\nHost: {HOST}")
        assert json.loads(body)["path"] == "/next"


@pytest.mark.parametrize("size, chunk", [(0, 1), (10, 1), (1_000_003, 4096), (5 * MIB, MIB)])
def test_a_chunked_download_arrives_whole(web: Web, size: int, chunk: int) -> None:
    for _ in range(2):
        answer = web.get(f"/chunked?size={size}&chunk={chunk}")
        assert answer.content == payload(size)


def test_a_download_without_a_length_arrives_whole(web: Web) -> None:
    answer = web.get("/until-close?size=1000003")
    assert answer.content == payload(1_000_003)
    assert web.get("/next").status_code == 200


def test_a_download_that_is_cut_is_an_error(web: Web) -> None:
    with connect(web.address) as visitor:
        with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
            raw_request(visitor, f"GET /cut HTTP/1.1\nHost: {HOST}")
    assert web.get("/next").status_code == 200


def test_20_mib_arrive_whole_in_both_directions(web: Web) -> None:
    data = payload(20 * MIB)
    assert web.request("POST", "/upload", data=data).json()["sha256"] == sha256(data)
    assert sha256(web.get(f"/bytes?size={len(data)}").content) == sha256(data)
    stats = web.server.stats()
    assert stats.bytes_in >= len(data) and stats.bytes_out >= len(data)


def test_a_body_is_not_held_back(web: Web, raw_service: RawService) -> None:
    """A service sees the first bytes of an upload while the visitor still has the rest, and the other way round."""
    web.client.add_mapping(mapping(raw_service.address, "raw.test", "raw"))
    with connect(web.address) as visitor:
        visitor.sendall(b"POST / HTTP/1.1\r\nHost: raw.test\r\nContent-Length: 10\r\n\r\nfirst")
        with raw_service.accept() as service:
            read_until(service, b"\r\n\r\nfirst")
            visitor.sendall(b"-last")
            read_until(service, b"-last")
            service.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")
            read_until(visitor, b"\r\n\r\nfirst")
            service.sendall(b"-last")
            read_until(visitor, b"-last")


# ---------------------------------------------------------------------------------------------------- 100-continue, 101


def test_100_continue_comes_from_the_service(web: Web) -> None:
    body = payload(100_000)
    with connect(web.address) as visitor:
        head = f"POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
        visitor.sendall(head.encode())
        assert read_until(visitor, b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
        assert web.service.expectations.get(timeout=DEADLINE) == "/"
        visitor.sendall(body)
        answer, report = read_response(visitor)
        assert answer.status == 200 and json.loads(report)["sha256"] == sha256(body)


def test_a_service_that_does_not_want_the_body_is_heard_before_it_is_sent(web: Web) -> None:
    with connect(web.address) as visitor:
        head = f"POST /no-thanks HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 99999999\r\nExpect: 100-continue\r\n\r\n"
        visitor.sendall(head.encode())
        answer, _ = read_response(visitor)
        assert answer.status == 417


def test_an_upgrade_becomes_a_stream_of_bytes(web: Web) -> None:
    upgrade = f"GET /upgrade HTTP/1.1\r\nHost: {HOST}\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"
    with connect(web.address) as visitor:
        visitor.sendall(upgrade.encode())
        head = read_until(visitor, b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        assert b"upgrade: echo" in head.lower() and b"connection: upgrade" in head.lower()
        data = payload(3 * MIB)
        sender = threading.Thread(target=visitor.sendall, args=(data,))
        sender.start()
        echoed = bytearray()
        while len(echoed) < len(data):
            part = visitor.recv(MIB)
            assert part
            echoed += part
        sender.join(DEADLINE)
        assert sha256(bytes(echoed)) == sha256(data)
        visitor.shutdown(socket.SHUT_WR)
        assert visitor.recv(1) == b""


def test_without_a_101_the_connection_stays_http(web: Web) -> None:
    with connect(web.address) as visitor:
        head = f"GET /upgrade HTTP/1.1\nHost: {HOST}\nConnection: Upgrade\nUpgrade: other"
        answer, _ = raw_request(visitor, head)
        assert answer.status == 426
        answer, _ = raw_request(visitor, f"GET / HTTP/1.1\nHost: {HOST}")
        assert answer.status == 200


# ------------------------------------------------------------------------------------------------- Visitors who leave


def test_a_visitor_who_leaves_in_the_middle_of_a_download_frees_everything(web: Web) -> None:
    for _ in range(5):
        with connect(web.address) as visitor:
            visitor.sendall(f"GET /bytes?size={20 * MIB} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
            assert visitor.recv(100)
    assert web.get("/").status_code == 200


def test_a_visitor_who_leaves_in_the_middle_of_an_upload_is_no_whole_body(web: Web, raw_service: RawService) -> None:
    web.client.add_mapping(mapping(raw_service.address, "raw.test", "raw"))
    with connect(web.address) as visitor:
        visitor.sendall(b"POST / HTTP/1.1\r\nHost: raw.test\r\nContent-Length: 10\r\n\r\nfirst")
        service = raw_service.accept()
        read_until(service, b"first")
    with service:
        assert closed_by_peer(service)


def test_a_slow_visitor_does_not_slow_another(web: Web) -> None:
    with connect(web.address) as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.sendall(f"GET /bytes?size={40 * MIB} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        read_until(slow, b"\r\n\r\n")
        for _ in range(50):
            assert web.get("/").status_code == 200
        assert web.get(f"/bytes?size={5 * MIB}").content == payload(5 * MIB)
