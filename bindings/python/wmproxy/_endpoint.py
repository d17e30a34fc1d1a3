"""What a server and a client have in common: a handle that lives until the stop, statistics, events."""

from __future__ import annotations

import _thread
import atexit
import ctypes
import os
import threading
import time
import warnings
import weakref
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Callable, Iterator, TypeVar, Union

from . import log
from ._abi import EventStruct, StatsCallback, StatsStruct, Status
from ._calls import SLICE, Config, check, config_text, encode_path, interruptible, milliseconds
from .errors import ClosedError, DeadlockError, StoppedError
from .events import Event, EventKind
from .stats import Statistics

E = TypeVar("E", bound="Endpoint")

StatsFunction = Callable[[Statistics], object]


@dataclass(frozen=True)
class Functions:
    """The C functions of one kind of handle."""

    noun: str
    start: Any
    start_file: Any
    stats: Any
    set_stats_callback: Any
    event_fd: Any
    next_event: Any
    stop: Any


class _StatsSlot:
    """Holds the callback of one endpoint, and the C function that calls it: one for life, whatever is set.

    It knows nothing of the endpoint, so that an endpoint that nobody holds any more can go.
    """

    def __init__(self) -> None:
        self.function: StatsFunction | None = None
        self.thunk = StatsCallback(self._call)

    def _call(self, stats: Any, user: object) -> None:
        function = self.function
        if function is not None:
            with log.inside_callback:
                # What this raises, ctypes reports through sys.unraisablehook.
                function(Statistics._from_struct(stats.contents))


