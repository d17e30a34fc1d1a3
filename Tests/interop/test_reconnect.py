"""A client comes back by itself, with all it had."""

from __future__ import annotations

import threading
from typing import Any, Callable

import pytest
import requests

import wmproxy
from conftest import TOKEN
from rawlane import HTTP, MAP, MAPPED, UNMAP, UNMAPPED, RawLane, message
from rawlane import mapping as raw_mapping
from services import HOST, EchoHTTP, EchoTCP, mapping, refusing_address
from support import DEADLINE, connect, read_exactly, turned_away, wait_for_event, wait_for_stats
from switchboard import DOWN, Switchboard
from wmproxy import EventKind


def free_address() -> str:
    """An address that was free a moment ago: for a server that is to come back where it was."""
    with wmproxy.Server(bind_addr="127.0.0.1:0", token=TOKEN, tc=True) as server:
        return str(server.address("bind_addr"))


def visit(server: wmproxy.Server, host: str = "web.test") -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        url = f"http://{server.address('map_http_bind')}/"
        return session.get(url, headers={"Host": host}, timeout=DEADLINE)


def test_a_client_may_be_started_before_its_server(
    start_server: Any, start_client: Any, echo_http: Callable[..., EchoHTTP]
) -> None:
    address = free_address()
    mapping = {"name": "web", "mode": "http", "domain": "web.test", "local_addr": echo_http().address}
    client = start_client(address, mapping, ready=False)
    for _ in range(2):
        assert wait_for_event(client, EventKind.CONNECT_FAILED).status is wmproxy.Status.EUNREACHABLE
    assert client.stats().sessions == 0
    server = start_server(bind_addr=address)
    client.wait_ready(DEADLINE)
    assert visit(server).status_code == 200


@pytest.mark.parametrize("secure", [True, False], ids=["tls", "plain"])
def test_a_client_returns_when_its_server_is_restarted(
    start_server: Any, start_client: Any, echo_http: Callable[..., EchoHTTP], echo_tcp: EchoTCP, secure: bool
) -> None:
    server = start_server(tc=secure)
    addresses = {name: server.address(name) for name in ("bind_addr", "map_http_bind", "map_tcp_bind")}
    mapping = {"name": "web", "mode": "http", "domain": "web.test", "local_addr": echo_http().address}
    client = start_client(server, mapping, ts=secure)
    client.add_mapping(name="echo", mode="tcp", local_addr=echo_tcp.address)
    for turn in range(1, 4):
        assert visit(server).status_code == 200
        server.stop()
        down = wait_for_event(client, EventKind.SESSION_DOWN)
        assert down.status is not wmproxy.Status.OK and down.reason
        with pytest.raises(wmproxy.StateError):
            client.mapping_address("web")

        server = start_server(tc=secure, **addresses)
        wait_for_event(client, EventKind.SESSION_UP)
        client.wait_ready(DEADLINE)
        assert client.mapping_address("echo") == addresses["map_tcp_bind"]
        with connect(addresses["map_tcp_bind"]) as visitor:
            visitor.sendall(b"ping")
            assert read_exactly(visitor, 4) == b"ping"
        stats = client.stats()
        assert (stats.sessions, stats.mappings, stats.sessions_total, stats.reconnects) == (1, 2, turn + 1, turn)


def test_what_is_changed_while_the_server_is_away_holds_when_it_is_back(
    start_server: Any, start_client: Any, echo_http: Callable[..., EchoHTTP]
) -> None:
    server = start_server()
    address = server.address("bind_addr")
    service = echo_http()

    def mapping(name: str) -> dict[str, str]:
        return {"name": name, "mode": "http", "domain": f"{name}.test", "local_addr": service.address}

    client = start_client(server, mapping("one"), mapping("two"))
    server.stop()
    wait_for_event(client, EventKind.SESSION_DOWN)
    client.remove_mapping("one")
    client.add_mapping(mapping("three"), timeout=0)

    server = start_server(bind_addr=address)
    client.wait_ready(DEADLINE)
    assert [visit(server, f"{name}.test").status_code for name in ("one", "two", "three")] == [404, 200, 200]


def test_a_wait_ends_when_the_server_comes(start_server: Any, start_client: Any) -> None:
    address = free_address()
    client = start_client(address, ready=False)
    done = threading.Event()

    def wait() -> None:
        client.add_mapping(name="web", mode="http", domain="web.test", local_addr="127.0.0.1:1", timeout=DEADLINE)
        done.set()

    thread = threading.Thread(target=wait)
    thread.start()
    wait_for_event(client, EventKind.CONNECT_FAILED)
    assert not done.is_set()
    start_server(bind_addr=address)
    assert done.wait(DEADLINE)
    thread.join(DEADLINE)


