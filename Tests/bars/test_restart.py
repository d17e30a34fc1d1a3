"""One end dies and comes back: visitors know at once, and are served again soon."""

from __future__ import annotations

import contextlib
import signal
import time
from functools import partial
from pathlib import Path

from crowd import EchoProcess, ping, served
from figures import Figures, median, pick
from services import RawService, mapping
from support import connect, raw_request, read_response, read_until
from tunnel import HOST, TOKEN, Program, Tunnel, eventually, logged_at, pass_time, quiet_address, when

import wmproxy


def server_that_stays_where_it_is() -> dict[str, str]:
    return {key: quiet_address() for key in ("bind_addr", "map_http_bind", "map_tcp_bind")}


def test_a_visitor_is_served_soon_after_the_server_is_back(
    stack: contextlib.ExitStack, tmp_path: Path, echo: EchoProcess, figures: Figures
) -> None:
    """Clients in processes of their own: none profits of another."""
    tunnels = []
    for number in range(6):
        directory = tmp_path / str(number)
        directory.mkdir()
        tunnels.append(stack.enter_context(Tunnel(directory, echo.address, server=server_that_stays_where_it_is())))
    for outage in pick([2], [2, 20, 90]):  # the bar is for the first two
        for tunnel in tunnels:
            assert served(tunnel.tcp)
            tunnel.server.kill()
        pass_time(outage)
        for tunnel in tunnels:
            tunnel.start_server()
        served_at = when([partial(served, tunnel.tcp) for tunnel in tunnels])
        listening = [logged_at(tunnel.server.wait_for("tunnel clients on")) for tunnel in tunnels]
        times = [after - before for before, after in zip(listening, served_at)]
        figures.note(f"server away for {outage} s, a visitor served after, median", median(times), "s")
        what = f"server away for {outage} s, a visitor served after, last of {len(times)}"
        if outage <= 20:
            figures.at_most(what, max(times), 1, "s")
        else:
            figures.note(what, max(times), "s")


def has_mapping(client: wmproxy.Client) -> bool:
    return client.stats().mappings == 1


def test_200_clients_return_to_a_restarted_server(
    stack: contextlib.ExitStack, tmp_path: Path, echo: EchoProcess, figures: Figures
) -> None:
    config = {**server_that_stays_where_it_is(), "tc": True, "token": TOKEN}
    server = stack.enter_context(Program(tmp_path / "server.json", config))
    clients = []
    for number in range(200):
        config_of_client = {
            "server": config["bind_addr"],
            "ts": True,
            "token": TOKEN,
            "client_id": f"client-{number}",
            "mappings": [mapping(echo.address, domain=f"{number}.test")],
        }
        clients.append(stack.enter_context(wmproxy.Client(config_of_client)))
    for client in clients:
        client.wait_ready(20)
    server.kill()
    for client in clients:
        assert eventually(lambda: client.stats().sessions == 0) is not None
    pass_time(2)

    server = stack.enter_context(Program(tmp_path / "server.json", config))
    listening = logged_at(server.wait_for("tunnel clients on"))
    back = when([partial(has_mapping, client) for client in clients])
    figures.note("200 clients, half of them are back after", median(back) - listening, "s")
    figures.at_most("200 clients, the last is back after", max(back) - listening, 5, "s")


# ------------------------------------------------------------------------------------------------- The client is killed


def test_a_visitor_who_waits_for_an_answer_knows_at_once_that_the_client_is_gone(
    stack: contextlib.ExitStack, tmp_path: Path, raw_service: RawService, figures: Figures
) -> None:
    tunnel = stack.enter_context(Tunnel(tmp_path, raw_service.address))
    times, answers = [], set()
    for _ in range(pick(10, 100)):
        with connect(tunnel.http) as visitor:
            visitor.sendall(f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
            with raw_service.accept() as service:
                read_until(service, b"\r\n\r\n")
                started = time.monotonic()
                tunnel.client.signal(signal.SIGKILL)
                try:
                    answers.add(str(read_response(visitor)[0].status))
                except ConnectionResetError:
                    answers.add("reset")
                times.append((time.monotonic() - started) * 1000)
        tunnel.client.kill()
        tunnel.start_client()
        tunnel.wait_ready()
    figures.at_most("client killed, a visitor who waits for an answer knows after, median", median(times), 50, "ms")
    seen = ", ".join(sorted(answers - {"reset"})) or "503"
    figures.equal("client killed, what that visitor sees, if not a reset", seen, "503")


def test_visitors_of_a_killed_client_know_at_once_and_its_names_are_back_at_once(
    tunnel: Tunnel, figures: Figures
) -> None:
    closed, refused, back, taken_over = [], [], [], []
    for _ in range(pick(10, 100)):
        with connect(tunnel.tcp) as visitor:
            ping(visitor)
            killed = time.monotonic()
            tunnel.client.signal(signal.SIGKILL)
            try:
                assert visitor.recv(1), "a killed stream looks like an end"
            except ConnectionResetError:
                closed.append((time.monotonic() - killed) * 1000)
        with connect(tunnel.http) as visitor:
            started = time.monotonic()
            response, _ = raw_request(visitor, f"GET / HTTP/1.1\nHost: {HOST}")
            assert response.status == 503
            refused.append((time.monotonic() - started) * 1000)
        tunnel.client.kill()
        started = time.monotonic()
        tunnel.start_client()
        when([partial(served, tunnel.tcp)])
        back.append((time.monotonic() - started) * 1000)

        # One that hangs still has its session, and its names, until another with its id comes.
        hanging = tunnel.client
        hanging.signal(signal.SIGSTOP)
        started = time.monotonic()
        tunnel.start_client()
        tunnel.wait_ready()
        assert served(tunnel.tcp)
        taken_over.append((time.monotonic() - started) * 1000)
        hanging.kill()
    figures.at_most("client killed, its visitor sees a reset after, median", median(closed), 50, "ms")
    figures.note("client killed, its visitor sees a reset after, worst", max(closed), "ms")
    figures.at_most("client killed, the next visitor has its 503 after, median", median(refused), 50, "ms")
    figures.at_most("client killed, the next one serves after its start, median", median(back), 200, "ms")
    figures.note("client killed, the next one serves after its start, worst", max(back), "ms")
    figures.at_most("client hangs, the next one serves after its start, median", median(taken_over), 200, "ms")
    figures.note("client hangs, the next one serves after its start, worst", max(taken_over), "ms")
