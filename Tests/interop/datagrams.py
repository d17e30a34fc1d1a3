"""UDP: visitors and services of which the test itself plays both sides."""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
import time
from typing import Any

from support import DEADLINE, split

#: The largest datagram.
MOST = 65507


def has_ipv6() -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.bind(("::1", 0))
        return True
    return False


def bound(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    sock.bind((host, port))
    sock.settimeout(DEADLINE)
    return sock


def address_of(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Visitor:
    """Somebody with an address of their own, before a port of the server."""

    def __init__(self, address: str) -> None:
        host, port = split(address)
        self.sock = bound("::1" if ":" in host else "127.0.0.1")
        self.sock.connect((host, port))

    def send(self, data: bytes) -> None:
        self.sock.send(data)

    def receive(self, timeout: float = DEADLINE) -> bytes:
        self.sock.settimeout(timeout)
        return self.sock.recv(1 << 16)

    def hears_nothing(self, seconds: float) -> bool:
        """Within a time that is itself what is tested."""
        try:
            self.receive(seconds)
        except (TimeoutError, ConnectionRefusedError):
            return True
        return False

    def until_echoed(self, data: bytes, every: float = 0.05) -> None:
        """Asks again and again, as who uses UDP does, until the answer to this comes."""
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            with contextlib.suppress(TimeoutError, ConnectionRefusedError):
                self.send(data)
                while self.receive(every) != data:
                    pass
                return
        raise AssertionError(f"no echo in {DEADLINE} s")

    def close(self) -> None:
        self.sock.close()

    def __enter__(self) -> Visitor:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


class RawUDP:
    """A service of which the test plays the service's side."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self.sock = bound(host, port)
        self.address = address_of(self.sock)

    def receive(self, timeout: float = DEADLINE) -> tuple[bytes, Any]:
        self.sock.settimeout(timeout)
        return self.sock.recvfrom(1 << 16)

    def all_that_comes(self, quiet: float = 0.5) -> list[bytes]:
        """Everything until nothing comes any more."""
        datagrams = []
        with contextlib.suppress(TimeoutError):
            while True:
                datagrams.append(self.receive(quiet)[0])
        return datagrams

    def send(self, data: bytes, to: Any) -> None:
        self.sock.sendto(data, to)

    def close(self) -> None:
        self.sock.close()


class EchoUDP(RawUDP):
    """Sends back what comes, and remembers from whom."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(host, port)
        self.peers: set[Any] = set()
        self._stopping = False
        self.sock.settimeout(None)
        self._thread = threading.Thread(target=self._echo, daemon=True)
        self._thread.start()

    def _echo(self) -> None:
        while True:
            try:
                data, peer = self.sock.recvfrom(1 << 16)
            except OSError as error:
                if error.errno == errno.ECONNREFUSED and not self._stopping:
                    continue
                return
            if self._stopping:
                return
            self.peers.add(peer)
            with contextlib.suppress(OSError):
                self.sock.sendto(data, peer)

    def close(self) -> None:
        self._stopping = True
        with bound(split(self.address)[0]) as waker:
            waker.sendto(b"", split(self.address))
        self._thread.join(DEADLINE)
        self.sock.close()


def udp(service: Any, name: str = "udp", remote: str = "127.0.0.1:0", **options: Any) -> dict[str, Any]:
    return {"name": name, "mode": "udp", "local_addr": service.address, "remote_addr": remote, **options}
