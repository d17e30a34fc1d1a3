"""The client: carries a server's visitors to local services."""

from __future__ import annotations

import os
import time
from typing import Any, Union

from ._abi import Status
from ._calls import SLICE, Config, check, config_text, encode, interruptible, milliseconds, text_result
from ._endpoint import Endpoint, Functions
from ._library import lib
from .errors import WaitTimeoutError

__all__ = ["Client"]


class Client(Endpoint):
    """A tunnel's client. Constructing it starts it; leaving the ``with`` block, or ``stop``, stops it::

        with wmproxy.Client(server="tunnel.example.com:8091", ts=True, token=SECRET) as client:
            client.wait_ready()
            client.add_mapping(name="web", mode="http", domain="www.example.com", local_addr="127.0.0.1:8080")
            ...

    The options are the keys of a configuration file, as keywords; ``config`` is such a configuration as a text (YAML
    or JSON) or as a mapping, to which keywords are added. The constructor returns at once. Connecting goes on in the
    background for as long as the client runs: when the server is not up yet, when it goes away, when it refuses the
    login.

    :raises ConfigError: an unknown or ill-typed key, a value that does not do, or no way to know the server from an
        impostor; the message says where. Its subclasses ConfigFileError and CertificateError: a file cannot be read,
        or does not parse.
    :raises OutOfFilesError, SystemCallError: the system refuses.
    """

    _functions = Functions(
        noun="client",
        start=lib.wmp_client_start,
        start_file=lib.wmp_client_start_file,
        stats=lib.wmp_client_stats,
        set_stats_callback=lib.wmp_client_set_stats_callback,
        event_fd=lib.wmp_client_event_fd,
        next_event=lib.wmp_client_next_event,
        stop=lib.wmp_client_stop,
    )

    def __init__(self, config: Config | None = None, **options: Any) -> None:
        self._start(config, options)

    @classmethod
    def from_file(cls, path: Union[str, os.PathLike[str]]) -> Client:
        """Starts a client with the configuration in a file. Raises what the constructor does."""
        client = cls.__new__(cls)
        client._start_file(path)
        return client

    def wait_ready(self, timeout: float | None = 10.0) -> None:
        """Waits until the client is logged in and the server has answered for every mapping.

        :param timeout: seconds; None: no limit.

        :raises WaitTimeoutError: not in time; the message has the reason of the last attempt.
        :raises AuthError, TLSError, ProtocolError, PeerVersionError: the last attempt failed in a way that waiting
            does not help.
        :raises AlreadyExistsError, RefusedError, AddressInUseError, AddressNotAvailableError, AccessError: the server
            did not take a mapping; the message says which and why. The others are up.
        :raises ClosedError: another thread is stopping the client.

        In each case the client goes on trying.
        """
        milliseconds(timeout, "timeout")
        deadline = None if timeout is None else time.monotonic() + timeout
        handle = self._live()
        while True:
            remaining = SLICE if deadline is None else max(deadline - time.monotonic(), 0)
            status = lib.wmp_client_wait_ready(handle, milliseconds(min(remaining, SLICE), "timeout"))
            if status == Status.OK:
                return
            if status not in (Status.AGAIN, Status.ETIMEOUT):
                check(status)
            if deadline is not None and time.monotonic() >= deadline:
                check(status)
                raise WaitTimeoutError("the client is not ready yet")

    def add_mapping(self, mapping: Config | None = None, *, timeout: float | None = 10.0, **options: Any) -> None:
        """Adds a mapping, and waits until the server has taken it: visitors are served from then on. It is kept for
        sessions to come. ::

            client.add_mapping(name="web", mode="http", domain="www.example.com", local_addr="127.0.0.1:8080")

        :param mapping: one entry of a configuration's ``mappings``, as a text or a mapping; or give it as keywords.
        :param timeout: seconds to wait for the server's answer; 0: do not wait, an event will tell; None: no limit.

        :raises ConfigError: a key or value that does not do.
        :raises AlreadyExistsError: its name, domain or port is taken by another mapping.
        :raises RefusedError, AddressInUseError, AddressNotAvailableError, AccessError: the server said no.
        :raises ClosedError: the client is being stopped.
        :raises WaitTimeoutError: no answer yet. Only then it *is* added, and will be registered when the server is
            there: remove it if that is not wanted. The same holds if Ctrl-C ends the wait.
        """
        text = config_text(mapping, options, "mapping")
        timeout_ms = milliseconds(timeout, "timeout")
        handle = self._live()
        self._wait(lambda: check(lib.wmp_client_add_mapping(handle, text, timeout_ms)), timeout_ms)

    def remove_mapping(self, name: str, timeout: float | None = 10.0) -> None:
        """Removes a mapping, and waits until the server takes no more visitors for it. Visitors who are there stay.

        :param timeout: seconds to wait for the server's answer; 0: do not wait; None: no limit.

        :raises NotFoundError: there is no mapping of this name.
        :raises WaitTimeoutError: no answer yet. It is removed here, and the server was told.
        """
        encoded = encode(name, "name")
        timeout_ms = milliseconds(timeout, "timeout")
        handle = self._live()
        self._wait(lambda: check(lib.wmp_client_remove_mapping(handle, encoded, timeout_ms)), timeout_ms)

    def mapping_address(self, name: str) -> str:
        """Where visitors reach a mapping: "203.0.113.7:5432" for tcp, a URL such as "http://localhost:8001" for http.

        :raises NotFoundError: there is no mapping of this name.
        :raises StateError: it is not registered at the moment.
        """
        return text_result(lib.wmp_client_mapping_address, self._live(), encode(name, "name"))

    @staticmethod
    def _wait(call: Any, timeout_ms: int) -> None:
        if timeout_ms == 0:
            call()
        else:
            interruptible(call)
