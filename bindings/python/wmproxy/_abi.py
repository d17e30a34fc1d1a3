"""The C interface, written down once: every function, struct and constant of wmproxy.h.

Nothing here loads the library. ``_library`` declares the prototypes from ``FUNCTIONS``; a test compares all of this
with the header.
"""

from __future__ import annotations

import ctypes
from enum import IntEnum
from typing import Any, Mapping, Sequence, Tuple

#: The header that this was written from. A library with the same ABI number that is not older will do.
VERSION = (0, 1, 0)
ABI_VERSION = 0
ADDRESS_SIZE = 320
PASSWORD_SIZE = 160


class _Enum(IntEnum):
    """An enumeration of the header, printed by name in every version of Python."""

    def __str__(self) -> str:
        return f"{type(self).__name__}.{self.name}"


class _OpenEnum(_Enum):
    """An enumeration that a later library may extend: an unknown number becomes a member named ``UNKNOWN_n``."""

    @classmethod
    def _missing_(cls, value: object) -> Any:
        if not isinstance(value, int):
            return None
        member = int.__new__(cls, value)
        member._name_ = f"UNKNOWN_{value}"
        member._value_ = value
        return member


class Status(_OpenEnum):
    """What a call came to: the ``wmp_status`` codes."""

    OK = 0
    AGAIN = 1

    EINVAL = -1
    EHANDLE = -2
    ESTATE = -3
    EDEADLOCK = -4
    EFORKED = -5
    EBUFFER = -6
    ENOTFOUND = -7
    EEXIST = -8

    ECONFIG = -20
    EFILE = -21
    ECERTIFICATE = -22

    EADDRINUSE = -40
    EADDRNOTAVAIL = -41
    EACCES = -42
    ERESOLVE = -43
    EUNREACHABLE = -44
    ENOFILES = -45
    ESYSTEM = -46

    EAUTH = -60
    EPROTOCOL = -61
    EVERSION = -62
    ETLS = -63
    EREFUSED = -64
    ECLOSED = -65

    ECERTEXPIRED = -70
    ECERTNOTYETVALID = -71
    ECERTHOST = -72
    ECERTAUTHORITY = -73
    ECERTFINGERPRINT = -74
    ECERTREQUIRED = -75

    ETIMEOUT = -80

    ENOMEM = -100
    EINTERNAL = -101


class LogLevel(_Enum):
    """The levels of ``wmp_set_log_callback``."""

    ERROR = 1
    WARNING = 2
    INFO = 3
    DEBUG = 4


class Role(_Enum):
    """What a configuration describes."""

    SERVER = 1
    CLIENT = 2


class EventKind(_OpenEnum):
    """What happened. More kinds may come: ignore those you do not know."""

    LISTENING = 1  #: server: a listener is open. ``name``: "map_http_bind" …; ``address``
    SESSION_UP = 2  #: a client has logged in. ``client_id``; ``address``: the other end
    SESSION_DOWN = 3  #: a session has ended. ``client_id``; ``status`` and ``reason``: why
    MAPPING_UP = 4  #: a mapping is registered. ``client_id``; ``name``; ``address``: where visitors reach it
    MAPPING_REFUSED = 5  #: the server did not take a mapping. ``client_id``; ``name``; ``status`` and ``reason``: why
    MAPPING_DOWN = 6  #: a mapping is gone. ``client_id``; ``name``; ``status`` and ``reason``: why
    CONNECT_FAILED = 7  #: client: could not connect or log in, and will try again. ``status`` and ``reason``: why
    STOPPED = 8  #: the server or client is being stopped; no other event follows
    EVENTS_LOST = 9  #: the queue was full, and the oldest were dropped. ``reason``: how many
    LOGIN_FAILED = 10  #: server: who came to ``bind_addr`` did not get in. ``address``; ``status`` and ``reason``: why


class StatsStruct(ctypes.Structure):
    """``wmp_stats``"""

    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("sessions", ctypes.c_uint64),
        ("sessions_total", ctypes.c_uint64),
        ("mappings", ctypes.c_uint64),
        ("streams", ctypes.c_uint64),
        ("streams_total", ctypes.c_uint64),
        ("visitors", ctypes.c_uint64),
        ("visitors_total", ctypes.c_uint64),
        ("bytes_in", ctypes.c_uint64),
        ("bytes_out", ctypes.c_uint64),
        ("refused", ctypes.c_uint64),
        ("login_failures", ctypes.c_uint64),
        ("handshakes", ctypes.c_uint64),
        ("reconnects", ctypes.c_uint64),
        ("http_requests", ctypes.c_uint64),
        ("http_errors", ctypes.c_uint64),
        ("queued_bytes", ctypes.c_uint64),
        ("lanes", ctypes.c_uint64),
        ("connections", ctypes.c_uint64),
        ("logins", ctypes.c_uint64),
        ("ports", ctypes.c_uint64),
        ("vacant_names", ctypes.c_uint64),
        ("udp_visitors", ctypes.c_uint64),
        ("shed", ctypes.c_uint64),
        ("datagrams_dropped", ctypes.c_uint64),
    ]


