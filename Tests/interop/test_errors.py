"""Each failure is the exception that a Python program would catch, and says what to do."""

from __future__ import annotations

import errno
import socket
from typing import Any

import pytest

import wmproxy
from services import refusing_address
from support import wait_for_event, wait_for_stats
from wmproxy import EventKind


def test_a_taken_port_is_an_os_error_with_its_errno(start_server: Any) -> None:
    server = start_server()
    with pytest.raises(OSError) as caught:
        start_server(bind_addr=server.address("map_http_bind"))
    assert isinstance(caught.value, wmproxy.AddressInUseError)
    assert caught.value.errno == errno.EADDRINUSE
    assert caught.value.retryable
    assert server.address("map_http_bind") in str(caught.value)


def test_a_failed_start_leaves_nothing_running(start_server: Any) -> None:
    server = start_server()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))  # bound, not listening: free again below
        free = "127.0.0.1:%d" % probe.getsockname()[1]
    with pytest.raises(wmproxy.AddressInUseError):
        start_server(bind_addr=free, map_http_bind=server.address("map_http_bind"))
    start_server(bind_addr=free)


def test_an_address_of_another_machine_is_not_available(start_server: Any) -> None:
    with pytest.raises(wmproxy.AddressNotAvailableError):
        start_server(bind_addr="192.0.2.1:0")


def test_an_unreachable_server_is_a_timeout_that_says_why(start_client: Any) -> None:
    address = refusing_address()
    client = start_client(address, ready=False)
    with pytest.raises(TimeoutError) as caught:
        client.wait_ready(timeout=0.5)
    assert isinstance(caught.value, wmproxy.WaitTimeoutError) and caught.value.retryable
    assert address in str(caught.value) and "refused" in str(caught.value)
    event = wait_for_event(client, EventKind.CONNECT_FAILED)
    assert event.status is wmproxy.Status.EUNREACHABLE and "refused" in event.reason
    with pytest.raises(wmproxy.WaitTimeoutError):
        client.wait_ready(timeout=0)


def test_a_wrong_token_is_a_permission_error(start_server: Any, start_client: Any) -> None:
    server = start_server()
    client = start_client(server, ready=False, token="something else")
    with pytest.raises(PermissionError) as caught:
        client.wait_ready(timeout=None)
    assert isinstance(caught.value, wmproxy.AuthError)
    wait_for_stats(server, lambda stats: stats.login_failures > 0)


def test_a_name_is_taken_once(start_server: Any, start_client: Any) -> None:
    server = start_server()
    client = start_client(server)
    client.add_mapping(name="web", mode="http", domain="one.test", local_addr="127.0.0.1:1")
    with pytest.raises(wmproxy.AlreadyExistsError, match="web"):
        client.add_mapping(name="web", mode="http", domain="two.test", local_addr="127.0.0.1:1")
    other = start_client(server, client_id="other")
    with pytest.raises(wmproxy.AlreadyExistsError, match="one.test"):
        other.add_mapping(name="mine", mode="http", domain="one.test", local_addr="127.0.0.1:1")
    client.remove_mapping("web")
    other.add_mapping("{name: mine, mode: http, domain: one.test, local_addr: '127.0.0.1:1'}")


def test_a_mapping_that_does_not_do_is_a_config_error(start_server: Any, start_client: Any) -> None:
    client = start_client(start_server())
    with pytest.raises(wmproxy.ConfigError, match="did you mean 'local_addr'"):
        client.add_mapping(name="web", mode="http", domain="a.test", local_adr="127.0.0.1:1")
    with pytest.raises(wmproxy.ConfigError):
        client.add_mapping(name="web", mode="carrier pigeon", local_addr="127.0.0.1:1")


def test_an_unknown_mapping_is_a_lookup_error(start_server: Any, start_client: Any) -> None:
    client = start_client(start_server())
    with pytest.raises(wmproxy.NotFoundError, match="nothing"):
        client.remove_mapping("nothing")
    with pytest.raises(LookupError):
        client.mapping_address("nothing")


def test_a_mapping_waits_for_its_server(start_client: Any) -> None:
    client = start_client(refusing_address(), ready=False)
    with pytest.raises(wmproxy.WaitTimeoutError):
        client.add_mapping(name="web", mode="http", domain="a.test", local_addr="127.0.0.1:1", timeout=0.05)
    with pytest.raises(wmproxy.StateError):
        client.mapping_address("web")
    client.remove_mapping("web")
    client.add_mapping(name="web", mode="http", domain="a.test", local_addr="127.0.0.1:1", timeout=0)
    client.remove_mapping("web", timeout=0)


@pytest.mark.parametrize("timeout", [-1, float("nan"), -0.001])
def test_a_negative_time_is_a_value_error(start_server: Any, start_client: Any, timeout: float) -> None:
    client = start_client(start_server())
    for call in (client.wait_ready, client.next_event, client.events, client.stop):
        with pytest.raises(ValueError):
            call(timeout)
    client.wait_ready(timeout=float("inf"))
