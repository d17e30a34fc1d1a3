#!/usr/bin/env python3
"""Runs config/server.yaml and config/client.yaml against a small local HTTP server, asks through every edge with curl,
and shows the requests, the answers and the statistics. Ends by itself: 0 if every answer is right, otherwise 1.

    demo.py [DIRECTORY]     where server.yaml and client.yaml are, config/ by default
"""

import http.server
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = ROOT / "dist" / "bin" / "wmproxy"
PORTS = {8080: "the local HTTP server", 8091: "tunnel clients", 8001: "http", 8002: "tcp", 8003: "https"}
DEADLINE = 20


class Failed(Exception):
    pass


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers with what it was asked, so that the visitor sees what arrived here."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        fields = "".join(f"  {name}: {value}\n" for name, value in self.headers.items())
        body = f"Hello from {self.server.server_address[1]}. You asked:\n  {self.requestline}\n{fields}".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


class Program:
    """One wmproxy in the foreground, its log shown here and searched."""

    def __init__(self, name, config):
        self.name = name
        self.lines = queue.Queue()
        command = [str(PROGRAM), "-c", str(config), "--stats", "1"]
        show(f"$ wmproxy -c {config.name}")
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stderr:
            if " stats: " not in line:
                show(f"  {self.name} | {line.rstrip()}")
            self.lines.put(line)
        self.lines.put(None)

    def wait_for(self, pattern):
        end = time.monotonic() + DEADLINE
        while True:
            try:
                line = self.lines.get(timeout=max(0, end - time.monotonic()))
            except queue.Empty:
                raise Failed(f"the {self.name} logged nothing like '{pattern}' in {DEADLINE} s") from None
            if line is None:
                raise Failed(f"the {self.name} ended with {self.process.wait()}")
            if re.search(pattern, line):
                return line.rstrip()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(DEADLINE)
        if status != 0:
            raise Failed(f"the {self.name} ended with {status} on SIGTERM, instead of 0")


def show(text):
    print(text, flush=True)


def curl(url, status, *expected):
    options = ["-k"] if url.startswith("https:") else []
    show(f"\n$ curl {' '.join(options + [url])}")
    command = ["curl", "-sS", "--noproxy", "*", "--max-time", "10", "-w", "\n%{http_code}", *options, url]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(done.stderr.strip())
    answer, _, code = done.stdout.rpartition("\n")
    text = re.sub(r"<style>.*?</style>|<head>.*?</head>|<[^>]+>", "", answer, flags=re.S)  # a page: only its words
    show(f"{code}\n" + "\n".join(f"  {line}" for line in text.splitlines() if line.strip()))
    if code != str(status):
        raise Failed(f"{url} is {code} instead of {status}")
    for text in expected:
        if text.lower() not in answer.lower():
            raise Failed(f"the answer of {url} has no '{text}'")


def check_ports():
    for port, use in PORTS.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                raise Failed(f"port {port} ({use}) is taken. Who has it: ss -ltnp 'sport = :{port}'") from None


def run(directory):
    check_ports()
    local = http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Echo)
    threading.Thread(target=local.serve_forever, daemon=True).start()
    programs = []
    try:
        programs.append(Program("server", directory / "server.yaml"))
        programs.append(Program("client", directory / "client.yaml"))
        programs[1].wait_for("sessions=1 mappings=2")

        visitor = "X-Forwarded-For: 127.0.0.1"
        curl("http://localhost:8001/", 200, "Hello from 8080", "Host: localhost:8001", visitor)
        curl("http://127.0.0.1:8001/", 404, "127.0.0.1")
        curl("http://127.0.0.1:8002/", 200, "Hello from 8080", "Host: 127.0.0.1:8002")
        curl("http://localhost:8002/", 200, "Hello from 8080", "Host: localhost:8002")
        curl("https://localhost:8003/", 200, "Hello from 8080", visitor, "X-Forwarded-Proto: https")
        show("")
        for program in programs:
            line = program.wait_for("visitors=0 visitors_total=[45]")
            show(f"  {program.name} | {line}")
        for program in reversed(programs):
            program.stop()
    finally:
        for program in programs:
            if program.process.poll() is None:
                program.process.kill()
        local.shutdown()


def main():
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "config"
    try:
        run(directory)
    except (Failed, subprocess.TimeoutExpired) as error:
        show(f"\ndemo: FAILED: {error}")
        return 1
    show("\ndemo: every answer is right.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
