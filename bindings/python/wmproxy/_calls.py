"""How a call crosses into C: texts, times, statuses, and waiting that Ctrl-C can interrupt."""

from __future__ import annotations

import ctypes
import json
import math
import os
import re
import threading
from typing import Any, Callable, Mapping, TypeVar, Union

from . import _abi
from ._abi import Status
from ._library import lib
from .errors import error

T = TypeVar("T")

#: A configuration: a text in YAML or JSON, or the same as a mapping.
Config = Union[str, Mapping[str, Any]]

#: Signals reach Python code only between two bytecodes, so no single wait in C is longer than this.
SLICE = 0.2

_MAX_MS = 2**31 - 1

# Valid in a JSON string, but not in YAML, or folded there as line ends.
_YAML_UNSAFE = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


def last_error() -> str:
    """The engine's message for the last call of this thread that failed."""
    text: bytes = lib.wmp_last_error()
    return text.decode("utf-8", "replace")


def check(status: int) -> int:
    """Raises the exception for a failed status; returns any other."""
    if status < 0:
        raise error(status, last_error())
    return status


def encode(text: str, what: str) -> bytes:
    """A text for C, which ends at a NUL."""
    if not isinstance(text, str):
        raise TypeError(f"{what} must be a str, not {type(text).__name__}")
    if "\0" in text:
        raise ValueError(f"{what} must not contain a NUL character")
    try:
        return text.encode()
    except UnicodeEncodeError as failure:
        raise ValueError(f"{what} is not valid Unicode: {failure}") from None


def encode_path(path: Union[str, os.PathLike[str]]) -> bytes:
    encoded = os.fsencode(path)
    if b"\0" in encoded:
        raise ValueError("a path must not contain a NUL character")
    return encoded


def config_text(config: Config | None, options: Mapping[str, Any], what: str) -> bytes:
    """One text from what a caller gave: a text, a mapping, keywords, or a mapping with keywords on top."""
    if isinstance(config, str):
        if options:
            raise TypeError(f"{what}: give either a text or keywords, not both")
        return encode(config, what)
    if config is not None and not isinstance(config, Mapping):
        raise TypeError(f"{what} must be a str or a mapping, not {type(config).__name__}")
    text = json.dumps({**(config or {}), **options}, ensure_ascii=False, allow_nan=False, default=_jsonable)
    return encode(_YAML_UNSAFE.sub(lambda match: f"\\u{ord(match.group()):04x}", text), what)


def _jsonable(value: object) -> object:
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a configuration holds texts, numbers, booleans, lists and mappings, not {type(value).__name__}")


def milliseconds(seconds: float | None, what: str) -> int:
    """Seconds as a C timeout: rounded up, so that a short wait is a wait; None is no limit."""
    if seconds is None:
        return -1
    if not seconds >= 0:  # also NaN
        raise ValueError(f"{what} must be a number of seconds, 0 or more, or None, not {seconds!r}")
    return _MAX_MS if seconds * 1000 >= _MAX_MS else math.ceil(seconds * 1000)


def text_result(function: Callable[..., int], *arguments: object) -> str:
    """Calls a function that writes a text into a buffer: its last two parameters are the buffer and its size."""
    size = _abi.ADDRESS_SIZE
    while True:
        buffer = ctypes.create_string_buffer(size)
        status = function(*arguments, buffer, size)
        if status == Status.EBUFFER and size < 1 << 24:
            size *= 4
            continue
        check(status)
        return buffer.value.decode("utf-8", "replace")


def interruptible(call: Callable[[], T]) -> T:
    """Runs a call that may wait in C and cannot be cut in slices, so that Ctrl-C still gets through.

    Signal handlers run in the main thread. There, the call is made on a thread of its own while this one waits, which
    a signal interrupts; the call then goes on by itself.
    """
    if threading.current_thread() is not threading.main_thread():
        return call()
    results: list[T] = []
    failures: list[BaseException] = []
    done = threading.Event()

    def run() -> None:
        try:
            results.append(call())
        except BaseException as failure:
            failures.append(failure)
        finally:
            done.set()

    try:
        threading.Thread(target=run, name="wmproxy-call", daemon=True).start()
    except RuntimeError:  # no new thread: the interpreter is shutting down, or the system has none left
        return call()
    done.wait()
    if failures:
        failure = failures.pop()
        try:
            raise failure
        finally:
            del failure  # its traceback holds this frame
    return results[0]
