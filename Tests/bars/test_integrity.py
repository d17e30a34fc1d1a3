"""Bytes arrive as they were sent whatever happens to others, and what was cut short never looks whole."""

from __future__ import annotations

import contextlib
import hashlib
import signal
import socket
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Callable, Iterator

import pytest

from figures import Figures, pick
from relay import Relay
from services import RawService
from support import DEADLINE, MIB, Process, connect, payload, read_exactly, reset
from tunnel import HOST, Tunnel, eventually

BLOCKS = [payload(MIB, seed=seed) for seed in range(8)]


def send_hashed(sock: socket.socket, mebibytes: int, seed: int) -> str:
    digest = hashlib.sha256()
    for number in range(mebibytes):
        block = b"%016d" % number + BLOCKS[(number + seed) % len(BLOCKS)][16:]
        digest.update(block)
        sock.sendall(block)
    sock.shutdown(socket.SHUT_WR)
    return digest.hexdigest()


def read_hashed(sock: socket.socket) -> str:
    digest = hashlib.sha256()
    while part := sock.recv(MIB):
        digest.update(part)
    return digest.hexdigest()


class Beside:
    """Visitors who make trouble until they are told to end: some never read, others are reset all the time."""

    def __init__(self, address: str, stalled: int, pool: ThreadPoolExecutor) -> None:
        self._address = address
        self._end = threading.Event()
        self.resets = 0
        self._stalled = [connect(address) for _ in range(stalled)]
        for visitor in self._stalled:
            visitor.sendall(b"flood")
        self._resetting = pool.submit(self._reset)

    def _reset(self) -> None:
        while not self._end.is_set():
            with connect(self._address) as visitor:
                if self.resets % 2:
                    visitor.sendall(b"flood")
                    read_exactly(visitor, 1)
                else:
                    visitor.sendall(b"sink " + BLOCKS[0][:100_000])
                reset(visitor)
            self.resets += 1

    def end(self) -> None:
        self._end.set()
        for visitor in self._stalled:
            reset(visitor)
        self._resetting.result(DEADLINE)


class Service:
    """What a visitor says first is what becomes of it: "flood" and "sink " are trouble, "whole" is the transfer."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._raw = RawService()
        self.address = self._raw.address
        self.whole: Future[socket.socket] = Future()
        self._pool = pool
        self._accepting = pool.submit(self._accept)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._pool.submit(self._serve, self._raw.accept())

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError):
            word = read_exactly(sock, 5)
            if word == b"whole":
                self.whole.set_result(sock)
                return
            sock.settimeout(None)
            with sock:
                if word == b"flood":
                    while True:
                        sock.sendall(BLOCKS[0])
                while sock.recv(MIB):
                    pass

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._raw.listener.shutdown(socket.SHUT_RDWR)
        self._raw.close()


def test_bytes_are_whole_both_ways_beside_resets_and_stalled_readers(tmp_path: Path, figures: Figures) -> None:
    size = pick(64, 1024)
    with ThreadPoolExecutor(64) as pool, contextlib.closing(Service(pool)) as service:
        with Tunnel(tmp_path, service.address) as tunnel, connect(tunnel.tcp) as visitor:
            visitor.sendall(b"whole")
            far = service.whole.result(DEADLINE)
            beside = Beside(tunnel.tcp, 4, pool)
            sent = [pool.submit(send_hashed, visitor, size, 1), pool.submit(send_hashed, far, size, 2)]
            received = [pool.submit(read_hashed, far), pool.submit(read_hashed, visitor)]
            for way, one, other in zip(("up", "down"), sent, received):
                equal = one.result() == other.result()
                figures.equal(f"{size} MiB {way}, SHA-256", "equal" if equal else "differs", "equal")
            beside.end()
            figures.note("resets beside it", beside.resets)


# ------------------------------------------------------------------------------------------------- Killed in between

#: A service that answers a request with one of these beginnings and then sends on for ever. It leaves the last byte of
#: each request unread: of a process that is killed like that, the system resets the connections.
KILLED_SERVICE = """
import os, socket, sys, threading
def serve(sock):
    head = b""
    while not head.endswith(b"\\r\\n\\r\\n"):
        head += sock.recv(1)
    if b"/chunked" in head:
        sock.sendall(b"HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n")
        data = b"1000\\r\\n" + bytes(4096) + b"\\r\\n"
    else:
        data = bytes(4096)
        if b"/length" in head:
            sock.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 1000000000000\\r\\n\\r\\n")
        if b"/close" in head:
            sock.sendall(b"HTTP/1.1 200 OK\\r\\nConnection: close\\r\\n\\r\\n")
    try:
        while True:
            sock.sendall(data)
    except OSError as error:
        os.write(2, b"reset\\n" if isinstance(error, ConnectionResetError) else f"{error!r}\\n".encode())
