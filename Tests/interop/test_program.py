"""The program: one configuration file, in the foreground, until a signal."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import ssl
from pathlib import Path
from typing import Any, Callable

import pytest
import requests

from services import EchoHTTP, refusing_address
from support import DEADLINE, PROGRAM, ROOT, Process, connect, field, raw_request, split, wait_until_closed

PURPOSES = {
    "bind_addr": "tunnel clients",
    "map_http_bind": "HTTP visitors",
    "map_https_bind": "HTTPS visitors",
    "map_tcp_bind": "TCP visitors",
}


@pytest.fixture
def run(stack: Any, tmp_path: Path) -> Callable[..., Process]:
    """Runs the program with a configuration, which is written to a file, and options."""

    def run(config: str, *options: str, name: str = "config.yaml") -> Process:
        file = tmp_path / name
        file.write_text(config)
        process: Process = stack.enter_context(Process(PROGRAM, "-c", name, *options, cwd=tmp_path))
        return process

    return run


def nested(config: str) -> str:
    return "proxy:\n" + "".join(f"  {line}\n" for line in config.splitlines())


def server_config(**changes: str) -> str:
    """config/server.yaml with each port 0, so that tests can run beside each other."""
    text = re.sub(r"(127\.0\.0\.1):\d+", r"\1:0", (ROOT / "config" / "server.yaml").read_text())
    return change(text, **changes)


def client_config(server: str, service: str, **changes: str) -> str:
    text = (ROOT / "config" / "client.yaml").read_text()
    text = text.replace("127.0.0.1:8091", server).replace("127.0.0.1:8080", service)
    return change(text, **changes)


def change(text: str, **changes: str) -> str:
    for key, value in changes.items():
        text, count = re.subn(rf"(?m)^{key}:.*$", f"{key}: {value}", text)
        text += "" if count else f"{key}: {value}\n"
    return text


def listening(process: Process, listener: str) -> str:
    """The address that the log names for a listener."""
    match = process.wait_for_line(re.compile(PURPOSES[listener] + r" on (\S+:\d+)").search)
    return str(match.group(1))


def end(process: Process, number: int = signal.SIGTERM) -> None:
    process.signal(number)
    assert process.finish() == 0, process.lines


# ------------------------------------------------------------------------------------------------------- The scenario


@pytest.mark.parametrize("under_proxy", [False, True], ids=["flat", "under proxy"])
@pytest.mark.parametrize("secure", ["true", "false"], ids=["tls", "plain"])
def test_the_two_files_of_config_are_a_tunnel(
    run: Any, echo_http: Callable[..., EchoHTTP], under_proxy: bool, secure: str
) -> None:
    form = nested if under_proxy else str
    service = echo_http()
    server = run(form(server_config(tc=secure)), name="server.yaml")
    address = {name: listening(server, name) for name in PURPOSES}
    client = run(form(client_config(address["bind_addr"], service.address, ts=secure, mode="client")))
    server.wait_for_line(re.compile(r"mapping 'tcp' is at").search)
    server.wait_for_line(re.compile(r"mapping 'web' is at").search)

    http_port, tcp_port, https_port = (
        split(address[name])[1] for name in ("map_http_bind", "map_tcp_bind", "map_https_bind")
    )
    with requests.Session() as session:
        session.trust_env = False
        report = session.get(f"http://localhost:{http_port}/a", timeout=DEADLINE).json()
        assert report["path"] == "/a"
        assert field(report, "Host") == [f"localhost:{http_port}"]
        assert field(report, "X-Forwarded-For") == ["127.0.0.1"]
        assert session.get(f"http://127.0.0.1:{http_port}/", timeout=DEADLINE).status_code == 404
        for host in ("localhost", "127.0.0.1"):
            report = session.get(f"http://{host}:{tcp_port}/b", timeout=DEADLINE).json()
            assert report["path"] == "/b"
            assert field(report, "X-Forwarded-For") == []

    match = server.wait_for_line(re.compile(r"fingerprint \S*?((?:[0-9a-fA-F]{2}:?){32})").search)
    assert match is not None
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = http.client.HTTPSConnection("localhost", https_port, context=context, timeout=DEADLINE)
    connection.request("GET", "/c")
    assert json.loads(connection.getresponse().read())["path"] == "/c"
    connection.close()

    end(client, signal.SIGINT)
    server.wait_for_line(re.compile(r"is gone").search)
    end(server, signal.SIGTERM)
    with pytest.raises(ConnectionRefusedError):
        connect(address["map_http_bind"])


def test_the_files_of_config_are_those_of_the_readme() -> None:
    for name in ("server.yaml", "client.yaml"):
        with Process(PROGRAM, "--check", "-c", ROOT / "config" / name) as process:
            assert process.finish() == 0
            assert f"a valid {name.split('.')[0]} configuration" in process.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_0(run: Any, number: int) -> None:
    server = run(server_config())
    client = run(client_config(refusing_address(), "127.0.0.1:1"), name="client.yaml")
    listening(server, "bind_addr")
    client.wait_for_line(re.compile("refused").search)
    for process in (server, client):
        end(process, number)


def test_visitors_who_are_there_may_finish(run: Any, echo_http: Callable[..., EchoHTTP]) -> None:
    service = echo_http()
    server = run(server_config(), name="server.yaml")
    tunnel, visitors = listening(server, "bind_addr"), listening(server, "map_tcp_bind")
    run(client_config(tunnel, service.address))
    server.wait_for_line(re.compile(r"mapping 'tcp' is at").search)
    with connect(visitors) as visitor:
        answer, _ = raw_request(visitor, "GET /one HTTP/1.1\nHost: localhost")
        assert answer.status == 200
        server.signal(signal.SIGTERM)
        wait_until_closed(visitors)
        answer, _ = raw_request(visitor, "GET /two HTTP/1.1\nHost: localhost\nConnection: close")
        assert answer.status == 200
    assert server.finish() == 0


def test_a_second_signal_ends_it_at_once(run: Any, echo_http: Callable[..., EchoHTTP]) -> None:
    server = run(server_config(), name="server.yaml")
    tunnel, visitors = listening(server, "bind_addr"), listening(server, "map_tcp_bind")
    run(client_config(tunnel, echo_http().address))
    server.wait_for_line(re.compile(r"mapping 'tcp' is at").search)
    with connect(visitors):
        server.wait_for_line(lambda line: True)
        server.signal(signal.SIGINT)
        server.wait_for_line(re.compile("stopping").search)
        server.signal(signal.SIGINT)
        assert server.finish(4.0) == 0


def test_it_takes_as_many_descriptors_as_the_system_lets_it_have(tmp_path: Path) -> None:
    """Each visitor is one, and the usual soft limit of 1024 is for programs of another kind."""
    file = tmp_path / "server.yaml"
    file.write_text(server_config())
    limited = ("sh", "-c", 'ulimit -S -n 256; ulimit -H -n 2048; exec "$0" "$@"')
    with Process(*limited, PROGRAM, "-c", file) as process:
        listening(process, "bind_addr")
        limits = Path(f"/proc/{process.process.pid}/limits").read_text()
        assert re.search(r"(?m)^Max open files +2048 +2048 ", limits), limits
        end(process)


# ------------------------------------------------------------------------------------------------------------- Options


def test_help_and_version() -> None:
    with Process(PROGRAM, "--help") as process:
        assert process.finish() == 0
        assert "--check" in process.output and "-c, --config FILE" in process.output and process.lines == []
    with Process(PROGRAM, "--version") as process:
        assert process.finish() == 0
        assert re.fullmatch(r"wmproxy \d+\.\d+\.\d+\n", process.output) and process.lines == []


def test_check_tells_what_it_would_do_and_starts_nothing(run: Any) -> None:
    config = server_config(bind_addr="127.0.0.1:1", map_http_bind="127.0.0.1:2", token="do-not-print-this")
    for form in (config, nested(config)):
        process = run(form, "--check")
        assert process.finish() == 0
        assert "127.0.0.1:1" in process.output and "127.0.0.1:2" in process.output
        assert "do-not-print-this" not in process.output + "".join(process.lines)


@pytest.mark.parametrize("options", [[], ["--no-such-option"], ["one", "two"], ["-c"]])
def test_wrong_options_are_told(options: list[str]) -> None:
    with Process(PROGRAM, *options) as process:
        assert process.finish() == 2
        assert process.output == "" and "wmproxy --help" in process.lines[-1]


# ----------------------------------------------------------------------------------------------------------- Bad input


def fails(process: Process, *parts: str) -> None:
    """It ends with 1 and one sentence that has these parts."""
    assert process.finish() == 1, process.lines
    messages = [line for line in process.lines if line.startswith("wmproxy: ")]
    assert len(messages) == 1 and messages[0] == process.lines[-1], process.lines
    for part in parts:
        assert part in messages[0]


@pytest.mark.parametrize("options", [[], ["--check"]], ids=["run", "check"])
@pytest.mark.parametrize(
    "config, parts",
    [
        ("tc: true\nbind_adr: 127.0.0.1:0\n", ("config.yaml:2:1", "bind_adr", "did you mean 'bind_addr'")),
        ("proxy:\n  bind_addr: 127.0.0.1:0\n  tc: maybe\n", ("config.yaml:3:7", "maybe")),
        ("bind_addr: [\n", ("config.yaml:",)),
        ("server: 127.0.0.1:1\nmappings:\n  - {name: a, mode: htp, local_addr: 1}\n", ("config.yaml:3:", "htp")),
        ("", ("config.yaml",)),
        ("bind_addr: 127.0.0.1:0\ncert: missing.pem\nkey: missing.key\ntc: true\n", ("missing.pem",)),
    ],
)
def test_a_bad_configuration_is_one_sentence_with_its_place(
    run: Any, config: str, parts: tuple[str, ...], options: list[str]
) -> None:
    fails(run(config, *options), *parts)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with Process(PROGRAM, "-c", tmp_path / "nothing.yaml") as process:
        fails(process, "nothing.yaml")


def test_a_taken_port_is_named(run: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = "127.0.0.1:%d" % taken.getsockname()[1]
        fails(run(server_config(map_http_bind=address)), "map_http_bind", address)


def test_a_client_says_why_it_does_not_connect(run: Any) -> None:
    address = refusing_address()
    client = run(client_config(address, "127.0.0.1:1"))
    line = client.wait_for_line(lambda line: line if "refused" in line else None)
    assert address in line and "warning" in line
    end(client)
