"""Events: what happened, in order, by a call, an iterator or a descriptor."""

from __future__ import annotations

import asyncio
import re
import select
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

import wmproxy
from support import DEADLINE, wait_for_event
from wmproxy import EventKind


def test_the_events_of_a_session_come_in_order(start_server: Any, start_client: Any) -> None:
    before = datetime.now(timezone.utc) - timedelta(seconds=1)
    server = start_server(map_tcp_bind=None)
    listening = [server.next_event(0) for _ in range(2)]
    assert [event and (event.kind, event.address) for event in listening] == [
        (EventKind.LISTENING, server.address(event.name)) for event in listening if event
    ]
    assert server.next_event(0) is None

    client = start_client(server, client_id="edge-7")
    up = wait_for_event(server, EventKind.SESSION_UP)
    assert up.client_id == "edge-7" and up.address.startswith("127.0.0.1:")
    assert before < up.time < datetime.now(timezone.utc) + timedelta(seconds=1)
    assert wait_for_event(client, EventKind.SESSION_UP).address == server.address("bind_addr")

    client.add_mapping(name="web", mode="http", domain="a.test", local_addr="127.0.0.1:1")
    for end in (server, client):
        event = wait_for_event(end, EventKind.MAPPING_UP)
        assert (event.client_id, event.name) == ("edge-7", "web")
        assert event.address == client.mapping_address("web")
    client.remove_mapping("web")
    for end in (server, client):
        assert wait_for_event(end, EventKind.MAPPING_DOWN).name == "web"

    client.stop()
    down = wait_for_event(server, EventKind.SESSION_DOWN)
    assert down.client_id == "edge-7" and down.reason


def test_a_refused_mapping_is_an_event(start_server: Any, start_client: Any) -> None:
    server = start_server()
    mapping = {"name": "web", "mode": "http", "domain": "a.test", "local_addr": "127.0.0.1:1"}
    start_client(server, mapping, client_id="first")
    client = start_client(server, mapping, client_id="second", ready=False)
    with pytest.raises(wmproxy.AlreadyExistsError, match="a.test"):
        client.wait_ready(timeout=None)
    event = wait_for_event(client, EventKind.MAPPING_REFUSED)
    assert event.name == "web" and event.status is wmproxy.Status.EEXIST and "a.test" in event.reason


def test_the_descriptor_is_readable_while_events_wait(start_server: Any, start_client: Any) -> None:
    server = start_server()
    assert select.select([server], [], [], DEADLINE)[0] == [server]
    for event in server.events(timeout=0):
        assert event.kind is EventKind.LISTENING
    assert select.select([server], [], [], 0)[0] == []
    start_client(server)
    assert select.select([server], [], [], DEADLINE)[0] == [server]


def test_asyncio_takes_the_descriptor(start_server: Any, start_client: Any) -> None:
    server = start_server()

    async def first_session() -> str:
        loop = asyncio.get_running_loop()
        found: asyncio.Future[str] = loop.create_future()

        def readable() -> None:
            while (event := server.next_event(0)) is not None:
                if event.kind is EventKind.SESSION_UP and not found.done():
                    found.set_result(event.client_id)

        loop.add_reader(server, readable)
        try:
            start_client(server, ready=False, client_id="edge-8")
            return await asyncio.wait_for(found, DEADLINE)
        finally:
            loop.remove_reader(server)

    assert asyncio.run(first_session()) == "edge-8"


def test_events_that_nobody_takes_are_counted(start_server: Any, start_client: Any) -> None:
    server = start_server()
    client = start_client(server)
    for _ in range(600):
        client.add_mapping(name="web", mode="http", domain="a.test", local_addr="127.0.0.1:1")
        client.remove_mapping("web")
    events = list(client.events(timeout=0))
    assert 1024 <= len(events) < 1100
    lost = [event for event in events if event.kind is EventKind.EVENTS_LOST]
    assert len(lost) == 1 and re.search(r"\d+", lost[0].reason)
