"""A service that sends as much as it is asked for, and visitors who leave it standing."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

import wmproxy
from services import HOST
from support import DEADLINE, MIB, read_exactly, read_until, split

PATTERN = bytes(range(256)) * 256


class Tap:
    """Answers "GET /N" with N bytes, over HTTP or over bare TCP alike."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    @staticmethod
    def _serve(sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError, EOFError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while True:
                left = int(read_until(sock, b"\r\n\r\n").split()[1].strip(b"/"))
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % left)
                while left > 0:
                    sock.sendall(PATTERN[:left])
                    left -= min(left, len(PATTERN))

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class Guest:
    """A visitor of a tap, whose own socket has little room."""

    def __init__(self, address: str) -> None:
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        self.sock.settimeout(DEADLINE)
        self.sock.connect(split(address))

    def ask(self, count: int) -> None:
        self.sock.sendall(b"GET /%d HTTP/1.1\r\nHost: %s\r\n\r\n" % (count, HOST.encode()))

    def take(self, count: int) -> None:
        """Reads one answer, which has to be whole."""
        assert b" 200 " in read_until(self.sock, b"\r\n\r\n").splitlines()[0]
        data = read_exactly(self.sock, count)
        assert data == (PATTERN * (count // len(PATTERN) + 1))[:count]

    def fetch(self, count: int) -> None:
        self.ask(count)
        self.take(count)

    def leave_waiting(self, server: wmproxy.Server, count: int) -> int:
        """Asks for a little and a little more and reads none of it, until so many bytes wait at the server. Returns
        how often it has asked for 16 KiB."""
        before = server.stats().queued_bytes
        for asked in range(1, 4096):
            received = server.stats().bytes_out
            self.ask(16384)
            deadline = time.monotonic() + DEADLINE
            while server.stats().bytes_out < received + 16384:
                assert time.monotonic() < deadline, "no more comes"
            if server.stats().queued_bytes >= before + count or server.stats().shed:
                return asked
        raise AssertionError("the kernel takes all of it")

    def is_cut_off(self) -> bool:
        try:
            while self.sock.recv(MIB):
                pass
        except ConnectionResetError:
            return True
        except TimeoutError:
            pass
        return False

    def close(self) -> None:
        self.sock.close()


class Highest:
    """The highest ``queued_bytes`` that was seen while this is entered."""

    def __init__(self, end: wmproxy.Server | wmproxy.Client) -> None:
        self._end = end
        self.bytes = 0

    def _look(self, stats: wmproxy.Statistics) -> None:
        self.bytes = max(self.bytes, stats.queued_bytes)

    def __enter__(self) -> Highest:
        self._thread_ends = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._thread_ends.wait(0.002):
            self._look(self._end.stats())

    def __exit__(self, *_: object) -> None:
        self._thread_ends.set()
        self._thread.join(DEADLINE)
