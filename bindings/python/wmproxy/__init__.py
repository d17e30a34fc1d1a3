"""A reverse tunnel as a library: a program exposes a local service through a machine with a public address.

A *server* runs where visitors can reach it. A *client* runs where the service is, connects out to the server, and
registers *mappings*: "visitors who ask for this domain, or come to this port, go to that local address"::

    import wmproxy

    with wmproxy.Server(bind_addr="127.0.0.1:0", map_http_bind="127.0.0.1:0", tc=True, token=SECRET) as server, \\
         wmproxy.Client(server=server.address("bind_addr"), ts=True, token=SECRET) as client:
        client.wait_ready(timeout=10)
        client.add_mapping(name="web", mode="http", domain="localhost", local_addr="127.0.0.1:8080")
        print(client.mapping_address("web"), server.stats().visitors)

Options are the keys of the configuration files, as keywords. Every error is a ``WMProxyError``, and also the built-in
exception that it is a case of. Times are seconds; None is no limit. Everything may be called from any thread, waits
without the GIL, and lets Ctrl-C through. Messages go to the logger "wmproxy".
"""

from . import errors
from ._abi import EventKind, Role, Status
from ._library import version as library_version
from .checks import ConfigReport, check, hash_password
from .client import Client
from .errors import *
from .events import Event
from .log import disable_logging, enable_logging
from .server import Server
from .stats import Statistics

__version__ = "0.1.0"

__all__ = [
    "Client",
    "ConfigReport",
    "Event",
    "EventKind",
    "Role",
    "Server",
    "Statistics",
    "Status",
    "__version__",
    "check",
    "disable_logging",
    "enable_logging",
    "hash_password",
    "library_version",
]
__all__ += errors.__all__
