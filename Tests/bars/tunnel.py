"""Both ends of a tunnel as processes of the program, and what /proc tells of them."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import random
import re
import signal
import socket
import threading
import time
from pathlib import Path
from typing import Any, Callable, ContextManager

from support import DEADLINE, PROGRAM, Process

TOKEN = "the secret of these tests"

#: The domain of the mapping that ``Tunnel`` makes on the HTTP edge.
HOST = "web.test"

KIB = 1 << 10


def eventually(condition: Callable[[], Any], timeout: float = DEADLINE, every: float = 0.01) -> float | None:
    """Asks again and again until something holds that nobody sends an event for: a count in /proc, a port that opens.
    Returns how many seconds that took, or None if it did not come to hold."""
    never = threading.Event()
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > timeout:
            return None
        never.wait(every)
    return time.monotonic() - started


def when(conditions: list[Callable[[], Any]], timeout: float = 60) -> list[float]:
    """Asks for all until each has held once. Returns when each of them first did, in the seconds of ``time.time``."""
    times: dict[int, float] = {}

    def ask() -> bool:
        for number, condition in enumerate(conditions):
            if number not in times and condition():
                times[number] = time.time()
        return len(times) == len(conditions)

    assert eventually(ask, timeout, every=0.002) is not None, f"{len(times)} of {len(conditions)} in {timeout} s"
    return [times[number] for number in range(len(conditions))]


def pass_time(seconds: float) -> None:
    """Time that is itself the scenario: how long an outage lasts, or what is idle is looked at. Never to wait for
    something to have happened."""
    threading.Event().wait(seconds)


def quiet_address(host: str = "127.0.0.1") -> str:
    """A free address to come back to. Its port is none that the system gives to others meanwhile."""
    while True:
        with contextlib.suppress(OSError), socket.socket() as sock:
            sock.bind((host, random.randrange(20000, 32000)))
            return "%s:%d" % sock.getsockname()


def logged_at(line: str) -> float:
    """When a line was logged, in the seconds of ``time.time``."""
    stamp = datetime.datetime.strptime(line.split()[0], "%Y-%m-%dT%H:%M:%S.%fZ")
    return stamp.replace(tzinfo=datetime.timezone.utc).timestamp()


class Program(Process):
    """One end of a tunnel: the program with a configuration."""

    def __init__(self, file: Path, config: dict[str, Any], *options: Any, limit: int | None = None) -> None:
        """``limit``: its RLIMIT_NOFILE."""
        file.write_text(json.dumps({key: value for key, value in config.items() if value is not None}))
        limited = [] if limit is None else ["sh", "-c", f'ulimit -n {limit}; exec "$0" "$@"']
        super().__init__(*limited, PROGRAM, "-c", file, *options)

    def wait_for(self, pattern: str, timeout: float = DEADLINE, after: int = 0) -> str:
        """The first line in which the pattern is found, not counting the first ``after`` ones."""
        skipped = iter(range(after))

        def look(line: str) -> str | None:
            return line if next(skipped, None) is None and re.search(pattern, line) else None

        return str(self.wait_for_line(look, timeout))

    def address(self, purpose: str) -> str:
        return self.wait_for(rf"{purpose} on \S+:\d+").split()[-1]

    def statistics(self, **wanted: int) -> None:
        """Waits until its own counters (it runs with ``--stats``), of which it has yet to tell, are these."""
        pattern = "".join(rf"(?=.*\b{name}={value}\b)" for name, value in wanted.items())
        self.wait_for(r"stats:" + pattern, after=len(self.lines))

    @property
    def proc(self) -> Path:
        return Path("/proc") / str(self.process.pid)

    def memory(self) -> int:
        """Bytes of memory that the process has (RSS)."""
        match = re.search(r"(?m)^Rss:\s+(\d+) kB", (self.proc / "smaps_rollup").read_text())
        assert match is not None
        return int(match.group(1)) * KIB

    def descriptors(self) -> int:
        return len(os.listdir(self.proc / "fd"))

    def threads(self) -> int:
        return len(os.listdir(self.proc / "task"))

    def cpu(self) -> float:
        """Seconds of processor time, of all its threads."""
        tasks = (self.proc / "task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(DEADLINE)


class Tunnel:
    """A server and a client, with one local service behind the TCP edge and, as ``HOST``, behind the HTTP edge."""

    def __init__(
        self,
        directory: Path,
        service: str,
        *options: Any,
        host: str = "127.0.0.1",
        via: Callable[[str], str] = str,
        inside: Callable[[str], ContextManager[Any]] = contextlib.nullcontext,
        limit: int | None = None,
        server: dict[str, Any] | None = None,
        client: dict[str, Any] | None = None,
    ) -> None:
        """``via`` gives for the server's address the one that the client is to use; the "server" and the "client" are
        started ``inside``; ``limit`` is the server's RLIMIT_NOFILE; ``options`` are the program's."""
        self._directory = directory
        self._options = options
        self._inside = inside
        self._limit = limit
        self._processes: list[Program] = []
        self._server_config = {
            "bind_addr": f"{host}:0",
            "map_http_bind": "127.0.0.1:0",
            "map_tcp_bind": "127.0.0.1:0",
            "tc": True,
            "token": TOKEN,
            **(server or {}),
        }
        self.start_server()
        self.tunnel = self.server.address("tunnel clients")
        self.http = self.server.address("HTTP visitors")
        self.tcp = self.server.address("TCP visitors")
        self._client_config = {
            "server": via(self.tunnel),
            "ts": True,
            "token": TOKEN,
            "client_id": "edge",
            "mappings": [
                {"name": "tcp", "mode": "tcp", "local_addr": service},
                {"name": "web", "mode": "http", "domain": HOST, "local_addr": service},
            ],
            **(client or {}),
        }
        self.start_client()
        self.wait_ready()

    def start_server(self) -> None:
        file = self._directory / "server.json"
        with self._inside("server"):
            self.server = Program(file, self._server_config, *self._options, limit=self._limit)
        self._processes.append(self.server)

    def start_client(self) -> None:
        with self._inside("client"):
            self.client = Program(self._directory / "client.json", self._client_config, *self._options)
        self._processes.append(self.client)

    def wait_ready(self, after: int = 0) -> None:
        """Both mappings are up, as a line tells that is not one of the client's first ``after``."""
        for name in ("tcp", "web"):
            self.client.wait_for(f"mapping '{name}': ", after=after)

    @property
    def ends(self) -> dict[str, Program]:
        return {"server": self.server, "client": self.client}

    def close(self) -> None:
        for process in reversed(self._processes):
            if process.process.poll() is None:
                process.signal(signal.SIGCONT)
            process.close()

    def __enter__(self) -> Tunnel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
