"""The server: takes visitors in, and clients that serve them."""

from __future__ import annotations

import os
from typing import Any, Union

from ._calls import Config, check, config_text, encode, encode_path, interruptible, text_result
from ._endpoint import Endpoint, Functions
from ._library import lib

__all__ = ["Server"]


class Server(Endpoint):
    """A tunnel's server. Constructing it starts it; leaving the ``with`` block, or ``stop``, stops it::

        with wmproxy.Server(bind_addr="0.0.0.0:8091", map_http_bind="0.0.0.0:80", tc=True, token=SECRET) as server:
            ...

    The options are the keys of a configuration file, as keywords; ``config`` is such a configuration as a text (YAML
    or JSON) or as a mapping, to which keywords are added. When the constructor returns, every port is open.

    :raises ConfigError: an unknown or ill-typed key, or a value that does not do; the message says where. Its
        subclasses ConfigFileError and CertificateError: a file cannot be read, or does not parse.
    :raises AddressInUseError: a port is taken.
    :raises AddressNotAvailableError: this machine does not have the address.
    :raises AccessError: not permitted, for example a port below 1024.
    :raises ResolveError: a host name was not found.
    :raises OutOfFilesError, SystemCallError: the system refuses.
    """

    _functions = Functions(
        noun="server",
        start=lib.wmp_server_start,
        start_file=lib.wmp_server_start_file,
        stats=lib.wmp_server_stats,
        set_stats_callback=lib.wmp_server_set_stats_callback,
        event_fd=lib.wmp_server_event_fd,
        next_event=lib.wmp_server_next_event,
        stop=lib.wmp_server_stop,
    )

    def __init__(self, config: Config | None = None, **options: Any) -> None:
        self._start(config, options)

    @classmethod
    def from_file(cls, path: Union[str, os.PathLike[str]]) -> Server:
        """Starts a server with the configuration in a file. Raises what the constructor does."""
        server = cls.__new__(cls)
        server._start_file(path)
        return server

    def address(self, listener: str) -> str:
        """The address on which a listener is open, with the port that a 0 became: "127.0.0.1:8091", "[::1]:8091".

        :param listener: the key that configures it: "bind_addr" (clients), "map_http_bind", "map_https_bind",
            "map_tcp_bind" (visitors).

        :raises NotFoundError: there is no such listener, or this server has none.
        """
        return text_result(lib.wmp_server_address, self._live(), encode(listener, "listener"))

    def reload(self, config: Config | None = None, **options: Any) -> None:
        """Goes by another configuration from here on, without losing a connection: certificates, users and their
        grants, limits and timeouts. The options are as for the constructor, all of them, not only those that change.

        Sessions whose user, secret or grant is another now end at once. After an error nothing has changed.

        :raises ConfigError: also: a key differs that cannot change while the server runs; the message names it.
        """
        argument = config_text(config, options, "config")
        interruptible(lambda: check(lib.wmp_server_reload(self._live(), argument)))

    def reload_file(self, path: Union[str, os.PathLike[str]]) -> None:
        """The same with the configuration in a file."""
        argument = encode_path(path)
        interruptible(lambda: check(lib.wmp_server_reload_file(self._live(), argument)))