listener = socket.create_server(("127.0.0.1", 0))
print("127.0.0.1:%d" % listener.getsockname()[1], file=sys.stderr, flush=True)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""

@pytest.fixture
def service() -> Iterator[Process]:
    with Process(sys.executable, "-c", KILLED_SERVICE) as process:
        yield process


def request(address: str, path: str) -> socket.socket:
    visitor = connect(address)
    visitor.sendall(f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 1\r\n\r\nx".encode())
    return visitor


VISITS: list[Callable[[Tunnel], tuple[str, str]]] = [
    lambda tunnel: (tunnel.tcp, "/"),
    lambda tunnel: (tunnel.http, "/length"),
    lambda tunnel: (tunnel.http, "/chunked"),
    lambda tunnel: (tunnel.http, "/close"),
]


def ending(visitor: socket.socket) -> str:
    """How it ends for a visitor who reads on."""
    try:
        while visitor.recv(MIB):
            pass
    except ConnectionResetError:
        return "reset"
    except TimeoutError:
        return "none"
    return "end"


@pytest.mark.parametrize("killed", ["service", "relay", "client", "server"])
def test_a_killed_stream_is_an_error(
    stack: contextlib.ExitStack, tmp_path: Path, service: Process, figures: Figures, killed: str
) -> None:
    """Wherever a stream breaks, its visitor and its service see a reset, never an end."""
    relays: list[Relay] = []

    def via(address: str) -> str:
        relays.append(stack.enter_context(Relay(tmp_path, address)))
        return relays[0].address

    address = service.wait_for_line(lambda line: line)
    tunnel = stack.enter_context(Tunnel(tmp_path, address, via=via))
    crowd = [stack.enter_context(request(*begin(tunnel))) for begin in VISITS]
    for visitor in crowd:
        read_exactly(visitor, 100_000)
    {"service": service, "relay": relays[0], **tunnel.ends}[killed].signal(signal.SIGKILL)
    endings = [ending(visitor) for visitor in crowd]
    figures.equal(f"{killed} killed, what visitors see", ", ".join(endings), ", ".join(["reset"] * len(crowd)))
    if killed != "service":
        eventually(lambda: len(service.lines) == 1 + len(crowd))
        figures.equal(f"{killed} killed, services that see a reset", service.lines.count("reset"), len(crowd))


@pytest.mark.parametrize("killed", ["relay", "client", "server"])
def test_a_killed_stream_is_an_error_also_where_nothing_is_under_way(
    stack: contextlib.ExitStack, tmp_path: Path, raw_service: RawService, figures: Figures, killed: str
) -> None:
    """Of a process that is killed the system would end what is open properly, if all that came was read."""
    relays: list[Relay] = []

    def via(address: str) -> str:
        relays.append(stack.enter_context(Relay(tmp_path, address)))
        return relays[0].address

    tunnel = stack.enter_context(Tunnel(tmp_path, raw_service.address, via=via))
    visitor = stack.enter_context(connect(tunnel.tcp))
    far = raw_service.accept()
    visitor.sendall(b"ping")
    assert read_exactly(far, 4) == b"ping"
    far.sendall(b"pong")
    assert read_exactly(visitor, 4) == b"pong"
    {"relay": relays[0], **tunnel.ends}[killed].signal(signal.SIGKILL)
    endings = {"visitor": ending(visitor), "service": ending(far)}
    for who, seen in endings.items():
        figures.equal(f"{killed} killed while all is quiet, what the {who} sees", seen, "reset")
