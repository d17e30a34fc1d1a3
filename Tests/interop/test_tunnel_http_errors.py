"""HTTP where something is wrong: who is told what, and what goes on as before."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
from typing import Any

import pytest
import requests

from conftest import TOKEN
from services import HOST, RawService, Web, mapping, refusing_address
from support import (
    DEADLINE,
    closed_by_peer,
    connect,
    payload,
    raw_request,
    read_response,
    read_until,
    run_python,
    wait_for_event,
)
from wmproxy import EventKind


def check_error_page(answer: requests.Response, status: int, *parts: str) -> None:
    assert answer.status_code == status
    assert answer.headers["Server"] == "wmproxy"
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    for part in parts:
        assert part in answer.text


def test_an_unknown_host_is_404(web: Web) -> None:
    check_error_page(web.get("/", headers={"Host": "other.test"}), 404, "other.test")
    check_error_page(web.get("/", headers={"Host": web.address}), 404)
    assert web.get("/").status_code == 200
    assert web.server.stats().http_errors == 2


def test_a_name_that_breaks_html_does_not(web: Web) -> None:
    with connect(web.address) as visitor:
        answer, body = raw_request(visitor, "GET /<script> HTTP/1.1\nHost: a.test\nAccept: text/html")
        assert answer.status in (400, 404) and b"<script" not in body
    with connect(web.address) as visitor:
        answer, body = raw_request(visitor, "GET / HTTP/1.1\nHost: <script>.test\nAccept: text/html")
        assert answer.status in (400, 404) and b"<script" not in body


def test_a_dead_service_is_502(web: Web) -> None:
    address = refusing_address()
    web.client.add_mapping(mapping(address, "dead.test", "dead"))
    check_error_page(web.get("/", headers={"Host": "dead.test"}), 502, "dead.test")
    check_error_page(web.request("POST", "/", data=payload(100_000), headers={"Host": "dead.test"}), 502)
    assert web.get("/").status_code == 200


def test_a_service_that_closes_without_an_answer_is_502(web: Web) -> None:
    check_error_page(web.get("/drop"), 502, HOST)
    assert web.get("/").status_code == 200


def test_a_service_that_speaks_something_else_is_502(web: Web, raw_service: RawService) -> None:
    web.client.add_mapping(mapping(raw_service.address, "raw.test", "raw"))
    for reply in (b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"):
        with connect(web.address) as visitor:
            visitor.sendall(b"GET / HTTP/1.1\r\nHost: raw.test\r\n\r\n")
            with raw_service.accept() as service:
                read_until(service, b"\r\n\r\n")
                service.sendall(reply)
                answer, _ = read_response(visitor)
                assert answer.status == 502


def test_a_client_that_is_lost_is_503(start_server: Any, start_client: Any, echo_http: Any) -> None:
    script = """
import sys, wmproxy
with wmproxy.Client(sys.argv[1]) as client:
    client.wait_ready()
    print("ready", file=sys.stderr)
    for event in client.events(): pass