class Endpoint:
    """A running server or client. Any method may be called from any thread."""

    _functions: Functions
    _handle: int | None = None
    _pid: int = 0

    def _start(self, config: Config | None, options: dict[str, Any]) -> None:
        argument = config_text(config, options, "config")
        interruptible(lambda: self._begin(self._functions.start, argument))

    def _start_file(self, path: Union[str, os.PathLike[str]]) -> None:
        argument = encode_path(path)
        interruptible(lambda: self._begin(self._functions.start_file, argument))

    # If Ctrl-C ends the wait for this, nobody holds the object when it is done, and it stops what it started.
    def _begin(self, start: Any, argument: bytes) -> None:
        log.follow()
        self._stopping = threading.Lock()
        self._stats_slot = _StatsSlot()
        out = ctypes.c_void_p()
        check(start(None, argument, ctypes.byref(out)))
        self._pid = os.getpid()
        self._handle = out.value
        with _registry:
            _running.add(self)

    def _live(self) -> int:
        """The handle, of one that has not been stopped."""
        if self._handle is None:
            raise StoppedError(f"this {self._functions.noun} has been stopped")
        return self._handle

    @property
    def stopped(self) -> bool:
        """Whether it has been stopped."""
        return self._handle is None

    def stop(self, drain: float | None = 0.0) -> None:
        """Stops it, and returns when it has stopped. Leaving the ``with`` block does the same.

        :param drain: seconds that visitors who are there may take to finish; None: as long as they want.

        Stopping what is stopped does nothing. If another thread is stopping it, this waits for that.

        :raises DeadlockError: called from a callback, which the stop would have to wait for.
        """
        drain_ms = milliseconds(drain, "drain")
        if self._pid != os.getpid():  # a fork's child: it is the parent's to stop
            self._handle = None
        if self._handle is None:
            return
        if log.inside_callback:
            raise DeadlockError(f"a {self._functions.noun} cannot be stopped from inside a callback")
        interruptible(lambda: self._stop(drain_ms))

    def _stop(self, drain_ms: int) -> None:
        with self._stopping:
            handle = self._handle
            if handle is None:
                return
            status = self._functions.stop(handle, drain_ms)
            if status != Status.EHANDLE:
                check(status)
            self._handle = None
        with _registry:
            _running.discard(self)
        self._stats_slot.function = None

    def __enter__(self: E) -> E:
        self._live()  # entering a stopped one is a mistake
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def __del__(self) -> None:
        handle = self._handle
        if handle is None or self._pid != os.getpid():
            return
        warnings.warn(f"unstopped {self!r}: use `with`, or stop it", ResourceWarning, stacklevel=2, source=self)
        # A finalizer runs anywhere: in a callback, or with any lock held. So it waits for nothing.
        try:
            _thread.start_new_thread(_stop_abandoned, (self._functions.stop, handle, self._stats_slot))
        except RuntimeError:
            self._functions.stop(handle, 0)

    def stats(self) -> Statistics:
        """The counters of this moment."""
        struct = StatsStruct(struct_size=ctypes.sizeof(StatsStruct))
        check(self._functions.stats(self._live(), ctypes.byref(struct)))
        return Statistics._from_struct(struct)

    def on_stats(self, interval: float, callback: StatsFunction | None) -> None:
        """Has ``callback`` called with a ``Statistics`` again and again, in place of the callback before.

        :param interval: seconds between two calls, at least 0.01.
        :param callback: runs on a thread of the engine and may call anything but ``stop``. An exception that it
            raises goes to ``sys.unraisablehook``, and the calls go on. None ends them.

        When this returns, the callback before is not running and will not be called again (from inside it: once it
        has returned). So do not call this while holding a lock that it takes.

        :raises InvalidArgumentError: the interval is too short.
        """
        interval_ms = max(milliseconds(interval, "interval"), 1)  # 0 would end it
        slot = self._stats_slot
        before, slot.function = slot.function, callback
        try:
            thunk = StatsCallback() if callback is None else slot.thunk
            check(self._functions.set_stats_callback(self._live(), interval_ms, thunk, None))
        except BaseException:
            slot.function = before
            raise

    def fileno(self) -> int:
        """A descriptor that is readable while events are waiting, for select, asyncio and their like.

        When it is readable, take events with ``next_event(0)`` until there is none. The descriptor belongs to the
        engine: do not read or close it, and take it out of your loop before the stop.
        """
        descriptor: int = self._functions.event_fd(self._live())
        return check(descriptor)

    def next_event(self, timeout: float | None = None) -> Event | None:
        """Takes the oldest event out of the queue, or returns None if none came in time.

        :param timeout: seconds to wait for one; 0: do not wait; None: no limit.

        The queue holds 1,024 events from the start on; if nobody takes them, the oldest make room. Of several threads
        that wait, one gets each event.

        :raises ClosedError: it is being stopped, and the last event, ``EventKind.STOPPED``, has been taken.
        """
        milliseconds(timeout, "timeout")
        deadline = None if timeout is None else time.monotonic() + timeout
        struct = EventStruct(struct_size=ctypes.sizeof(EventStruct))
        handle = self._live()
        while True:
            remaining = SLICE if deadline is None else max(deadline - time.monotonic(), 0)
            wait_ms = milliseconds(min(remaining, SLICE), "timeout")
            status = self._functions.next_event(handle, ctypes.byref(struct), wait_ms)
            if status == Status.OK:
                return Event._from_struct(struct)
            if status == Status.EHANDLE:
                raise ClosedError(f"this {self._functions.noun} has been stopped")
            check(status)
            if deadline is not None and time.monotonic() >= deadline:
                return None

    def events(self, timeout: float | None = None) -> Iterator[Event]:
        """Iterates over the events, those that are waiting first.

        :param timeout: ends when none has come for so many seconds; None: only when it is stopped.
        """
        milliseconds(timeout, "timeout")
        self._live()
        return self._iterate(timeout)

    def _iterate(self, timeout: float | None) -> Iterator[Event]:
        while self._handle is not None:
            try:
                event = self.next_event(timeout)
            except (ClosedError, StoppedError):
                return
            if event is None:
                return
            yield event
            if event.kind == EventKind.STOPPED:
                return

    def __repr__(self) -> str:
        return f"<wmproxy.{type(self).__name__} {'stopped' if self._handle is None else 'running'}>"


def _stop_abandoned(stop: Any, handle: int, slot: _StatsSlot) -> None:
    stop(handle, 0)  # the slot is there because its callback may be running until now


_registry = threading.Lock()
_running: weakref.WeakSet[Endpoint] = weakref.WeakSet()


@atexit.register
def _stop_all() -> None:
    """Nothing of the engine may call into an interpreter that is being taken down."""
    with _registry:
        running = list(_running)
    for endpoint in running:
        handle = endpoint._handle
        if handle is not None and endpoint._pid == os.getpid():
            # ESTATE: another thread is in a stop that drains. Its callbacks end here.
            endpoint._functions.set_stats_callback(handle, 0, StatsCallback(), None)
            if endpoint._functions.stop(handle, 0) == Status.OK:
                endpoint._handle = None
    log.disable_logging()
