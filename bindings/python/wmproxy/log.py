"""The engine's log messages, as records of the logger "wmproxy".

There is nothing to switch on: configure ``logging`` as usual. Messages of level INFO and above are always passed on
and filtered there; DEBUG, which tells of single connections, is asked of the engine only if the logger is enabled for
it at the moment when a server or client is made, or when ``enable_logging(logging.DEBUG)`` says so.
"""

from __future__ import annotations

import logging
import threading
from typing import Any

from ._abi import LogCallback, LogLevel, Status
from ._library import lib
from .errors import error

logger = logging.getLogger("wmproxy")
logger.addHandler(logging.NullHandler())

_LEVELS = {
    LogLevel.ERROR: logging.ERROR,
    LogLevel.WARNING: logging.WARNING,
    LogLevel.INFO: logging.INFO,
    LogLevel.DEBUG: logging.DEBUG,
}


class _InsideCallback(threading.local):
    """True on a thread that is in one of this package's callbacks."""

    depth = 0

    def __enter__(self) -> None:
        self.depth += 1

    def __exit__(self, *_: object) -> None:
        self.depth -= 1

    def __bool__(self) -> bool:
        return self.depth > 0


inside_callback = _InsideCallback()


def _log(level: int, message: bytes, user: Any) -> None:
    with inside_callback:
        # What a handler lets out, ctypes reports through sys.unraisablehook.
        logger.log(_LEVELS.get(LogLevel(level), logging.DEBUG), message.decode("utf-8", "replace"))


_pass_on = LogCallback(_log)
_changing = threading.Lock()
_current: LogLevel | None = None
_chosen = False


def _set(level: LogLevel | None) -> None:
    """Tells the engine, where that changes anything."""
    global _current
    # A callback must not wait for a thread that may be waiting for the callbacks to end.
    if level is _current or not _changing.acquire(blocking=not inside_callback):
        return
    try:
        callback = LogCallback() if level is None else _pass_on
        status = lib.wmp_set_log_callback(LogLevel.ERROR if level is None else level, callback, None)
        if status != Status.OK:
            raise error(status, lib.wmp_last_error().decode("utf-8", "replace"))
        _current = level
    finally:
        _changing.release()


def follow() -> None:
    """Passes on what the logger would want now, unless the program has chosen a level or none."""
    if not _chosen:
        _set(LogLevel.DEBUG if logger.isEnabledFor(logging.DEBUG) else LogLevel.INFO)


def enable_logging(level: int = logging.INFO) -> None:
    """Passes the engine's messages of ``level`` and above on to the logger "wmproxy", from now on.

    Without this call that is INFO and above, and DEBUG where the logger is enabled for it. The logger's own level and
    handlers still decide what is shown.

    :param level: a level of ``logging``, such as ``logging.DEBUG``.
    """
    global _chosen
    _chosen = True
    _set(next((ours for ours, theirs in reversed(_LEVELS.items()) if level <= theirs), LogLevel.ERROR))


def disable_logging() -> None:
    """Passes nothing on any more. When this returns, no message is being handled."""
    global _chosen
    _chosen = True
    _set(None)