def test_a_client_that_comes_back_takes_its_names_over(
    start_server: Any, start_client: Any, echo_http: Callable[..., EchoHTTP]
) -> None:
    """Its old session may still look alive to the server."""
    server = start_server()
    for name in ("first", "second"):
        mapping = {"name": "web", "mode": "http", "domain": "web.test", "local_addr": echo_http(name).address}
        start_client(server, mapping, client_id="edge")
        assert visit(server).json()["service"] == name


def test_a_client_logs_in_once_the_secret_is_right(start_server: Any, start_client: Any) -> None:
    server = start_server(token="old secret")
    address = server.address("bind_addr")
    client = start_client(address, ready=False)
    with pytest.raises(wmproxy.AuthError):
        client.wait_ready(timeout=None)
    server.stop()
    start_server(bind_addr=address)
    wait_for_event(client, EventKind.SESSION_UP)
    client.wait_ready(DEADLINE)


def test_10_clients_return_at_once(start_server: Any, start_client: Any, echo_http: Callable[..., EchoHTTP]) -> None:
    server = start_server()
    address = server.address("bind_addr")
    service = echo_http()
    clients = []
    for number in range(10):
        mapping = {"name": "web", "mode": "http", "domain": f"{number}.test", "local_addr": service.address}
        clients.append(start_client(server, mapping, client_id=f"client-{number}"))
    wait_for_stats(server, lambda stats: (stats.sessions, stats.mappings) == (10, 10))
    server.stop()
    server = start_server(bind_addr=address)
    wait_for_stats(server, lambda stats: (stats.sessions, stats.mappings) == (10, 10))
    for number in range(10):
        assert visit(server, f"{number}.test").status_code == 200


def test_visitors_who_come_while_it_is_away_are_turned_away_at_once(start_server: Any, start_client: Any) -> None:
    server = start_server()
    client = start_client(server, {"name": "raw", "mode": "tcp", "local_addr": refusing_address()})
    client.stop()
    wait_for_event(server, EventKind.SESSION_DOWN)
    turned_away(server.address("map_tcp_bind"))


def test_a_name_in_use_is_had_when_its_holder_leaves(
    start_server: Any, start_client: Any, echo_http: Callable[..., EchoHTTP]
) -> None:
    server = start_server()
    first = start_client(server, mapping(echo_http().address))
    second = start_client(server, mapping(echo_http().address), ready=False)
    with pytest.raises(wmproxy.AlreadyExistsError):
        second.wait_ready(DEADLINE)
    first.stop(0)
    wait_for_event(second, EventKind.MAPPING_UP)
    second.wait_ready(DEADLINE)


def test_a_mapping_that_is_removed_while_it_is_granted_at_last_is_gone_at_both_ends(
    start_server: Any, start_client: Any, raw_lane: Callable[..., RawLane], switchboard: Callable[..., Switchboard]
) -> None:
    """It was refused, since another client had the name, and is asked for again; the answer is on its way."""
    server = start_server(tc=False, lanes=1)
    holder = raw_lane(server, "holder")
    holder.log_in()
    assert holder.ask(MAP, raw_mapping(1, "web", HTTP, domain=HOST)).type == MAPPED
    board = switchboard(server)
    client = start_client(board.address, mapping(refusing_address()), ready=False, ts=False, client_id="edge")
    wait_for_event(client, EventKind.MAPPING_REFUSED)
    board.links[0].hold(DOWN)
    assert holder.ask(UNMAP, message(_1=1)).type == UNMAPPED
    wait_for_event(server, EventKind.MAPPING_UP, client_id="edge")
    client.remove_mapping("web", timeout=0)
    board.links[0].let_go()
    wait_for_stats(server, lambda stats: stats.mappings == 0)
    assert client.stats().mappings == 0
    assert holder.ask(MAP, raw_mapping(2, "web", HTTP, domain=HOST)).type == MAPPED


def test_a_client_without_a_way_to_its_server_tries_again_and_says_so() -> None:
    # 255.255.255.255 cannot be connected to: the system says so at once, inside the call.
    with wmproxy.Client(server="255.255.255.255:7000", ts=True, insecure=True) as client:
        for _ in range(3):
            wait_for_event(client, EventKind.CONNECT_FAILED)
