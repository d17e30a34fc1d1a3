"""Callbacks of the engine into Python."""

from __future__ import annotations

import queue
import sys
import threading
from typing import Any

import pytest

import wmproxy
from conftest import TOKEN
from services import EchoTCP
from support import DEADLINE, connect


def test_a_stats_callback_is_called_until_it_is_replaced(start_server: Any) -> None:
    server = start_server()
    first: queue.Queue[wmproxy.Statistics] = queue.Queue()
    second: queue.Queue[wmproxy.Statistics] = queue.Queue()
    server.on_stats(0.01, first.put)
    for _ in range(3):
        assert isinstance(first.get(timeout=DEADLINE), wmproxy.Statistics)
    server.on_stats(0.01, second.put)
    count = first.qsize()
    for _ in range(3):
        second.get(timeout=DEADLINE)
    assert first.qsize() == count
    server.on_stats(0.01, None)
    count = second.qsize()
    with pytest.raises(queue.Empty):
        for _ in range(count + 1):
            second.get(timeout=0.1)
    with pytest.raises(wmproxy.InvalidArgumentError):
        server.on_stats(0.001, second.put)
    with pytest.raises(wmproxy.InvalidArgumentError):
        server.on_stats(0, second.put)


def test_an_exception_in_a_callback_is_reported_and_the_calls_go_on(
    start_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start_server()
    reported: queue.Queue[str] = queue.Queue()
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: reported.put(repr(unraisable.exc_value)))

    def fail(stats: wmproxy.Statistics) -> None:
        raise LookupError("on purpose")

    server.on_stats(0.01, fail)
    for _ in range(3):
        assert reported.get(timeout=DEADLINE) == "LookupError('on purpose')"
    server.on_stats(0.01, None)


def test_a_callback_may_call_anything_but_stop(start_server: Any, start_client: Any) -> None:
    server = start_server()
    client = start_client(server)
    results: queue.Queue[object] = queue.Queue()

    def call(stats: wmproxy.Statistics) -> None:
        client.on_stats(1, None)
        try:
            for running in (client, server):
                with pytest.raises(wmproxy.DeadlockError):
                    running.stop()
            client.wait_ready()
            client.add_mapping(name="web", mode="http", domain="a.test", local_addr="127.0.0.1:1")
            server.on_stats(1, print)
            results.put(wmproxy.Server(bind_addr="127.0.0.1:0", token=TOKEN))
        except BaseException as failure:
            results.put(failure)

    client.on_stats(0.01, call)
    another = results.get(timeout=DEADLINE)
    assert isinstance(another, wmproxy.Server), another
    another.stop()
    assert client.mapping_address("web")
    assert not client.stopped and not server.stopped


def test_a_slow_callback_does_not_slow_the_traffic(start_server: Any, start_client: Any, echo_tcp: EchoTCP) -> None:
    server = start_server()
    start_client(server, {"name": "echo", "mode": "tcp", "local_addr": echo_tcp.address})
    entered, leave = threading.Event(), threading.Event()

    def block(stats: wmproxy.Statistics) -> None:
        entered.set()
        leave.wait(DEADLINE)

    server.on_stats(0.01, block)
    assert entered.wait(DEADLINE)
    with connect(server.address("map_tcp_bind")) as visitor:
        for _ in range(100):
            visitor.sendall(b"ping")
            assert visitor.recv(4) == b"ping"
    leave.set()
    server.on_stats(0.01, None)
