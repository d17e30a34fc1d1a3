"""The package as a Python program uses it: two context managers, addresses, stopping."""

from __future__ import annotations

import gc
import queue
import re
import socket
import threading
from pathlib import Path
from typing import Any, Callable

import pytest
import requests

import wmproxy
from conftest import TOKEN
from services import EchoHTTP, EchoTCP, refusing_address
from support import (
    DEADLINE,
    connect,
    engine_threads,
    open_files,
    run_python,
    split,
    wait_for_event,
    wait_for_stats,
    wait_until_closed,
)
from wmproxy import EventKind

# ---------------------------------------------------------------------------------------------- What the README says


def test_two_context_managers_are_a_tunnel(echo_http: Callable[..., EchoHTTP]) -> None:
    service = echo_http()
    with (
        wmproxy.Server(bind_addr="127.0.0.1:0", map_http_bind="127.0.0.1:0", tc=True, token=TOKEN) as server,
        wmproxy.Client(server=server.address("bind_addr"), ts=True, token=TOKEN) as client,
    ):
        client.wait_ready(timeout=10)
        client.add_mapping(name="web", mode="http", domain="localhost", local_addr=service.address)
        url = client.mapping_address("web")
        assert url == f"http://localhost:{split(server.address('map_http_bind'))[1]}"
        assert requests.get(url + "/hello", timeout=DEADLINE).json()["path"] == "/hello"

        wait_for_stats(server, lambda stats: stats.visitors == 0)
        stats = server.stats()
        assert (stats.sessions, stats.sessions_total, stats.mappings) == (1, 1, 1)
        assert (stats.visitors_total, stats.http_requests, stats.streams_total) == (1, 1, 1)
        assert stats.bytes_out > 0
        assert client.stats().sessions == 1
        kinds = [event.kind for event in server.events(timeout=0)]
        assert kinds[-2:] == [EventKind.SESSION_UP, EventKind.MAPPING_UP]
    assert server.stopped and client.stopped


def test_the_address_has_the_port_that_0_became(start_server: Any) -> None:
    server = start_server(map_https_bind="127.0.0.1:0")
    ports = set()
    for listener in ("bind_addr", "map_http_bind", "map_https_bind", "map_tcp_bind"):
        host, port = split(server.address(listener))
        assert host == "127.0.0.1"
        ports.add(port)
    connect(server.address("map_https_bind")).close()
    assert len(ports) == 4 and 0 not in ports


def test_an_unknown_listener_is_a_lookup_error(start_server: Any) -> None:
    server = start_server(map_tcp_bind=None)
    for listener in ("map_tcp_bind", "no_such_bind"):
        with pytest.raises(LookupError) as caught:
            server.address(listener)
        assert isinstance(caught.value, wmproxy.NotFoundError)
        assert listener in str(caught.value)


def test_ipv6_addresses_are_in_brackets(start_server: Any, start_client: Any) -> None:
    server = start_server(bind_addr="[::1]:0")
    assert re.fullmatch(r"\[::1\]:\d+", server.address("bind_addr"))
    start_client(server)


# -------------------------------------------------------------------------------------------------------------- Stop


def test_what_is_stopped_says_so(start_server: Any, start_client: Any) -> None:
    server = start_server()
    client = start_client(server)
    client.stop()
    server.stop()
    server.stop(drain=1)
    for use in (
        server.stats,
        server.next_event,
        server.events,
        server.fileno,
        server.__enter__,
        lambda: server.address("bind_addr"),
        lambda: server.on_stats(1, print),
        client.stats,
        client.wait_ready,
        lambda: client.add_mapping(name="web"),
        lambda: client.remove_mapping("web"),
        lambda: client.mapping_address("web"),
    ):
        with pytest.raises(wmproxy.StoppedError, match="has been stopped"):
            use()
    assert "stopped" in repr(server)


