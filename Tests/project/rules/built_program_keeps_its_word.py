#!/usr/bin/env python3
"""The program: options and exit statuses, one clear message when it fails, and how signals stop it."""

import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from isolation import private_network  # noqa: E402

PROGRAM = "dist/bin/wmproxy"
DEADLINE = 10
SERVER = "bind_addr: 127.0.0.1:8091\nmap_tcp_bind: 127.0.0.1:8002\ntc: true\ntoken: secret\n"
CLIENT = ("server: 127.0.0.1:8091\nts: true\ntoken: secret\n"
          "mappings: [{name: raw, mode: tcp, local_addr: '127.0.0.1:8080'}]\n")


def expect(arguments, status, output=None, error=None):
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=DEADLINE)
    said = f"wmproxy {' '.join(arguments)}: status {done.returncode}\n{done.stdout}{done.stderr}"
    assert done.returncode == status, said
    assert output is None or re.search(output, done.stdout), f"no {output!r} in {said}"
    assert error is None or re.search(error, done.stderr), f"no {error!r} in {said}"
    assert status != 0 or not done.stderr, said
    return done


def options(directory):
    expect(["--version"], 0, r"^wmproxy \d+\.\d+\.\d+\n$")
    expect(["--help"], 0, r"(?s)^Usage: wmproxy -c FILE.*--check.*--stats SECONDS")
    misuses = ([], ["--no-such"], ["-c"], ["a"], ["-c", "a", "b"], ["-c", "a", "-c", "b"], ["-c", "a", "--stats", "0"])
    for arguments in misuses:
        expect(arguments, 2, error="Try 'wmproxy --help'")

    def one_message(text, contents=None):
        path = directory / "bad.yaml"
        if contents is not None:
            path.write_text(contents)
        for arguments in (["-c", str(path)], ["--check", "-c", str(path)]):
            done = expect(arguments, 1, output="^$", error=text)
            assert len(done.stderr.splitlines()) == 1 and done.stderr.startswith("wmproxy: "), done.stderr

    one_message("bad.yaml")
    one_message(r"bad\.yaml:2:1: .*map_tcp_bint.*map_tcp_bind", "bind_addr: 127.0.0.1:0\nmap_tcp_bint: 127.0.0.1:0\n")
    one_message(r"bad\.yaml:1:", "bind_addr: ]\n")
    one_message(r"bad\.yaml", "")

    for role, text, address in (("server", SERVER, "127.0.0.1:8002"), ("client", CLIENT, "127.0.0.1:8091")):
        (directory / f"{role}.yaml").write_text(text)
        file = str(directory / f"{role}.yaml")
        expect(["--check", "--config", file], 0, rf"(?s)a valid {role} .*{re.escape(address)}")

    with socket.create_server(("127.0.0.1", 8002)):
        done = expect(["-q", "-c", str(directory / "server.yaml")], 1, error=r"(?m)^wmproxy: .*127\.0\.0\.1:8002")
        assert len(done.stderr.splitlines()) == 1, done.stderr


def start(path):
    process = subprocess.Popen([PROGRAM, "-c", str(path)], stderr=subprocess.PIPE, text=True)
    limit = threading.Timer(4 * DEADLINE, process.kill)
    limit.daemon = True
    limit.start()
    return process


def wait_for_line(process, pattern):
    for line in process.stderr:
        if re.search(pattern, line):
            return
    raise AssertionError(f"it ended with {process.wait()} and never logged {pattern!r}")


def end(process, within):
    began = time.monotonic()
    rest = process.communicate(timeout=2 * DEADLINE)[1]
    took = time.monotonic() - began
    assert process.returncode == 0, f"status {process.returncode}\n{rest}"
    assert took < within, f"it took {took:.1f} s to end, expected less than {within} s\n{rest}"
    return rest


def signals(directory):
    for number in (signal.SIGINT, signal.SIGTERM):
        server = start(directory / "server.yaml")
        wait_for_line(server, r"127\.0\.0\.1:8002")
        server.send_signal(number)
        assert re.search(r"info +stopped\n$", end(server, within=2))

    # A visitor who stays: the first signal waits for it, the second does not.
    service = socket.create_server(("127.0.0.1", 8080))
    server, client = start(directory / "server.yaml"), start(directory / "client.yaml")
    wait_for_line(client, r"\braw\b")
    visitor = socket.create_connection(("127.0.0.1", 8002), timeout=DEADLINE)
    visitor.sendall(b"hello")
    inside, _ = service.accept()
    inside.settimeout(DEADLINE)
    assert inside.recv(5) == b"hello"
    server.send_signal(signal.SIGTERM)
    wait_for_line(server, "stopping")
    inside.sendall(b"still here")
    assert visitor.recv(10) == b"still here", "a visitor who was there may finish"
    server.send_signal(signal.SIGTERM)
    end(server, within=2)
    client.send_signal(signal.SIGINT)
    end(client, within=2)


if __name__ == "__main__":
    private_network()
    with tempfile.TemporaryDirectory() as temporary:
        try:
            options(Path(temporary))
            signals(Path(temporary))
        except (AssertionError, OSError, subprocess.SubprocessError) as error:
            sys.exit(str(error) or repr(error))