"""
    service = echo_http()
    server = start_server()
    options = {"server": server.address("bind_addr"), "ts": True, "token": TOKEN, "client_id": "edge"}
    with run_python(script, json.dumps({**options, "mappings": [mapping(service.address)]})) as process:
        process.wait_for_line(lambda line: line == "ready")
        process.signal(signal.SIGKILL)
        wait_for_event(server, EventKind.SESSION_DOWN, client_id="edge")
    url = f"http://{server.address('map_http_bind')}/"
    with requests.Session() as session:
        session.trust_env = False
        check_error_page(session.get(url, headers={"Host": HOST}, timeout=DEADLINE), 503, HOST)
        check_error_page(session.get(url, headers={"Host": "other.test"}, timeout=DEADLINE), 404)
        start_client(server, mapping(service.address), client_id="edge")
        assert session.get(url, headers={"Host": HOST}, timeout=DEADLINE).status_code == 200


def test_a_service_that_does_not_answer_is_504(start_server: Any, start_client: Any, echo_http: Any) -> None:
    service = echo_http()
    server = start_server(response_timeout="200ms")
    client = start_client(server, mapping(service.address))
    web = Web(server, client, service)
    check_error_page(web.get("/hold"), 504, HOST)
    assert service.held.get(timeout=DEADLINE) == "/hold"
    assert web.get("/").status_code == 200
    web.session.close()


def test_an_error_page_is_json_if_asked_for(web: Web) -> None:
    answer = web.get("/", headers={"Host": "other.test", "Accept": "application/json"})
    assert answer.status_code == 404
    assert answer.headers["Content-Type"].split(";")[0] in ("application/json", "application/problem+json")
    assert "other.test" in json.dumps(answer.json())
    answer = web.get("/", headers={"Host": "other.test", "Accept": "text/html,*/*"})
    assert answer.headers["Content-Type"].startswith("text/html")
    answer = web.request("HEAD", "/", headers={"Host": "other.test"})
    assert answer.status_code == 404 and answer.content == b""


def test_a_mapping_that_is_removed_is_404(web: Web) -> None:
    web.client.remove_mapping("web")
    check_error_page(web.get("/"), 404)
    web.client.add_mapping(mapping(web.service.address))
    assert web.get("/").status_code == 200


MALFORMED = {
    "no version": b"GET /\r\n\r\n",
    "another version": b"GET / HTTP/3.0\r\nHost: web.test\r\n\r\n",
    "lower case": b"get / http/1.1\r\nHost: web.test\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: web.test\r\nHost: web.test\r\n\r\n",
    "another host in the target": b"GET http://other.test/ HTTP/1.1\r\nHost: web.test\r\n\r\n",
    "a fragment": b"GET /#x HTTP/1.1\r\nHost: web.test\r\n\r\n",
    "bare LF": b"GET / HTTP/1.1\nHost: web.test\n\n",
    "bare CR": b"GET / HTTP/1.1\r\nHost: web.test\r\nX: a\rb\r\n\r\n",
    "NUL": b"GET / HTTP/1.1\r\nHost: web.test\r\nX: a\0b\r\n\r\n",
    "folded line": b"GET / HTTP/1.1\r\nHost: web.test\r\nX: a\r\n b\r\n\r\n",
    "space before the colon": b"GET / HTTP/1.1\r\nHost: web.test\r\nX : a\r\n\r\n",
    "no colon": b"GET / HTTP/1.1\r\nHost: web.test\r\nX\r\n\r\n",
    "empty name": b"GET / HTTP/1.1\r\nHost: web.test\r\n: a\r\n\r\n",
    "length and chunked": b"POST / HTTP/1.1\r\nHost: web.test\r\nContent-Length: 3\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: web.test\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "a signed length": b"POST / HTTP/1.1\r\nHost: web.test\r\nContent-Length: +3\r\n\r\nabc",
    "a long length": b"POST / HTTP/1.1\r\nHost: web.test\r\nContent-Length: 9223372036854775808\r\n\r\n",
    "chunked twice": b"POST / HTTP/1.1\r\nHost: web.test\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "an unknown coding": b"POST / HTTP/1.1\r\nHost: web.test\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked in 1.0": b"POST / HTTP/1.0\r\nHost: web.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "noise": bytes(range(1, 256)) + b"\r\n\r\n",
}


@pytest.mark.parametrize("request_bytes", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_request_is_400_and_goes_nowhere(web: Web, request_bytes: bytes) -> None:
    with connect(web.address) as visitor:
        visitor.sendall(request_bytes)
        answer, _ = read_response(visitor)
        assert answer.status == (505 if b"HTTP/3" in request_bytes else 400)
        assert closed_by_peer(visitor)
    assert web.service.requests.empty()
    assert web.get("/").status_code == 200


@pytest.mark.parametrize(
    "chunks", [b"-1\r\n", b"0x5\r\nhello\r\n", b"5\nhello\r\n", b"5\r\nhelloX", b"fffffffffffffffff\r\n", b"\r\n"]
)
def test_malformed_chunks_end_the_connection_and_are_not_a_whole_body(web: Web, chunks: bytes) -> None:
    with connect(web.address) as visitor:
        visitor.sendall(b"POST / HTTP/1.1\r\nHost: web.test\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
        with contextlib.suppress(ConnectionResetError, http.client.BadStatusLine):
            answer, _ = read_response(visitor)
            assert answer.status == 400
        assert closed_by_peer(visitor)
    assert web.service.requests.empty()
    assert web.get("/").status_code == 200


def test_a_head_that_is_too_large_is_431(web: Web) -> None:
    for lines in ([b"X: " + b"a" * 1_000_000], [b"X-%d: a" % number for number in range(5000)]):
        with connect(web.address) as visitor:
            with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                visitor.sendall(b"GET / HTTP/1.1\r\nHost: web.test\r\n" + b"\r\n".join(lines) + b"\r\n\r\n")
            with contextlib.suppress(ConnectionResetError):
                answer, _ = read_response(visitor)
                assert answer.status == 431
            assert closed_by_peer(visitor)
    assert web.get("/").status_code == 200
