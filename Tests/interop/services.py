"""Services behind the tunnel: raw bytes, an echo, HTTP."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import http.server
import json
import queue
import socket
import threading
import urllib.parse
from typing import Any, Iterator

import requests

import wmproxy
from support import DEADLINE, MIB, payload


class RawService:
    """A TCP service of which the test itself plays the service's side."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.listener.settimeout(DEADLINE)
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.accepted: list[socket.socket] = []

    def accept(self) -> socket.socket:
        sock, _ = self.listener.accept()
        sock.settimeout(DEADLINE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.accepted.append(sock)
        return sock

    def close(self) -> None:
        self.listener.close()
        for sock in self.accepted:
            sock.close()


class EchoTCP:
    """Sends back what comes, and ends when the other end does."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._echo, args=(sock,), daemon=True).start()

    @staticmethod
    def _echo(sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError):
            sock.settimeout(DEADLINE * 3)
            while part := sock.recv(MIB):
                sock.sendall(part)
            sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class _HTTPHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = DEADLINE * 3
    server: EchoHTTP._Server

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _body(self) -> Iterator[bytes]:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while size := int(self.rfile.readline().split(b";")[0], 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
        else:
            left = int(self.headers.get("Content-Length", 0))
            while left > 0:
                part = self.rfile.read(min(left, MIB))
                if not part:
                    raise ConnectionError("the request's body ended early")
                left -= len(part)
                yield part

    def handle_expect_100(self) -> bool:
        self.server.owner.expectations.put(self.path)
        if self.path.startswith("/no-thanks"):
            self.send_response(417)
            self.send_header("Content-Length", "0")
            self.end_headers()
            self.close_connection = True
            return False
        return super().handle_expect_100()

    def _answer(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        route = getattr(self, "_get_" + url.path.strip("/").replace("-", "_"), None)
        if route is not None:
            route(query)
            return
        digest = hashlib.sha256()
        length = 0
        for part in self._body():
            digest.update(part)
            length += len(part)
        report = {
            "service": self.server.owner.name,
            "method": self.command,
            "path": self.path,
            "version": self.request_version,
            "headers": self.headers.items(),
            "length": length,
            "sha256": digest.hexdigest(),
            "connection": self.client_address[1],
        }
        self.server.owner.requests.put(report)
        body = json.dumps(report).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _answer

    def _get_bytes(self, query: dict[str, str]) -> None:
        """/bytes?size=N: N bytes of ``payload``, with a length."""
        data = payload(int(query["size"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _get_chunked(self, query: dict[str, str]) -> None:
        """/chunked?size=N&chunk=M: the same in chunks of M bytes."""
        data = payload(int(query["size"]))
        chunk = int(query.get("chunk", "1000"))
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for start in range(0, len(data), chunk):
            part = data[start : start + chunk]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
        self.wfile.write(b"0\r\n\r\n")

    def _get_until_close(self, query: dict[str, str]) -> None:
        """/until-close?size=N: without a length, as HTTP/1.0 did."""
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(payload(int(query["size"])))
        self.close_connection = True

    def _get_cut(self, query: dict[str, str]) -> None:
        """/cut: promises 1000 bytes, sends 10, and goes."""
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"0123456789")
        self.close_connection = True

    def _get_drop(self, query: dict[str, str]) -> None:
        """/drop: closes without an answer."""
        self.close_connection = True

    def _get_hold(self, query: dict[str, str]) -> None:
        """/hold: no answer until the test lets go."""
        self.server.owner.held.put(self.path)
        self.server.owner.release.wait(DEADLINE * 3)
        self.close_connection = True

    def _get_upgrade(self, query: dict[str, str]) -> None:
        """/upgrade: 101, then an echo of raw bytes; without an Upgrade field, 426."""
        if self.headers.get("Upgrade") != "echo":
            self.send_response(426)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response_only(101)
        self.send_header("Connection", "Upgrade")
        self.send_header("Upgrade", "echo")
        self.end_headers()
        while part := self.rfile.read1(MIB):
            self.wfile.write(part)
        self.close_connection = True


class EchoHTTP:
    """An HTTP/1.1 service: tells in JSON what it was asked, and has a few paths that do something else."""

    class _Server(http.server.ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 512
        owner: EchoHTTP

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # a visitor who goes away is nothing to report

    def __init__(self, name: str = "web") -> None:
        self.name = name
        self.requests: queue.Queue[dict[str, Any]] = queue.Queue()
        self.expectations: queue.Queue[str] = queue.Queue()
        self.held: queue.Queue[str] = queue.Queue()
        self.release = threading.Event()
        self._server = self._Server(("127.0.0.1", 0), _HTTPHandler)
        self._server.owner = self
        self.address = "127.0.0.1:%d" % self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.release.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(DEADLINE)


def refusing_address() -> str:
    """An address that refuses connections until the tests end: bound, but not listening."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    port = sock.getsockname()[1]
    sock.detach()
    return f"127.0.0.1:{port}"


#: The domain that ``Web`` is mapped to.
HOST = "web.test"


def mapping(address: str, domain: str = HOST, name: str = "web") -> dict[str, str]:
    return {"name": name, "mode": "http", "domain": domain, "local_addr": address}


class Web:
    """A tunnel with one service, and its visitors."""

    def __init__(self, server: wmproxy.Server, client: wmproxy.Client, service: EchoHTTP) -> None:
        self.server = server
        self.client = client
        self.service = service
        self.address = server.address("map_http_bind")
        self.url = f"http://{self.address}"
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Host"] = HOST

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.request("GET", path, **options)

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        return self.session.request(method, self.url + path, timeout=DEADLINE, **options)
