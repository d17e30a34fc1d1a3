"""Users: how each shows who it is, what each may claim, and that a reload gives and takes it."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import wmproxy
from rawlane import CHALLENGE, LOGIN, REJECT, RawLane, Scram
from services import EchoTCP, RawService, mapping
from support import DEADLINE, MIB, connect, read_exactly, wait_for_event, wait_for_stats
from wmproxy import EventKind, Status


def user(name: str, password: str = "secret", **grant: Any) -> dict[str, Any]:
    return {"username": name, "password": password, **grant}


def as_user(name: str, password: str = "secret") -> dict[str, Any]:
    return {"token": None, "username": name, "password": password}


def refusal(start_client: Any, server: wmproxy.Server, *mappings: dict[str, Any], **options: Any) -> str:
    client = start_client(server, *mappings, ready=False, **options)
    with pytest.raises(wmproxy.RefusedError) as caught:
        client.wait_ready(DEADLINE)
    return str(caught.value)


@pytest.mark.parametrize("salted", [False, True], ids=["in the clear", "salted"])
@pytest.mark.parametrize("tls", [True, False], ids=["tls", "plain"])
def test_each_user_has_a_secret_of_its_own(start_server: Any, start_client: Any, salted: bool, tls: bool) -> None:
    keep = wmproxy.hash_password if salted else str
    names = ["laptop", "büro, 2. OG", "a=b"]
    server = start_server(token=None, tc=tls, users=[user(name, keep("of " + name)) for name in names])
    for name in names:
        start_client(server, ts=tls, **as_user(name, "of " + name))
    for wrong in (as_user("laptop", "of a=b"), as_user("nobody", "of laptop"), {"token": "of laptop"}, {"token": None}):
        client = start_client(server, ts=tls, ready=False, insecure=True, **wrong)
        with pytest.raises(wmproxy.AuthError) as caught:
            client.wait_ready(DEADLINE)
        # One answer, whatever was wrong.
        assert "login failed: wrong secret or user" in str(caught.value)
    assert server.stats().login_failures >= 4
    wait_for_stats(server, lambda stats: stats.sessions == 3)


def test_a_failed_login_is_an_event_of_the_server(start_server: Any, start_client: Any) -> None:
    server = start_server(token=None, users=[user("laptop")])
    start_client(server, ready=False, **as_user("laptop", "wrong"))
    event = wait_for_event(server, EventKind.LOGIN_FAILED)
    assert event.status is Status.EAUTH
    assert event.address.startswith("127.0.0.1:")


def test_who_fails_too_often_is_shut_out_for_a_while_and_alone(start_server: Any, start_client: Any) -> None:
    server = start_server(token=None, tc=False, users=[user("one")])
    address = server.address("bind_addr")
    outcomes = []
    for _ in range(130):
        try:
            with RawLane(address, secret="wrong") as lane:
                outcomes.append(lane.log_in().type)
        except (EOFError, ConnectionError):
            outcomes.append(None)
    assert outcomes[:100] == [REJECT] * 100
    assert outcomes[-1] is None
    with RawLane(address, source="127.0.0.2") as lane:
        assert lane.log_in().type == REJECT
    # A second later it may try again.
    start_client(server, ts=False, **as_user("one"))


def test_two_users_are_two_identities(start_server: Any, start_client: Any, echo_tcp: EchoTCP) -> None:
    server = start_server(token=None, users=[user("one"), user("two")])
    offer = {"name": "tcp", "mode": "tcp", "local_addr": echo_tcp.address}
    start_client(server, offer, client_id="same", **as_user("one"))
    client = start_client(server, offer, client_id="same", ready=False, **as_user("two"))
    with pytest.raises(wmproxy.AlreadyExistsError):
        client.wait_ready(DEADLINE)


def test_domains_are_granted(start_server: Any, start_client: Any, echo_http: Any) -> None:
    server = start_server(token=None, users=[user("one", domains=["one.test", "*.one.test"])])
    address = echo_http().address
    start_client(server, mapping(address, domain="one.test"), **as_user("one"))
    start_client(server, mapping(address, domain="a.b.one.test"), client_id="b", **as_user("one"))
    for domain in ("two.test", "notone.test", "one.test.two.test"):
        said = refusal(start_client, server, mapping(address, domain=domain), client_id=domain, **as_user("one"))
        assert f"'one' may not have the domain '{domain}'" in said


def test_ports_are_granted(start_server: Any, start_client: Any, echo_tcp: EchoTCP) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = start_server(token=None, users=[user("one", ports=[f"tcp:{port}"])])

    def offer(remote: int, mode: str = "tcp") -> dict[str, Any]:
        return {"name": "x", "mode": mode, "local_addr": echo_tcp.address, "remote_addr": f"127.0.0.1:{remote}"}

    # Port 0 is one of those that are granted: here there is one.
    client = start_client(server, offer(0), **as_user("one"))
    assert client.mapping_address("x") == f"127.0.0.1:{port}"
    for refused in (offer(port + 1), offer(port, "udp")):
        said = refusal(start_client, server, refused, client_id="other", **as_user("one"))
        assert "may not open port" in said
    edge = {"name": "x", "mode": "tcp", "local_addr": echo_tcp.address}
    assert "may not have the TCP edge" in refusal(start_client, server, edge, client_id="o", **as_user("one"))


def test_without_a_grant_low_ports_are_refused(start_server: Any, start_client: Any, echo_tcp: EchoTCP) -> None:
    server = start_server(token=None, users=[user("one")])
    low = {"name": "x", "mode": "tcp", "local_addr": echo_tcp.address, "remote_addr": "127.0.0.1:53"}
    assert "only 1024 and above" in refusal(start_client, server, low, **as_user("one"))


def test_mappings_and_streams_are_granted(start_server: Any, start_client: Any, raw_service: RawService) -> None:
    server = start_server(token=None, users=[user("one", max_mappings=1, max_streams=2)])
    offer = {"name": "tcp", "mode": "tcp", "local_addr": raw_service.address}
    client = start_client(server, offer, **as_user("one"))
    with pytest.raises(wmproxy.RefusedError, match="at most 1 mappings"):
        client.add_mapping(name="more", mode="http", domain="x.test", local_addr=raw_service.address)
    visitors = [connect(server.address("map_tcp_bind")) for _ in range(2)]
    for _ in visitors:
        raw_service.accept()
    with pytest.raises((ConnectionError, EOFError)), connect(server.address("map_tcp_bind")) as third:
        read_exactly(third, 1)
    for visitor in visitors:
        visitor.close()


def test_bandwidth_is_granted(
    start_server: Any, start_client: Any, raw_service: RawService, pool: ThreadPoolExecutor
) -> None:
    """2 MiB at 1 MiB a second, each way; another user is not held up."""
    server = start_server(token=None, users=[user("slow", bandwidth="1MiB"), user("fast")])
    offer = {"mode": "tcp", "local_addr": raw_service.address, "remote_addr": "127.0.0.1:0"}
    slow = start_client(server, {"name": "slow", **offer}, **as_user("slow"))
    fast = start_client(server, {"name": "fast", **offer}, **as_user("fast"))

    def seconds(client: wmproxy.Client, name: str, down: bool) -> float:
        with connect(client.mapping_address(name)) as near, raw_service.accept() as far:
            sender, reader = (far, near) if down else (near, far)
            started = time.monotonic()
            sender.settimeout(DEADLINE)
            sending = pool.submit(sender.sendall, bytes(2 * MIB))
            read_exactly(reader, 2 * MIB)
            sending.result(DEADLINE)
            return time.monotonic() - started

    for down in (True, False):
        assert 1.2 < seconds(slow, "slow", down) < 4
        assert seconds(fast, "fast", down) < 1


def test_a_reload_lets_new_users_in_and_leaves_the_others_alone(
    start_server: Any, start_client: Any, raw_service: RawService
) -> None:
    config = {"token": None, "users": [user("one")]}
    server = start_server(**config)
    start_client(server, {"name": "tcp", "mode": "tcp", "local_addr": raw_service.address}, **as_user("one"))
    visitor = connect(server.address("map_tcp_bind"))
    service = raw_service.accept()
    reload(server, users=[user("two"), user("one")])
    start_client(server, client_id="two", **as_user("two"))
    visitor.sendall(b"still here")
    assert read_exactly(service, 10) == b"still here"
    assert server.stats().sessions_total == 2
    visitor.close()


@pytest.mark.parametrize(
    "users",
    [[user("two")], [user("one", "another secret")], [user("one", domains=["x.test"])]],
    ids=["user gone", "secret changed", "grant changed"],
)
def test_a_reload_ends_what_is_no_longer_granted(
    start_server: Any, start_client: Any, raw_service: RawService, users: list[dict[str, Any]]
) -> None:
    server = start_server(token=None, users=[user("one")])
    start_client(server, {"name": "tcp", "mode": "tcp", "local_addr": raw_service.address}, **as_user("one"))
    visitor = connect(server.address("map_tcp_bind"))
    service = raw_service.accept()
    reload(server, users=users)
    with pytest.raises((ConnectionError, EOFError)):
        read_exactly(visitor, 1)
    with pytest.raises(ConnectionError):
        read_exactly(service, 1)
    visitor.close()


def test_a_reload_that_is_refused_changes_nothing(start_server: Any, start_client: Any) -> None:
    server = start_server(token=None, users=[user("one")])
    for wrong in ({"threads": 3}, {"bind_addr": "127.0.0.1:1"}, {"nokey": 1}, {"cert": "/nowhere", "key": "/nowhere"}):
        with pytest.raises(wmproxy.ConfigError):
            reload(server, users=[user("two")], **wrong)
    start_client(server, **as_user("one"))


def reload(server: wmproxy.Server, **options: Any) -> None:
    """With the options of the fixture but for these."""
    base = {
        "bind_addr": "127.0.0.1:0",
        "map_http_bind": "127.0.0.1:0",
        "map_tcp_bind": "127.0.0.1:0",
        "tc": True,
    }
    server.reload({**base, **options})


def test_a_login_that_began_before_a_reload_is_judged_by_what_holds_after_it(start_server: Any) -> None:
    """Who waits between CHALLENGE and LOGIN gets nothing that was withdrawn meanwhile."""
    server = start_server(token=None, tc=False, users=[user("token")])
    with RawLane(server.address("bind_addr"), secret="secret") as lane:
        lane.hello()
        login = lane.prove()
        reload(server, tc=False, users=[user("token", "another")])
        lane.send(LOGIN, login)
        assert lane.answer().type == REJECT
    wait_for_stats(server, lambda stats: stats.sessions_total == stats.logins == 0)


def test_a_reload_does_not_tell_whom_the_server_knows(start_server: Any) -> None:
    salted = wmproxy.hash_password("secret")
    server = start_server(token=None, tc=False, users=[user("one", salted)])

    def challenge(name: str) -> bytes:
        with RawLane(server.address("bind_addr"), secret="x") as lane:
            lane.scram = Scram(name, "x")
            lane.hello()
            return lane.expect(CHALLENGE).fields[1].split(b",", 1)[1]

    before = [challenge(name) for name in ("one", "nobody")]
    reload(server, tc=False, users=[user("one", salted), user("two")])
    assert [challenge(name) for name in ("one", "nobody")] == before
