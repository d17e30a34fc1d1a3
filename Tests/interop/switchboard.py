"""A relay between client and server that knows the lanes apart: counts what passes, holds one back, cuts one off."""

from __future__ import annotations

import contextlib
import itertools
import select
import socket
import threading
from typing import Callable

from support import DEADLINE, MIB, connect, reset

UP, DOWN = "up", "down"
"""From the client to the server, and back."""


class Link:
    """One tunnel connection."""

    def __init__(self, client: socket.socket, server: socket.socket, changed: threading.Condition) -> None:
        self._sockets = (client, server)
        self._changed = changed
        self._held: set[str] = set()
        self._is_cut = False
        self._wake, self._woken = socket.socketpair()
        self.bytes = {UP: 0, DOWN: 0}
        self.is_over = False
        self._threads = [
            threading.Thread(target=self._pass, args=(client, server, UP), daemon=True),
            threading.Thread(target=self._pass, args=(server, client, DOWN), daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def _pass(self, source: socket.socket, sink: socket.socket, direction: str) -> None:
        with contextlib.suppress(OSError):
            while True:
                ready, _, _ = select.select([source, self._woken], [], [])
                if self._woken in ready:
                    return
                part = source.recv(MIB)
                with self._changed:
                    self.bytes[direction] += len(part)
                    self._changed.notify_all()
                    self._changed.wait_for(lambda: direction not in self._held or self._is_cut)
                    if self._is_cut:
                        return
                if not part:
                    break
                sink.sendall(part)
        with self._changed:
            self.is_over = True
            self._changed.notify_all()
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def hold(self, *directions: str) -> None:
        """Lets nothing more through, and keeps it."""
        with self._changed:
            self._held.update(directions or (UP, DOWN))

    def let_go(self) -> None:
        with self._changed:
            self._held.clear()
            self._changed.notify_all()

    def cut(self) -> None:
        """Resets both connections: what was held back is lost."""
        with self._changed:
            self._is_cut = self.is_over = True
            self._changed.notify_all()
        self._wake.send(b"!")
        for thread in self._threads:
            thread.join(DEADLINE)
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                reset(sock)

    def close(self) -> None:
        self.cut()
        self._wake.close()
        self._woken.close()

    def wait_for_bytes(self, direction: str, more_than: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.bytes[direction] > more_than, DEADLINE), "nothing has come"


class Switchboard:
    """Stands between a client and a server; ``links`` are the connections in the order in which they came. Of several
    targets each has its turn, as behind a balancer."""

    def __init__(self, *targets: str) -> None:
        self._targets = itertools.cycle(targets)
        self.links: list[Link] = []
        self.refused = 0
        self._is_open = True
        self._changed = threading.Condition()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.address = "127.0.0.1:%d" % self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._changed:
                if not self._is_open:
                    self.refused += 1
                    self._changed.notify_all()
                    reset(client)
                    continue
            try:
                server = connect(next(self._targets))
            except OSError:
                reset(client)
                continue
            server.settimeout(None)
            with self._changed:
                self.links.append(Link(client, server, self._changed))
                self._changed.notify_all()

    @property
    def live(self) -> list[Link]:
        with self._changed:
            return [link for link in self.links if not link.is_over]

    def shut(self) -> None:
        """Takes no new connection; those that are there go on."""
        with self._changed:
            self._is_open = False

    def reopen(self) -> None:
        with self._changed:
            self._is_open = True

    def wait_for(self, condition: Callable[[], bool], timeout: float = DEADLINE) -> None:
        """Until something holds that changes with what passes here."""
        with self._changed:
            assert self._changed.wait_for(condition, timeout), f"{len(self.links)} links, {self.refused} refused"

    def carries(self, traffic: Callable[[], object]) -> Link:
        """The link over which most of this traffic goes."""
        before = [(link, sum(link.bytes.values())) for link in self.live]
        traffic()
        return max(before, key=lambda pair: sum(pair[0].bytes.values()) - pair[1])[0]

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for link in self.links:
            link.close()
