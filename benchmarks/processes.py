"""The processes of one tunnel: started together, measured from /proc, ended by pid."""

import ctypes
import os
import random
import signal
import socket
import subprocess
import time

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)
_ports_given = set()


class BenchError(Exception):
    """One cell of the table, or one column, can't be measured; the text says why."""


def free_port():
    """A loopback port below the ephemeral range, so that no outgoing connection can take it meanwhile."""
    while True:
        port = random.randint(10000, 30000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in _ports_given:
            _ports_given.add(port)
            return port


def _in_child():
    # Nothing may outlive the benchmark, not even when it is killed outright.
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def start(argv, **options):
    return subprocess.Popen(argv, start_new_session=True, preexec_fn=_in_child, **options)


def _stat_fields(pid):
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rsplit(")", 1)[1].split()


def _started_at(pid):
    """Tells a process from a later one of the same pid; None once it has ended, reaped or not."""
    try:
        fields = _stat_fields(pid)
    except (OSError, IndexError):
        return None
    return fields[19] if fields[0] not in "ZX" else None


def with_descendants(roots):
    """The roots and all that they forked: sshd serves each connection from children of its own."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                state, parent = _stat_fields(name)[:2]
            except (OSError, ValueError):
                continue
            if state != "Z":
                children.setdefault(int(parent), []).append(int(name))
    found = list(roots)
    for pid in found:
        found += children.get(pid, [])
    return found


def resident_kib(pids):
    return sum(map(_resident_kib, pids))


def _resident_kib(pid):
    try:
        try:
            with open(f"/proc/{pid}/smaps_rollup") as file:  # exact; VmRSS lags behind by some pages per thread
                return int(file.read().split("\nRss:")[1].split()[0])
        except PermissionError:  # sshd's processes guard their maps when the user is not root
            with open(f"/proc/{pid}/status") as file:
                return int(file.read().split("\nVmRSS:")[1].split()[0])
    except (OSError, IndexError):
        raise BenchError(f"process {pid} of the tunnel is gone") from None


class Tunnel:
    """What lies between a visitor and the backend: a port to visit and the processes behind it."""

    def __init__(self, directory):
        self.directory = directory
        self.port = None
        self._processes = []
        self._logs = []

    def write(self, name, text):
        path = os.path.join(self.directory, name)
        with open(path, "w", opener=lambda p, flags: os.open(p, flags, 0o600)) as file:
            file.write(text)
        return path

    def run(self, argv):
        log = os.path.join(self.directory, f"{len(self._processes)}.log")
        with open(log, "wb") as file:
            process = start(argv, stdin=subprocess.DEVNULL, stdout=file, stderr=file, cwd=self.directory)
        self._processes.append(process)
        self._logs.append(log)

    def pids(self):
        return with_descendants([process.pid for process in self._processes])

    def ended(self):
        """Which of the processes ended by itself, how, and its last words; empty while all run."""
        return "; ".join(f"{os.path.basename(process.args[0])} ended with {process.returncode}: {_last_line(log)}"
                         for process, log in zip(self._processes, self._logs) if process.poll() is not None)

    def wait_for(self, condition, seconds=10):
        deadline = time.monotonic() + seconds
        while not condition():
            if self.ended():
                raise BenchError("it did not start")
            if time.monotonic() > deadline:
                said = "; ".join(filter(None, map(_last_line, self._logs))) or "nothing"
                raise BenchError(f"not up within {seconds} s; its logs end with: {said}")
            time.sleep(0.02)

    def wait_until_served(self):
        self.wait_for(lambda: _request_served(self.port))

    def close(self):
        """Last started, first ended: the client's end before the server's."""
        pids = {pid: _started_at(pid) for pid in self.pids()} if self._processes else {}
        for process in reversed(self._processes):
            _end(process)
        for pid, started in pids.items():  # what a killed parent left behind, and no reused pid
            deadline = time.monotonic() + 2
            while started and _started_at(pid) == started:
                if time.monotonic() > deadline:
                    os.kill(pid, signal.SIGKILL)
                    break
                time.sleep(0.01)


def _end(process):
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _last_line(path):
    with open(path, errors="replace") as file:
        lines = [line.strip() for line in file if line.strip()]
    return lines[-1] if lines else ""


def _request_served(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as visitor:
            visitor.sendall(b"GET /close HTTP/1.1\r\nHost: bench\r\n\r\n")
            answer = b""
            while chunk := visitor.recv(4096):
                answer += chunk
            return answer.startswith(b"HTTP/1.1 200")
    except OSError:
        return False