def test_two_threads_may_stop_it(start_server: Any) -> None:
    server = start_server()
    threads = [threading.Thread(target=server.stop) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert server.stopped


def test_a_stop_closes_the_ports_and_ends_the_events(start_server: Any) -> None:
    server = start_server()
    address = server.address("map_http_bind")
    kinds: list[EventKind] = []
    thread = threading.Thread(target=lambda: kinds.extend(event.kind for event in server.events()))
    thread.start()
    server.stop()
    thread.join(DEADLINE)
    assert not thread.is_alive()
    assert kinds.count(EventKind.LISTENING) == 3
    with pytest.raises(ConnectionRefusedError):
        connect(address)


def test_waiting_ends_when_another_thread_stops_it(start_client: Any) -> None:
    client = start_client(refusing_address(), ready=False)
    failures: queue.Queue[BaseException] = queue.Queue()

    def wait() -> None:
        try:
            client.wait_ready(timeout=None)
        except wmproxy.WMProxyError as failure:
            failures.put(failure)

    thread = threading.Thread(target=wait)
    thread.start()
    wait_for_event(client, EventKind.CONNECT_FAILED)
    client.stop()
    assert isinstance(failures.get(timeout=DEADLINE), (wmproxy.ClosedError, wmproxy.StoppedError))
    thread.join(DEADLINE)


def test_a_drain_lets_a_visitor_finish(start_server: Any, start_client: Any, echo_tcp: EchoTCP) -> None:
    server = start_server()
    start_client(server, {"name": "echo", "mode": "tcp", "local_addr": echo_tcp.address})
    with connect(server.address("map_tcp_bind")) as visitor:
        visitor.sendall(b"one")
        assert visitor.recv(3) == b"one"
        http = server.address("map_http_bind")
        thread = threading.Thread(target=server.stop, args=(None,))
        thread.start()
        wait_until_closed(http)
        visitor.sendall(b"two")
        assert visitor.recv(3) == b"two"
        visitor.shutdown(socket.SHUT_WR)
        assert visitor.recv(1) == b""
        thread.join(DEADLINE)
    assert server.stopped


def test_a_forgotten_server_is_stopped_with_a_warning(start_client: Any) -> None:
    server = wmproxy.Server(bind_addr="127.0.0.1:0", token=TOKEN, tc=True)
    address = server.address("bind_addr")
    client = start_client(address)
    with pytest.warns(ResourceWarning, match="unstopped <wmproxy.Server"):
        del server
        gc.collect()
    wait_for_event(client, EventKind.SESSION_DOWN)


def test_starting_and_stopping_leaves_nothing_behind(start_server: Any, start_client: Any) -> None:
    def cycle() -> None:
        with wmproxy.Server(bind_addr="127.0.0.1:0", map_http_bind="127.0.0.1:0", token=TOKEN, tc=True) as server:
            with wmproxy.Client(server=server.address("bind_addr"), token=TOKEN, ts=True) as client:
                client.wait_ready(DEADLINE)

    for _ in range(3):
        cycle()
    files, threads = open_files(), engine_threads()
    for _ in range(50):
        cycle()
    assert (open_files(), engine_threads()) == (files, threads)


def test_two_servers_in_one_process_are_apart(
    start_server: Any, start_client: Any, echo_http: Callable[..., EchoHTTP]
) -> None:
    for name in ("one", "two"):
        server = start_server(token=name)
        service = echo_http(name)
        start_client(
            server, {"name": "web", "mode": "http", "domain": "a.test", "local_addr": service.address}, token=name
        )
        url = f"http://{server.address('map_http_bind')}/"
        assert requests.get(url, headers={"Host": "a.test"}, timeout=DEADLINE).json()["service"] == name


def test_an_exit_with_a_running_tunnel_is_clean() -> None:
    script = """
import sys, threading, wmproxy
server = wmproxy.Server(bind_addr="127.0.0.1:0", map_http_bind="127.0.0.1:0", tc=True, token="t")
client = wmproxy.Client(server=server.address("bind_addr"), ts=True, token="t")
client.wait_ready()
server.on_stats(0.01, lambda stats: None)
threading.Thread(target=lambda: [event for event in client.events()], daemon=True).start()
sys.exit(7)
"""
    for _ in range(5):
        with run_python(script) as process:
            assert process.finish() == 7, process.lines
            assert process.lines == []


# -------------------------------------------------------------------------------------------------------------- fork


def test_a_child_leaves_the_parents_tunnel_alone_and_can_make_its_own() -> None:
    script = """
import os, warnings, wmproxy
warnings.simplefilter("ignore", DeprecationWarning)
with wmproxy.Server(bind_addr="127.0.0.1:0", tc=True, token="t") as server:
    child = os.fork()
    if child == 0:
        try:
            server.stats()
        except wmproxy.ForkedError:
            pass
        else:
            os._exit(1)
        with wmproxy.Server(bind_addr="127.0.0.1:0", tc=True, token="t") as own, \\
             wmproxy.Client(server=own.address("bind_addr"), ts=True, token="t") as client:
            client.wait_ready()
        server.stop()
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with wmproxy.Client(server=server.address("bind_addr"), ts=True, token="t") as client:
        client.wait_ready()
    raise SystemExit(code)
"""
    with run_python(script) as process:
        assert process.finish() == 0, process.lines
        assert process.lines == []


# ----------------------------------------------------------------------------------------------- Finding the library


def test_a_library_that_is_not_there_is_an_import_error(tmp_path: Path) -> None:
    script = f"import os; os.environ['WMPROXY_LIBRARY'] = {str(tmp_path / 'no.so')!r}; import wmproxy"
    with run_python(script) as process:
        assert process.finish() == 1
        assert process.lines[-1].startswith("ImportError") and "WMPROXY_LIBRARY" in process.lines[-1]


def test_another_library_is_an_import_error() -> None:
    script = "import os; os.environ['WMPROXY_LIBRARY'] = 'libc.so.6'; import wmproxy"
    with run_python(script) as process:
        assert process.finish() == 1
        assert process.lines[-1].startswith("ImportError: libc.so.6 is not a libwmproxy"), process.lines[-1]
