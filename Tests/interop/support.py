"""Visitors in front of the tunnel, processes, and waiting for what should happen.

Nothing here uses a fixed port, and nothing sleeps: a wait is for a socket, an event or a counter, with a deadline.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import http.server
import os
import queue
import random
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable, TypeVar

import wmproxy

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("WMPROXY_PROGRAM", ROOT / "dist" / "bin" / "wmproxy"))

#: Seconds for what takes milliseconds, on a machine that is busy with something else.
DEADLINE = 20.0

MIB = 1 << 20


# Who starts the tests in the background of a shell has them ignore SIGINT, and a child would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def payload(size: int, seed: int = 1) -> bytes:
    """Bytes that look random, the same each time."""
    return random.Random(seed).randbytes(size)


# ---------------------------------------------------------------------------------------------------------- Sockets


def split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def connect(address: str, source: str = "") -> socket.socket:
    """``source``: from which of this machine's addresses."""
    sock = socket.create_connection(split(address), timeout=DEADLINE, source_address=(source, 0) if source else None)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def read_exactly(sock: socket.socket, count: int) -> bytes:
    parts = []
    while count > 0:
        part = sock.recv(min(count, MIB))
        if not part:
            raise EOFError(f"{count} bytes short")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def read_to_end(sock: socket.socket) -> bytes:
    parts = []
    while part := sock.recv(MIB):
        parts.append(part)
    return b"".join(parts)


def read_until(sock: socket.socket, end: bytes) -> bytes:
    """Up to and with ``end``, and not a byte more."""
    data = bytearray()
    while not data.endswith(end):
        byte = sock.recv(1)
        if not byte:
            raise EOFError(f"no {end!r} in {bytes(data)!r}")
        data += byte
    return bytes(data)


def reset(sock: socket.socket) -> None:
    """Closes with an RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def closed_by_peer(sock: socket.socket) -> bool:
    """Reads what comes until the other end closes or resets. A timeout is the failure of the caller's test."""
    try:
        read_to_end(sock)
    except (ConnectionResetError, BrokenPipeError):
        pass
    return True


def wait_until_closed(address: str) -> None:
    """Visits again and again, until the port is closed."""
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        try:
            connect(address).close()
        except ConnectionResetError:
            pass  # it was in the queue when the port was closed
        except ConnectionRefusedError:
            return
    raise AssertionError(f"{address} is still open after {DEADLINE} s")


def turned_away(address: str) -> None:
    """Visits where nobody serves: the connection is closed or reset at once."""
    with contextlib.suppress(ConnectionResetError):
        with connect(address) as visitor:
            assert visitor.recv(1) == b""


# ---------------------------------------------------------------------------------------------------------- Waiting


def wait_for_event(
    endpoint: wmproxy.Server | wmproxy.Client, kind: wmproxy.EventKind, timeout: float = DEADLINE, **fields: Any
) -> wmproxy.Event:
    """The next event of this kind with these fields. Those before it are taken and dropped."""
    deadline = time.monotonic() + timeout
    seen = []
    while (event := endpoint.next_event(max(deadline - time.monotonic(), 0))) is not None:
        if event.kind == kind and all(getattr(event, name) == value for name, value in fields.items()):
            return event
        seen.append(event)
    raise AssertionError(f"no {kind} {fields or ''} in {timeout} s, but {seen}")


def no_event(endpoint: wmproxy.Server | wmproxy.Client, kind: wmproxy.EventKind, within: float = 0) -> bool:
    """Whether no such event has come, or comes within a time that is itself what is tested."""
    deadline = time.monotonic() + within
    while (event := endpoint.next_event(max(deadline - time.monotonic(), 0))) is not None:
        if event.kind == kind:
            return False
    return True


def wait_for_stats(
    endpoint: wmproxy.Server | wmproxy.Client,
    condition: Callable[[wmproxy.Statistics], bool],
    timeout: float = DEADLINE,
) -> wmproxy.Statistics:
    """The first statistics for which the condition holds."""
    found: queue.Queue[wmproxy.Statistics] = queue.Queue()

    def look(stats: wmproxy.Statistics) -> None:
        if condition(stats):
            found.put(stats)

    endpoint.on_stats(0.01, look)
    try:
        return found.get(timeout=timeout)
    except queue.Empty:
        raise AssertionError(f"not in {timeout} s: {endpoint.stats()}") from None
    finally:
        endpoint.on_stats(1, None)


# ------------------------------------------------------------------------------------------------------------- HTTP


def raw_request(
    sock: socket.socket, head: str, body: bytes = b"", method: str = "GET"
) -> tuple[http.client.HTTPResponse, bytes]:
    """Sends one request as it is written (lines without CR) and reads its answer."""
    sock.sendall(head.strip("\n").replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)
    return read_response(sock, method)


def read_response(sock: socket.socket, method: str = "GET") -> tuple[http.client.HTTPResponse, bytes]:
    response = http.client.HTTPResponse(sock, method=method)
    response.begin()
    return response, response.read()


def field(report: dict[str, Any], name: str) -> list[str]:
    """The values of a header field that a service was sent."""
    return [value for key, value in report["headers"] if key.lower() == name.lower()]


# -------------------------------------------------------------------------------------------------------- Processes


P = TypeVar("P", bound="Process")


class Process:
    """A program under test. Its standard error is read line by line, as it comes."""

    def __init__(self, *command: Any, cwd: Path | None = None, env: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [str(part) for part in command],
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # a Ctrl-C of the person who runs the tests is not for it
        )
        self.lines: list[str] = []
        self._condition = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._condition:
                self.lines.append(line.rstrip("\n"))
                self._condition.notify_all()
        with self._condition:
            self._ended = True
            self._condition.notify_all()

    def wait_for_line(self, condition: Callable[[str], Any], timeout: float = DEADLINE) -> Any:
        """What the condition returned for the first line, old or new, for which that is true."""
        deadline = time.monotonic() + timeout
        looked_at = 0
        with self._condition:
            while True:
                for line in self.lines[looked_at:]:
                    looked_at += 1
                    if found := condition(line):
                        return found
                if self._ended or not self._condition.wait(deadline - time.monotonic()):
                    if looked_at == len(self.lines):
                        raise AssertionError("no such line in:\n" + "\n".join(self.lines))

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def finish(self, timeout: float = DEADLINE) -> int:
        """Waits for its end and returns its exit status."""
        assert self.process.stdout is not None
        code = self.process.wait(timeout)
        self._reader.join(timeout)
        self.output = self.process.stdout.read()
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._reader.join(DEADLINE)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()

    def __enter__(self: P) -> P:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def python_environment() -> dict[str, str]:
    """What a Python process needs to import the package under test, and to show every warning."""
    return {
        "PYTHONPATH": str(ROOT / "bindings" / "python"),
        "PYTHONUNBUFFERED": "1",
        "PYTHONFAULTHANDLER": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def run_python(script: str, *arguments: Any) -> Process:
    return Process(sys.executable, "-c", script, *arguments, env=python_environment())


def interrupt(process: Process) -> None:
    process.signal(signal.SIGINT)


def engine_threads() -> list[str]:
    """The names of the engine's threads in this process. Python's own have the process's name."""
    names = []
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # one of Python's own may end meanwhile
            names.append(task.joinpath("comm").read_text().strip())
    return sorted(name for name in names if name.startswith("wmp"))


def open_files() -> int:
    """The number of descriptors of this process."""
    return len(os.listdir("/proc/self/fd"))
