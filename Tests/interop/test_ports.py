"""Public TCP ports that mappings have for themselves: chosen or wished for, kept, refused, given back."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
from typing import Any, Callable

import pytest

import wmproxy
from datagrams import has_ipv6
from services import HOST, EchoTCP, RawService, mapping, refusing_address
from support import (
    DEADLINE,
    MIB,
    connect,
    no_event,
    payload,
    raw_request,
    read_exactly,
    read_to_end,
    sha256,
    split,
    turned_away,
    wait_for_event,
    wait_for_stats,
    wait_until_closed,
)
from switchboard import Switchboard
from wmproxy import EventKind, Status

ANY = "127.0.0.1:0"


def own(service: Any, name: str = "own", remote: str = ANY) -> dict[str, Any]:
    return {"name": name, "mode": "tcp", "local_addr": service.address, "remote_addr": remote}


def quiet_address(host: str = "127.0.0.1") -> str:
    """A free one that the system gives to nobody else meanwhile."""
    while True:
        with contextlib.suppress(OSError), socket.socket() as sock:
            sock.bind((host, random.randrange(20000, 32000)))
            return "%s:%d" % sock.getsockname()


def serves(address: str, data: bytes = b"ping") -> bool:
    with connect(address) as visitor:
        visitor.sendall(data)
        return read_exactly(visitor, len(data)) == data


class Named(RawService):
    """Says its name to whoever comes."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name.encode()
        self.listener.settimeout(None)
        threading.Thread(target=self._greet, daemon=True).start()

    def _greet(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self.listener.accept()
                with sock:
                    sock.sendall(self.name)

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        super().close()


@pytest.fixture
def named(stack: contextlib.ExitStack) -> Callable[[str], Named]:
    def start(name: str) -> Named:
        service = Named(name)
        stack.callback(service.close)
        return service

    return start


def who_serves(address: str) -> str:
    with connect(address) as visitor:
        return read_to_end(visitor).decode()


# --------------------------------------------------------------------------------------------------------- Ports there


@pytest.mark.parametrize("secure", [True, False], ids=["tls", "plain"])
def test_a_port_is_chosen_and_told(start_server: Any, start_client: Any, echo_tcp: EchoTCP, secure: bool) -> None:
    server = start_server(tc=secure, map_tcp_bind=None)
    client = start_client(server, own(echo_tcp), ts=secure)
    address = client.mapping_address("own")
    host, port = split(address)
    assert host == "127.0.0.1" and port >= 1024
    assert server.stats().ports == 1
    assert wait_for_event(client, EventKind.MAPPING_UP, name="own").address == address
    assert wait_for_event(server, EventKind.MAPPING_UP, name="own").address == address
    data = payload(4 * MIB)
    with connect(address) as visitor:
        sending = threading.Thread(target=visitor.sendall, args=(data,))
        sending.start()
        assert sha256(read_exactly(visitor, len(data))) == sha256(data)
        sending.join(DEADLINE)
        visitor.shutdown(socket.SHUT_WR)
        assert read_to_end(visitor) == b""
    wait_for_stats(server, lambda stats: stats.visitors == stats.streams == 0)


def test_each_port_has_its_service_and_the_edge_another(
    start_server: Any, start_client: Any, named: Callable[[str], Named]
) -> None:
    server = start_server()
    names = [f"service-{number}" for number in range(8)]
    edge = {"name": "edge", "mode": "tcp", "local_addr": named("edge").address}
    clients = [start_client(server, edge, *(own(named(name), name) for name in names[:4]))]
    clients.append(start_client(server, *(own(named(name), name) for name in names[4:])))
    addresses = {name: clients[number // 4].mapping_address(name) for number, name in enumerate(names)}
    assert len(set(addresses.values())) == 8 and server.stats().ports == 8
    for _ in range(3):
        for name, address in addresses.items():
            assert who_serves(address) == name
        assert who_serves(server.address("map_tcp_bind")) == "edge"
    assert clients[0].mapping_address("edge") == server.address("map_tcp_bind")


def test_a_port_that_is_named_is_had(start_server: Any, start_client: Any, echo_tcp: EchoTCP) -> None:
    address = quiet_address()
    client = start_client(start_server(), own(echo_tcp, remote=address))
    assert client.mapping_address("own") == address
    assert serves(address)


def test_a_port_at_localhost_is_had(start_server: Any, start_client: Any, echo_tcp: EchoTCP) -> None:
    client = start_client(start_server(), own(echo_tcp, remote="localhost:0"))
    assert client.mapping_address("own").startswith("127.0.0.1:")
    assert serves(client.mapping_address("own"))


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no [::1]")
def test_a_port_of_ipv6_is_had(start_server: Any, start_client: Any, echo_tcp: EchoTCP) -> None:
    client = start_client(start_server(), own(echo_tcp, remote="[::1]:0"))
    assert client.mapping_address("own").startswith("[::1]:")
    assert serves(client.mapping_address("own"))


def test_many_ports_come_and_go(start_server: Any, start_client: Any, echo_tcp: EchoTCP) -> None:
    server = start_server()
    client = start_client(server)
    for turn in range(3):
        for number in range(60):
            client.add_mapping(own(echo_tcp, f"own-{number}"))
        assert server.stats().ports == client.stats().mappings == 60
        addresses = [client.mapping_address(f"own-{number}") for number in range(60)]
        assert len(set(addresses)) == 60 and all(serves(address) for address in addresses[::10])
        for number in range(60):
            client.remove_mapping(f"own-{number}")
        assert server.stats().ports == client.stats().mappings == 0


# ---------------------------------------------------------------------------------------------------------- Ports gone


def test_the_port_is_closed_when_its_mapping_is_removed_and_who_is_there_stays(
    start_server: Any, start_client: Any, echo_tcp: EchoTCP
) -> None:
    server = start_server()
    client = start_client(server, own(echo_tcp))
    address = client.mapping_address("own")
    with connect(address) as visitor:
        visitor.sendall(b"one")
        assert read_exactly(visitor, 3) == b"one"
        client.remove_mapping("own")
        with pytest.raises(ConnectionRefusedError):
            connect(address)
        assert server.stats().ports == 0
        visitor.sendall(b"two")
        assert read_exactly(visitor, 3) == b"two"
    with pytest.raises(wmproxy.NotFoundError):
        client.mapping_address("own")
    wait_for_stats(server, lambda stats: stats.visitors == stats.streams == 0)


@pytest.mark.parametrize("how", ["stopped", "cut off"])
def test_the_port_is_closed_when_its_client_is_gone(
    start_server: Any, start_client: Any, echo_tcp: EchoTCP, switchboard: Callable[..., Switchboard], how: str
) -> None:
    server = start_server()
    board = switchboard(server)
    client = start_client(board.address, own(echo_tcp))
    address = client.mapping_address("own")
    assert serves(address)
    if how == "stopped":
        client.stop()
    else:
        board.shut()
        for link in board.live:
            link.cut()
    wait_until_closed(address)
    wait_for_stats(server, lambda stats: stats.ports == stats.sessions == stats.mappings == 0)
    socket.create_server(split(address)).close()


def test_the_ports_are_closed_at_once_when_the_server_stops(
    start_server: Any, start_client: Any, echo_tcp: EchoTCP, pool: Any
) -> None:
    server = start_server()
    client = start_client(server, own(echo_tcp))
    address = client.mapping_address("own")
    with connect(address) as visitor:
        visitor.sendall(b"one")
        assert read_exactly(visitor, 3) == b"one"
        stopping = pool.submit(server.stop, DEADLINE)
        wait_until_closed(address)
        visitor.sendall(b"two")
        assert read_exactly(visitor, 3) == b"two"
    stopping.result(DEADLINE)


def test_a_service_that_is_not_there_turns_visitors_away_and_keeps_the_port(
    start_server: Any, start_client: Any, echo_tcp: EchoTCP
) -> None:
    server = start_server()
    client = start_client(server)
    client.add_mapping(name="own", mode="tcp", local_addr=refusing_address(), remote_addr=ANY)
    for _ in range(3):
        turned_away(client.mapping_address("own"))
    assert server.stats().ports == 1


# ------------------------------------------------------------------------------------------------ Ports that come again


@pytest.mark.parametrize("wish", ["the same", "any"])
def test_a_client_that_is_cut_off_has_its_port_again(
    start_server: Any, start_client: Any, echo_tcp: EchoTCP, switchboard: Callable[..., Switchboard], wish: str
) -> None:
    """Also the one that 0 became."""
    server = start_server()
    board = switchboard(server)
    client = start_client(board.address, own(echo_tcp, remote=ANY if wish == "any" else quiet_address()))
    address = client.mapping_address("own")
    for turn in range(1, 4):
        for link in board.live:
            link.cut()
        wait_for_event(client, EventKind.SESSION_DOWN)
        wait_for_event(client, EventKind.MAPPING_UP)
        assert client.mapping_address("own") == address and serves(address)
        assert client.stats().reconnects == turn
    wait_for_stats(server, lambda stats: (stats.ports, stats.mappings, stats.sessions) == (1, 1, 1))


def test_a_client_has_its_port_again_at_a_server_that_was_restarted(
    start_server: Any, start_client: Any, echo_tcp: EchoTCP
) -> None:
    server = start_server(bind_addr=quiet_address())
    client = start_client(server, own(echo_tcp, "one"), own(echo_tcp, "two"))
    addresses = {name: client.mapping_address(name) for name in ("one", "two")}
    for _ in range(3):
        bind_addr = server.address("bind_addr")
        with connect(addresses["one"]) as visitor:  # its port has a connection to wait for
            visitor.sendall(b"x")
            server.stop()
        wait_for_event(client, EventKind.SESSION_DOWN)
        server = start_server(bind_addr=bind_addr)
        wait_for_event(client, EventKind.SESSION_UP)
        client.wait_ready(DEADLINE)
        assert {name: client.mapping_address(name) for name in ("one", "two")} == addresses
        assert all(serves(address) for address in addresses.values())


def test_a_port_that_is_taken_meanwhile_is_replaced_by_another(
    start_server: Any, start_client: Any, echo_tcp: EchoTCP, switchboard: Callable[..., Switchboard]
) -> None:
    server = start_server()
    board = switchboard(server)
    client = start_client(board.address, own(echo_tcp))
    address = client.mapping_address("own")
    board.shut()
    for link in board.live:
        link.cut()
    wait_for_event(client, EventKind.SESSION_DOWN)
    wait_until_closed(address)
    with socket.create_server(split(address)):
        board.reopen()
        wait_for_event(client, EventKind.MAPPING_UP)
        assert client.mapping_address("own") != address
        assert serves(client.mapping_address("own"))


@pytest.mark.parametrize("before", ["stopped", "still there"])
def test_a_restarted_client_takes_its_port_over_at_once(
    start_server: Any, start_client: Any, named: Callable[[str], Named], before: str
) -> None:
    """Its old session may still look alive to the server."""
    server = start_server()
    address = quiet_address()
    for turn in range(4):
        service = named(f"turn-{turn}")
        client = start_client(server, own(service, remote=address), client_id="edge")
        assert client.mapping_address("own") == address
        assert who_serves(address) == f"turn-{turn}"
        if before == "stopped":
            client.stop()
        else:
            assert server.stats().ports == 1


def test_a_port_that_was_taken_over_stays_so(
    start_server: Any, start_client: Any, named: Callable[[str], Named]
) -> None:
    """The client that has lost it to a newer session of itself does not ask for it again and again."""
    server = start_server()
    address = quiet_address()
    first = start_client(server, own(named("first"), remote=address), client_id="edge")
    second = start_client(server, own(named("second"), remote=address), client_id="edge")
    assert wait_for_event(first, EventKind.MAPPING_REFUSED).status is Status.EEXIST
    assert no_event(second, EventKind.MAPPING_REFUSED, within=4)
    assert who_serves(address) == "second"


def test_visitors_of_a_port_that_is_taken_over_stay(
    start_server: Any, start_client: Any, echo_tcp: EchoTCP, named: Callable[[str], Named]
) -> None:
    server = start_server()
    first = start_client(server, own(echo_tcp), client_id="edge")
    address = first.mapping_address("own")
    with connect(address) as visitor:
        visitor.sendall(b"one")
        assert read_exactly(visitor, 3) == b"one"
        start_client(server, own(named("second"), remote=address), client_id="edge")
        assert wait_for_event(first, EventKind.MAPPING_REFUSED).status is Status.EEXIST
        assert who_serves(address) == "second"
        visitor.sendall(b"two")
        assert read_exactly(visitor, 3) == b"two"
    first.stop()
    assert who_serves(address) == "second" and server.stats().ports == 1


# ------------------------------------------------------------------------------------------------------ Ports not to be


def test_another_client_cannot_have_the_port(
    start_server: Any, start_client: Any, named: Callable[[str], Named]
) -> None:
    server = start_server()
    first = start_client(server, own(named("first")), client_id="first")
    address = first.mapping_address("own")
    second = start_client(server, client_id="second")
    with connect(address) as visitor:
        assert read_to_end(visitor) == b"first"
        for _ in range(5):
            with pytest.raises(wmproxy.AlreadyExistsError, match=address):
                second.add_mapping(own(named("second"), remote=address))
    event = wait_for_event(second, EventKind.MAPPING_REFUSED)
    assert event.status is Status.EEXIST and address in event.reason
    assert who_serves(address) == "first"
    assert (server.stats().ports, first.stats().mappings, second.stats().mappings) == (1, 1, 0)
    assert no_event(first, EventKind.MAPPING_REFUSED)
    # It is to be had when the other leaves.
    first.stop()
    wait_until_closed(address)
    second.add_mapping(own(named("second"), remote=address))
    assert who_serves(address) == "second"


def test_who_waits_for_a_port_has_it_when_its_holder_leaves(
    start_server: Any, start_client: Any, named: Callable[[str], Named]
) -> None:
    server = start_server()
    first = start_client(server, own(named("first")), client_id="first")
    address = first.mapping_address("own")
    second = start_client(server, own(named("second"), remote=address), client_id="second", ready=False)
    with pytest.raises(wmproxy.AlreadyExistsError):
        second.wait_ready(DEADLINE)
    first.stop()
    wait_for_event(second, EventKind.MAPPING_UP)
    assert who_serves(address) == "second"


def test_the_same_client_cannot_have_a_port_twice(
    start_server: Any, start_client: Any, named: Callable[[str], Named]
) -> None:
    client = start_client(start_server(), own(named("one"), "one"))
    address = client.mapping_address("one")
    with pytest.raises(wmproxy.AlreadyExistsError, match="'one'"):
        client.add_mapping(own(named("two"), "two", remote=address))
    assert who_serves(address) == "one"


@pytest.mark.parametrize("port", [1, 80, 443, 1023])
@pytest.mark.parametrize("mode", ["tcp", "udp"])
def test_the_systems_ports_are_not_given_away(start_server: Any, start_client: Any, mode: str, port: int) -> None:
    server = start_server()
    client = start_client(server)
    with pytest.raises((wmproxy.RefusedError, wmproxy.AccessError), match=rf"\b{port}\b.*\b1024\b"):
        client.add_mapping(name="own", mode=mode, local_addr=refusing_address(), remote_addr=f"127.0.0.1:{port}")
    assert server.stats().ports == client.stats().mappings == 0


@pytest.mark.parametrize("where", ["there", "everywhere"])
def test_a_port_of_another_program_is_not_had_and_it_is_said_so(
    start_server: Any, start_client: Any, echo_tcp: EchoTCP, where: str
) -> None:
    server = start_server()
    client = start_client(server)
    with socket.create_server(("127.0.0.1" if where == "there" else "0.0.0.0", 0)) as other:
        address = "127.0.0.1:%d" % other.getsockname()[1]
        with pytest.raises((wmproxy.AlreadyExistsError, wmproxy.AddressInUseError), match=address) as caught:
            client.add_mapping(own(echo_tcp, remote=address))
        assert "in use" in str(caught.value).lower()
    client.add_mapping(own(echo_tcp, remote=address))
    assert serves(address)


def test_who_waits_for_a_port_has_it_when_another_program_leaves_it(
    start_server: Any, start_client: Any, echo_tcp: EchoTCP
) -> None:
    server = start_server()
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = "127.0.0.1:%d" % other.getsockname()[1]
        client = start_client(server, own(echo_tcp, remote=address), ready=False)
        wait_for_event(client, EventKind.MAPPING_REFUSED)
    wait_for_event(client, EventKind.MAPPING_UP, timeout=5)
    assert serves(address)


def test_the_servers_own_ports_are_not_given_away(start_server: Any, start_client: Any, echo_tcp: EchoTCP) -> None:
    server = start_server()
    client = start_client(server)
    for listener in ("bind_addr", "map_http_bind", "map_tcp_bind"):
        with pytest.raises((wmproxy.AlreadyExistsError, wmproxy.AddressInUseError, wmproxy.RefusedError)):
            client.add_mapping(own(echo_tcp, listener, remote=server.address(listener)))
    assert server.stats().ports == 0


def test_no_more_ports_than_allowed(start_server: Any, start_client: Any, echo_tcp: EchoTCP) -> None:
    """All sessions together; the edges are not among them."""
    server = start_server(max_ports=2)
    edge = {"name": "edge", "mode": "tcp", "local_addr": echo_tcp.address}
    first, second = start_client(server, own(echo_tcp), edge), start_client(server)
    second.add_mapping(name="udp", mode="udp", local_addr=refusing_address(), remote_addr=ANY)
    for client in (first, second):
        for mode in ("tcp", "udp"):
            with pytest.raises(wmproxy.RefusedError, match="2 ports open for mappings already"):
                client.add_mapping(name="late", mode=mode, local_addr=refusing_address(), remote_addr=ANY)
    first.remove_mapping("own")
    second.add_mapping(own(echo_tcp))
    assert serves(second.mapping_address("own")) and server.stats().ports == 2


@pytest.mark.parametrize("remote", ["example.org:5000", "server.test:0", "192.0.2.1:5000", "192.0.2.1:0"])
@pytest.mark.parametrize("mode", ["tcp", "udp"])
def test_an_address_that_is_not_the_servers_is_not_had_and_it_is_said_so(
    start_server: Any, start_client: Any, mode: str, remote: str
) -> None:
    server = start_server()
    client = start_client(server)
    with pytest.raises((wmproxy.RefusedError, wmproxy.AddressNotAvailableError), match=split(remote)[0]):
        client.add_mapping(name="own", mode=mode, local_addr=refusing_address(), remote_addr=remote)
    assert server.stats().ports == 0


def test_the_edge_is_one_clients_and_it_is_said_so(
    start_server: Any, start_client: Any, named: Callable[[str], Named]
) -> None:
    server = start_server()
    edge = {"name": "edge", "mode": "tcp", "local_addr": named("first").address}
    first = start_client(server, edge, client_id="first")
    second = start_client(server, client_id="second")
    with pytest.raises(wmproxy.AlreadyExistsError, match="TCP edge"):
        second.add_mapping({**edge, "local_addr": named("second").address})
    with pytest.raises(wmproxy.AlreadyExistsError, match="'edge'"):
        first.add_mapping({**edge, "name": "another"})
    assert who_serves(server.address("map_tcp_bind")) == "first"
    second.add_mapping(own(named("second")))
    assert who_serves(second.mapping_address("own")) == "second"


def test_a_server_without_an_edge_says_so(start_server: Any, start_client: Any) -> None:
    client = start_client(start_server(map_tcp_bind=None))
    with pytest.raises(wmproxy.RefusedError, match="map_tcp_bind.*remote_addr"):
        client.add_mapping(name="edge", mode="tcp", local_addr=refusing_address())


def test_a_mapping_that_is_refused_leaves_the_others_alone(
    start_server: Any, start_client: Any, echo_tcp: EchoTCP, echo_http: Any
) -> None:
    server = start_server()
    low = own(echo_tcp, "low", remote="127.0.0.1:80")
    client = start_client(server, low, own(echo_tcp), mapping(echo_http().address), ready=False)
    with pytest.raises((wmproxy.RefusedError, wmproxy.AccessError), match="'low'"):
        client.wait_ready(DEADLINE)
    assert serves(client.mapping_address("own"))
    with connect(server.address("map_http_bind")) as visitor:
        assert raw_request(visitor, f"GET / HTTP/1.1\nHost: {HOST}")[0].status == 200
    client.remove_mapping("low")
    client.wait_ready(DEADLINE)
