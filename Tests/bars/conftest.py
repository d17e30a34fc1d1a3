"""Fixtures of the bars, and their figures at the end of the run. Sockets and processes are those of Tests/interop."""

from __future__ import annotations

import contextlib
import resource
from pathlib import Path
from typing import Any, Iterator

import pytest

from crowd import EchoProcess
from figures import Figures
from services import RawService
from tunnel import Tunnel

_figures = pytest.StashKey[Figures]()
_all: list[Figures] = []


def pytest_configure() -> None:
    """A thousand descriptors, the usual soft limit, are too few. Programs that the tests start inherit this."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Any:
    result = yield
    figures = item.stash.get(_figures, None)
    if figures is not None and figures.missed:
        pytest.fail("missed:\n" + "\n".join(figures.missed), pytrace=False)
    return result


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.section("bars")
    for figures in _all:
        for line in figures.lines:
            terminalreporter.write_line(line)


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Figures:
    figures = Figures(request.module.__name__.removeprefix("test_").replace("_", " "))
    request.node.stash[_figures] = figures
    _all.append(figures)
    return figures


@pytest.fixture
def stack() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture
def echo(stack: contextlib.ExitStack) -> EchoProcess:
    """A local service in a process of its own: what it costs is not the tunnel's."""
    return stack.enter_context(EchoProcess())


@pytest.fixture
def raw_service(stack: contextlib.ExitStack) -> RawService:
    return stack.enter_context(contextlib.closing(RawService()))


@pytest.fixture
def tunnel(stack: contextlib.ExitStack, tmp_path: Path, echo: EchoProcess) -> Tunnel:
    """Both ends as processes of the program, with the echo behind them."""
    return stack.enter_context(Tunnel(tmp_path, echo.address, "--stats", 1))
