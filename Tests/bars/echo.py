"""A TCP service that sends back what comes, and ends when the other end does. One thread bears thousands of visitors.
Its first line on stderr is its address; it ends with the process."""

from __future__ import annotations

import contextlib
import selectors
import socket
import sys


class Visit:
    """What was read and not yet sent back."""

    def __init__(self, sock: socket.socket, selector: selectors.BaseSelector) -> None:
        self._sock = sock
        self._selector = selector
        self._waiting = b""
        self._ended = False
        selector.register(sock, selectors.EVENT_READ, self)

    def ready(self) -> None:
        try:
            while self._step():
                pass
        except BlockingIOError:
            pass
        except OSError:
            self._close()

    def _step(self) -> bool:
        if not self._waiting and not self._ended:
            self._waiting = self._sock.recv(65536)
            self._ended = not self._waiting
        if self._waiting:
            try:
                self._waiting = self._waiting[self._sock.send(self._waiting) :]
            except BlockingIOError:
                pass
            self._watch(selectors.EVENT_WRITE if self._waiting else selectors.EVENT_READ)
            return not self._waiting
        self._close()
        return False

    def _watch(self, events: int) -> None:
        if self._selector.get_key(self._sock).events != events:
            self._selector.modify(self._sock, events, self)

    def _close(self) -> None:
        self._selector.unregister(self._sock)
        self._sock.close()


def main() -> None:
    selector = selectors.EpollSelector()
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    listener.setblocking(False)
    selector.register(listener, selectors.EVENT_READ)
    print("127.0.0.1:%d" % listener.getsockname()[1], file=sys.stderr, flush=True)
    while True:
        for key, _ in selector.select():
            if key.data is not None:
                key.data.ready()
                continue
            with contextlib.suppress(BlockingIOError, ConnectionAbortedError):
                while True:
                    sock, _ = listener.accept()
                    sock.setblocking(False)
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    Visit(sock, selector)


if __name__ == "__main__":
    main()
