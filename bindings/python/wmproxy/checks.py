"""Validating a configuration, and what goes into one, without starting anything."""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from typing import Any, Union

from ._abi import Role, Status
from ._calls import Config, config_text, encode, encode_path, text_result
from ._calls import check as _check
from ._library import lib

__all__ = ["ConfigReport", "check", "hash_password"]


@dataclass(frozen=True)
class ConfigReport:
    """What a valid configuration describes."""

    role: Role
    """A server or a client."""
    text: str
    """What it would do, in lines for a reader, warnings included."""

    def __str__(self) -> str:
        return self.text


def check(config: Union[Config, os.PathLike[str], None] = None, **options: Any) -> ConfigReport:
    """Validates a configuration as a start would, and starts nothing: opens no port, connects nowhere. ::

        print(wmproxy.check(pathlib.Path("server.yaml")))
        wmproxy.check(bind_addr="127.0.0.1:0", tc=True)

    :param config: a text (YAML or JSON), a mapping, or the path of a file (a ``pathlib.Path``, since a str is a text).
        Certificate and key files that it names are read.
    :param options: its keys as keywords.

    :raises ConfigError: it is wrong; the message names the line and the column. Its subclasses ConfigFileError and
        CertificateError: a file cannot be read, or does not parse.
    """
    if isinstance(config, os.PathLike):
        if options:
            raise TypeError("config: give either a file or keywords, not both")
        function, argument = lib.wmp_config_check_file, encode_path(config)
    else:
        function, argument = lib.wmp_config_check, config_text(config, options, "config")
    role = ctypes.c_int()
    size = 1 << 16
    while True:
        report = ctypes.create_string_buffer(size)
        status: int = function(argument, ctypes.byref(role), report, size)
        if status != Status.EBUFFER or size >= 1 << 26:
            break
        size *= 4
    if status != Status.EBUFFER:
        _check(status)
    return ConfigReport(Role(role.value), report.value.decode("utf-8", "replace").rstrip("\n"))


def hash_password(password: str) -> str:
    """Salts a password for the ``users`` of a server's configuration: by the text in its place a login can be checked,
    and nobody can log in. Another text each time; takes some milliseconds. ::

        wmproxy.Server(users=[{"username": "laptop", "password": wmproxy.hash_password(secret)}], ...)

    :param password: 1 to 1,024 bytes in UTF-8, without a NUL.
    """
    return text_result(lib.wmp_hash_password, encode(password, "password"))
