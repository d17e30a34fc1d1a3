"""A configuration as a text, a mapping, keywords or a file, and what is said about a wrong one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import wmproxy
from conftest import TOKEN, Certificate
from support import DEADLINE, ROOT, split


@pytest.mark.parametrize(
    "text",
    [
        f"bind_addr: 127.0.0.1:0\ntoken: {TOKEN}\n",
        f"proxy:\n  bind_addr: 127.0.0.1:0\n  token: {TOKEN}\n  map_http_bind:\n",
        json.dumps({"bind_addr": "127.0.0.1:0", "token": TOKEN}),
        json.dumps({"proxy": {"bind_addr": "127.0.0.1:0", "token": "b\u00e4r \u2028 \U0001f43b /"}}, indent=4),
        json.dumps({"bind_addr": "127.0.0.1:0", "token": "a/b"}).replace("/", "\\/"),
    ],
)
def test_a_configuration_can_be_a_text(text: str, tmp_path: Path) -> None:
    with wmproxy.Server(text) as server:
        assert split(server.address("bind_addr"))[1] > 0
    file = tmp_path / "s\u00e4rver.yaml"
    file.write_text(text)
    with wmproxy.Server.from_file(file) as server:
        assert split(server.address("bind_addr"))[1] > 0
    with wmproxy.Server.from_file(str(file)) as server:
        assert not server.stopped


def test_a_configuration_can_be_a_mapping_with_keywords_on_top() -> None:
    with wmproxy.Server({"bind_addr": "127.0.0.1:0", "token": "one"}, token=TOKEN) as server:
        with wmproxy.Client(server=server.address("bind_addr"), token=TOKEN) as client:
            client.wait_ready(DEADLINE)


@pytest.mark.parametrize(
    "token", ["gr\u00fc\u00dfe", "\U0001f43b", "a\u2028b", 'quote " \\ slash / #: {}[]', "\ufeff x"]
)
def test_any_text_survives_the_way_into_the_engine(start_server: Any, start_client: Any, token: str) -> None:
    server = start_server(token=token)
    start_client(server, token=token)
    # The same as YAML or JSON writes it must be the same text.
    with wmproxy.Client(json.dumps({"server": server.address("bind_addr"), "ts": True, "token": token})) as client:
        client.wait_ready(DEADLINE)


def test_paths_are_taken_as_texts(start_server: Any, certificate: Certificate) -> None:
    start_server(map_https_bind="127.0.0.1:0", map_cert=certificate.cert, map_key=certificate.key)


def test_text_and_keywords_together_are_a_type_error() -> None:
    with pytest.raises(TypeError):
        wmproxy.Server("bind_addr: 127.0.0.1:0", tc=True)
    with pytest.raises(TypeError):
        wmproxy.Server(bind_addr=object())
    with pytest.raises(TypeError):
        wmproxy.Server(7)  # type: ignore[arg-type, unused-ignore]
    with pytest.raises(ValueError):
        wmproxy.Server("bind_addr: 127.0.0.1:0\0")


def test_an_unknown_key_is_a_config_error_that_knows_a_better_one() -> None:
    with pytest.raises(wmproxy.ConfigError) as caught:
        wmproxy.Server("tc: true\nbind_adr: 127.0.0.1:0\n")
    assert "bind_adr" in str(caught.value) and "did you mean 'bind_addr'" in str(caught.value)
    assert str(caught.value).startswith("line 2, column 1: ")
    assert (caught.value.status, caught.value.name) == (wmproxy.Status.ECONFIG, "WMP_ECONFIG")
    assert not caught.value.retryable
    assert issubclass(wmproxy.ConfigError, ValueError)
    with pytest.raises(wmproxy.ConfigError, match="did you mean 'bind_addr'"):
        wmproxy.Server(bind_adr="127.0.0.1:0")


@pytest.mark.parametrize(
    "text, place, hint",
    [
        ("tc: true\nbind_addr: 127.0.0.1:99999\n", (2, 12), "99999"),
        ("bind_addr: 127.0.0.1:0\ntc: perhaps\n", (2, 5), "perhaps"),
        ("bind_addr: 127.0.0.1:0\nmappings: 3\n", (2, 1), "mappings"),
        ("tc: true\nbind_addr: [1, 2\n", (3, 1), "did not find"),
        ("bind_addr: 127.0.0.1:0\nbind_addr: 127.0.0.1:0\n", (2, 1), "bind_addr"),
        ("- a\n- b\n", (1, 1), ""),
    ],
)
def test_a_config_error_names_the_place(text: str, place: tuple[int, int], hint: str, tmp_path: Path) -> None:
    with pytest.raises(wmproxy.ConfigError) as caught:
        wmproxy.Server(text)
    assert "line {}, column {}: ".format(*place) in str(caught.value) and hint in str(caught.value)
    file = tmp_path / "server.yaml"
    file.write_text(text)
    with pytest.raises(wmproxy.ConfigError) as caught:
        wmproxy.Server.from_file(file)
    assert "{}:{}:{}: ".format(file, *place) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_wrong_role_is_a_config_error() -> None:
    with pytest.raises(wmproxy.ConfigError):
        wmproxy.Server(server="127.0.0.1:1", token=TOKEN)
    with pytest.raises(wmproxy.ConfigError):
        wmproxy.Client(bind_addr="127.0.0.1:0", token=TOKEN)


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    for start in (wmproxy.Server.from_file, wmproxy.Client.from_file, wmproxy.check):
        with pytest.raises(OSError) as caught:
            start(tmp_path / "nothing.yaml")
        assert isinstance(caught.value, wmproxy.ConfigFileError)
        assert "nothing.yaml" in str(caught.value)


def test_a_certificate_that_does_not_parse_is_named(tmp_path: Path, certificate: Certificate) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    with pytest.raises(wmproxy.CertificateError, match="broken.pem"):
        wmproxy.Server(bind_addr="127.0.0.1:0", token=TOKEN, tc=True, cert=broken, key=certificate.key)
    with pytest.raises(wmproxy.ConfigFileError, match="missing.pem"):
        wmproxy.Server(bind_addr="127.0.0.1:0", token=TOKEN, tc=True, cert=tmp_path / "missing.pem", key=broken)


def test_a_check_tells_what_a_start_would_do() -> None:
    report = wmproxy.check(bind_addr="127.0.0.1:8091", map_http_bind="127.0.0.1:8001", tc=True, token=TOKEN)
    assert report.role is wmproxy.Role.SERVER
    assert "127.0.0.1:8091" in str(report) and "127.0.0.1:8001" in str(report)
    assert TOKEN not in str(report)
    assert wmproxy.check(f"server: 127.0.0.1:8091\ntoken: {TOKEN}").role is wmproxy.Role.CLIENT
    for name, role in (("server.yaml", wmproxy.Role.SERVER), ("client.yaml", wmproxy.Role.CLIENT)):
        assert wmproxy.check(ROOT / "config" / name).role is role
    with pytest.raises(wmproxy.ConfigError):
        wmproxy.check("bind_adr: 1")
