"""The engine's messages as records of the logger "wmproxy"."""

from __future__ import annotations

import logging
import queue
import re
import time
from typing import Any

import pytest

import wmproxy
from conftest import TOKEN
from services import refusing_address
from support import DEADLINE, run_python


class Records(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.queue: queue.Queue[logging.LogRecord] = queue.Queue()

    def emit(self, record: logging.LogRecord) -> None:
        self.queue.put(record)

    def find(self, *parts: str) -> logging.LogRecord:
        deadline = time.monotonic() + DEADLINE
        while True:
            record = self.queue.get(timeout=max(deadline - time.monotonic(), 0))
            if all(part in record.getMessage() for part in parts):
                return record


@pytest.fixture
def records(monkeypatch: pytest.MonkeyPatch) -> Any:
    logger = logging.getLogger("wmproxy")
    handler = Records()
    logger.addHandler(handler)
    monkeypatch.setattr(logger, "level", logging.INFO)
    logging.getLogger().manager._clear_cache()  # type: ignore[attr-defined]
    yield handler
    logger.removeHandler(handler)


def test_messages_go_to_the_logger(records: Records, start_server: Any, start_client: Any) -> None:
    server = start_server()
    record = records.find(server.address("map_http_bind"))
    assert record.name == "wmproxy" and record.levelno == logging.INFO
    client = start_client(server, ready=False, token="wrong", client_id="edge-9")
    with pytest.raises(wmproxy.AuthError):
        client.wait_ready(None)
    while records.find("127.0.0.1").levelno < logging.WARNING:
        pass


def test_no_message_has_a_secret(records: Records, start_server: Any, start_client: Any) -> None:
    wmproxy.enable_logging(logging.DEBUG)
    logging.getLogger("wmproxy").setLevel(logging.DEBUG)
    try:
        with start_server() as server, start_client(server):
            pass
    finally:
        wmproxy.enable_logging(logging.INFO)
    while not records.queue.empty():
        assert TOKEN not in records.queue.get().getMessage()


def test_logging_can_be_turned_off(records: Records, start_server: Any) -> None:
    wmproxy.disable_logging()
    while not records.queue.empty():
        records.queue.get()
    start_server()
    assert records.queue.empty()
    wmproxy.enable_logging()
    server = start_server()
    records.find(server.address("bind_addr"))


def test_nothing_is_written_by_default() -> None:
    script = """
import wmproxy
with wmproxy.Server(bind_addr="127.0.0.1:0", tc=True) as server: pass
"""
    with run_python(script) as process:
        assert process.finish() == 0
        assert (process.lines, process.output) == ([], "")


def test_a_program_that_shows_warnings_sees_them() -> None:
    script = f"""
import logging, wmproxy
logging.basicConfig(format="%(name)s %(levelname)s %(message)s", level=logging.DEBUG)
with wmproxy.Client(server={refusing_address()!r}, token="t") as client:
    try: client.wait_ready(0.2)
    except TimeoutError: pass
"""
    with run_python(script) as process:
        assert process.finish() == 0
        assert any(re.match("wmproxy (WARNING|ERROR) .*refused", line) for line in process.lines), process.lines
