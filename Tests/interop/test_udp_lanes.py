"""Mappings of mode udp when lanes and sessions are lost: visitors go on at the same port."""

from __future__ import annotations

from typing import Any, Callable

import pytest

from datagrams import EchoUDP, Visitor, udp
from support import wait_for_event, wait_for_stats
from switchboard import Switchboard
from wmproxy import EventKind


@pytest.mark.parametrize("lost", [0, 1], ids=["the first", "the other"])
@pytest.mark.parametrize("comes_back", [True, False], ids=["and comes back", "and stays away"])
@pytest.mark.parametrize("mapped", ["before", "after"])
def test_visitors_go_on_when_a_lane_is_lost(
    start_server: Any,
    start_client: Any,
    switchboard: Callable[..., Switchboard],
    echo_udp: EchoUDP,
    visit: Callable[..., Visitor],
    lost: int,
    comes_back: bool,
    mapped: str,
) -> None:
    """Whether the mapping was there before the second lane, or came after."""
    server = start_server(threads=2)
    board = switchboard(server)
    client = start_client(board.address, *([udp(echo_udp)] if mapped == "before" else []))
    wait_for_stats(server, lambda stats: stats.lanes == 2)
    if mapped == "after":
        client.add_mapping(udp(echo_udp))
    address = client.mapping_address("udp")
    visitors = [visit(client) for _ in range(4)]
    for number, visitor in enumerate(visitors):
        visitor.until_echoed(b"before %d" % number)
    if not comes_back:
        board.shut()
    board.links[lost].cut()
    board.wait_for(lambda: len(board.links) == 3 or board.refused > 0)
    for number, visitor in enumerate(visitors):
        visitor.until_echoed(b"after %d" % number)
    board.reopen()
    for end in (server, client):
        wait_for_stats(end, lambda stats: stats.lanes == 2)
    for number, visitor in enumerate(visitors):
        visitor.until_echoed(b"later %d" % number)
    assert client.mapping_address("udp") == address
    assert (client.stats().sessions_total, server.stats().ports) == (1, 1)
    wait_for_stats(server, lambda stats: stats.udp_visitors == 4)


def test_a_port_goes_from_lane_to_lane_as_often_as_it_must(
    start_server: Any,
    start_client: Any,
    switchboard: Callable[..., Switchboard],
    echo_udp: EchoUDP,
    visit: Callable[..., Visitor],
) -> None:
    server = start_server(threads=4)
    board = switchboard(server)
    client = start_client(board.address, udp(echo_udp))
    visitor = visit(client)
    for turn in range(12):
        wait_for_stats(server, lambda stats: stats.lanes == 4)
        visitor.until_echoed(b"%d" % turn)
        board.live[turn % 4].cut()
    visitor.until_echoed(b"the end")
    assert (client.stats().sessions_total, server.stats().ports) == (1, 1)


def test_visitors_go_on_in_a_new_session(
    start_server: Any,
    start_client: Any,
    switchboard: Callable[..., Switchboard],
    echo_udp: EchoUDP,
    visit: Callable[..., Visitor],
) -> None:
    """The port that 0 became is the client's again."""
    server = start_server(threads=2)
    board = switchboard(server)
    client = start_client(board.address, udp(echo_udp))
    address = client.mapping_address("udp")
    visitor = visit(client)
    visitor.until_echoed(b"before")
    for link in board.live:
        link.cut()
    wait_for_event(client, EventKind.SESSION_DOWN)
    wait_for_event(client, EventKind.MAPPING_UP)
    assert client.mapping_address("udp") == address
    visitor.until_echoed(b"after")
    assert client.stats().sessions_total == 2
    wait_for_stats(server, lambda stats: (stats.ports, stats.udp_visitors) == (1, 1))
