"""Mappings of mode udp when lanes and sessions are lost: visitors go on at the same port."""

from __future__ import annotations

import random
import select
import time
from typing import Any, Callable

import pytest

from datagrams import EchoUDP, Visitor, udp
from rawlane import DATA, MAP, MAP_REFUSED, MAPPED, OPEN, TAKEN, UDP, WELCOME, RawLane
from rawlane import mapping as raw_mapping
from support import reset, wait_for_event, wait_for_stats
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


# ------------------------------------------------------------------------------------------------- From one to the next


@pytest.fixture
def chance() -> random.Random:
    seed = time.time_ns()
    print(f"the seed is {seed}")
    return random.Random(seed)


def reset_and_wait(lane: RawLane, moment: float) -> None:
    """So short a wait that only who is busy meanwhile is in time."""
    until = time.perf_counter() + moment
    reset(lane.sock)
    while time.perf_counter() < until:
        pass


def logged_in(lane: RawLane) -> RawLane:
    assert lane.log_in().type == WELCOME
    return lane


def hears(lane: RawLane, address: str) -> bool:
    """Whether visitors of a port come to this lane: a new one asks again and again, as who uses UDP does."""
    with Visitor(address) as visitor:
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline:
            visitor.send(b"hello")
            if select.select([lane.sock], [], [], 0.05)[0] and lane.read().type in (OPEN, DATA):
                return True
    return False


def test_a_port_goes_with_the_newer_session_and_stays_with_it(
    start_server: Any, raw_lane: Callable[..., RawLane], chance: random.Random
) -> None:
    """Also if the older one has just lost the lane beside which the port was, and goes on without."""
    server = start_server(tc=False, threads=2)
    for _ in range(60):
        older = logged_in(raw_lane(server, "edge"))
        address = older.ask(MAP, raw_mapping(1, "udp", UDP, remote="127.0.0.1:0")).text(2)
        beside = logged_in(raw_lane(server, "edge", older.session))
        newer = logged_in(raw_lane(server, "edge"))
        reset_and_wait(older, chance.uniform(0, 0.0004))
        assert newer.ask(MAP, raw_mapping(1, "udp", UDP, remote=address)).type == MAPPED
        assert hears(newer, address)
        beside.close()
        wait_for_stats(server, lambda stats: stats.sessions == 1)
        assert hears(newer, address)
        newer.close()
        wait_for_stats(server, lambda stats: stats.sessions == stats.ports == 0)


def test_a_port_is_its_holders_until_it_is_free(
    start_server: Any, raw_lane: Callable[..., RawLane], chance: random.Random
) -> None:
    """Who asks while the holder's session ends finds one or the other, and never a port that is nobody's and in use."""
    server = start_server(tc=False, threads=2)
    for _ in range(150):
        holder, other = logged_in(raw_lane(server, "holder")), logged_in(raw_lane(server, "other"))
        address = holder.ask(MAP, raw_mapping(1, "udp", UDP, remote="127.0.0.1:0")).text(2)
        reset_and_wait(holder, chance.uniform(0, 0.0004))
        answer = other.ask(MAP, raw_mapping(1, "udp", UDP, remote=address))
        if answer.type != MAPPED:
            assert (answer.type, answer.number(2)) == (MAP_REFUSED, TAKEN)
            assert "by another client" in answer.text(3)
        other.close()
        wait_for_stats(server, lambda stats: stats.sessions == stats.ports == 0)
