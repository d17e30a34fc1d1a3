"""Ctrl-C ends every wait."""

from __future__ import annotations

import signal
import time

import pytest

from services import refusing_address
from support import interrupt, run_python


@pytest.mark.parametrize(
    "wait",
    [
        "client.wait_ready(timeout=None)",
        "client.wait_ready(timeout=60)",
        "client.add_mapping(name='a', mode='http', domain='a.test', local_addr='127.0.0.1:1', timeout=None)",
        "server.next_event()",
        "server.next_event(60)",
        "list(server.events())",
    ],
)
def test_ctrl_c_ends_a_wait(wait: str) -> None:
    script = f"""
import sys, wmproxy
with wmproxy.Server(bind_addr="127.0.0.1:0", token="t") as server, \\
     wmproxy.Client(server={refusing_address()!r}, token="t") as client:
    list(server.events(0))
    try:
        print("waiting", file=sys.stderr)
        {wait}
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
print("stopped", file=sys.stderr)
"""
    with run_python(script) as process:
        process.wait_for_line(lambda line: line == "waiting")
        started = time.monotonic()
        interrupt(process)
        process.wait_for_line(lambda line: line == "interrupted")
        assert time.monotonic() - started < 2
        process.wait_for_line(lambda line: line == "stopped")
        assert process.finish() == 0


def test_ctrl_c_ends_a_program_that_does_not_catch_it() -> None:
    script = """
import sys, wmproxy
with wmproxy.Server(bind_addr="127.0.0.1:0", token="t") as server:
    print("waiting", file=sys.stderr)
    for event in server.events(): pass
"""
    with run_python(script) as process:
        process.wait_for_line(lambda line: line == "waiting")
        interrupt(process)
        assert process.finish() == -signal.SIGINT
        assert process.lines[-1] == "KeyboardInterrupt"