class EventStruct(ctypes.Structure):
    """``wmp_event``"""

    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("kind", ctypes.c_int32),
        ("status", ctypes.c_int),
        ("time_ms", ctypes.c_int64),
        ("client_id", ctypes.c_char * 80),
        ("name", ctypes.c_char * 80),
        ("address", ctypes.c_char * 80),
        ("reason", ctypes.c_char * 256),
    ]


STRUCTS: Mapping[str, type[ctypes.Structure]] = {
    "wmp_stats": StatsStruct,
    "wmp_event": EventStruct,
}

#: The prefix of its constants in the header -> the enumeration here.
ENUMS: Mapping[str, type[IntEnum]] = {
    "WMP_LOG_": LogLevel,
    "WMP_ROLE_": Role,
    "WMP_EVENT_": EventKind,
    "WMP_": Status,
}

LogCallback = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
StatsCallback = ctypes.CFUNCTYPE(None, ctypes.POINTER(StatsStruct), ctypes.c_void_p)

CALLBACKS: Mapping[str, Any] = {
    "wmp_log_fn": LogCallback,
    "wmp_stats_fn": StatsCallback,
}

# The C types, under short names. A handle is a void pointer; char * in and out are both c_char_p, which takes bytes,
# None and a string buffer.
_status = ctypes.c_int
_int = ctypes.c_int
_u32 = ctypes.c_uint32
_text = ctypes.c_char_p
_size = ctypes.c_size_t
_handle = ctypes.c_void_p
_out = ctypes.POINTER(ctypes.c_void_p)
_role_out = ctypes.POINTER(ctypes.c_int)
_user = ctypes.c_void_p
_stats = ctypes.POINTER(StatsStruct)
_event = ctypes.POINTER(EventStruct)

#: Name -> result, arguments.
FUNCTIONS: Mapping[str, Tuple[Any, Sequence[Any]]] = {
    "wmp_version": (_u32, ()),
    "wmp_version_string": (_text, ()),
    "wmp_abi_version": (_u32, ()),
    "wmp_status_name": (_text, (_status,)),
    "wmp_last_error": (_text, ()),
    "wmp_status_is_retryable": (_int, (_status,)),
    "wmp_set_log_callback": (_status, (_int, LogCallback, _user)),
    "wmp_engine_create": (_status, (_text, _out)),
    "wmp_engine_destroy": (_status, (_handle,)),
    "wmp_hash_password": (_status, (_text, _text, _size)),
    "wmp_config_check": (_status, (_text, _role_out, _text, _size)),
    "wmp_config_check_file": (_status, (_text, _role_out, _text, _size)),
    "wmp_server_start": (_status, (_handle, _text, _out)),
    "wmp_server_start_file": (_status, (_handle, _text, _out)),
    "wmp_server_address": (_status, (_handle, _text, _text, _size)),
    "wmp_server_stats": (_status, (_handle, _stats)),
    "wmp_server_set_stats_callback": (_status, (_handle, _int, StatsCallback, _user)),
    "wmp_server_event_fd": (_int, (_handle,)),
    "wmp_server_next_event": (_status, (_handle, _event, _int)),
    "wmp_server_reload": (_status, (_handle, _text)),
    "wmp_server_reload_file": (_status, (_handle, _text)),
    "wmp_server_stop": (_status, (_handle, _int)),
    "wmp_client_start": (_status, (_handle, _text, _out)),
    "wmp_client_start_file": (_status, (_handle, _text, _out)),
    "wmp_client_wait_ready": (_status, (_handle, _int)),
    "wmp_client_add_mapping": (_status, (_handle, _text, _int)),
    "wmp_client_remove_mapping": (_status, (_handle, _text, _int)),
    "wmp_client_mapping_address": (_status, (_handle, _text, _text, _size)),
    "wmp_client_stats": (_status, (_handle, _stats)),
    "wmp_client_set_stats_callback": (_status, (_handle, _int, StatsCallback, _user)),
    "wmp_client_event_fd": (_int, (_handle,)),
    "wmp_client_next_event": (_status, (_handle, _event, _int)),
    "wmp_client_stop": (_status, (_handle, _int)),
}


def declare(library: ctypes.CDLL) -> None:
    """Gives every function of ``library`` its prototype. AttributeError names one that the library does not have."""
    for name, (result, arguments) in FUNCTIONS.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = list(arguments)
