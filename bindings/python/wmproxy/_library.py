"""Finds and loads libwmproxy, and makes sure that it is one this package was written for.

The places, in order: the file that ``WMPROXY_LIBRARY`` names (then no other is tried); ``_lib/`` beside this module,
where a wheel has it; ``dist/lib`` of the source tree that this module is in; the system's library path.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Iterator

from . import _abi

SONAME = f"libwmproxy.so.{_abi.ABI_VERSION}"


def _places() -> Iterator[str]:
    chosen = os.environ.get("WMPROXY_LIBRARY")
    if chosen:
        yield chosen
        return
    here = Path(__file__).resolve().parent
    packaged = here / "_lib" / SONAME
    if packaged.exists():
        yield str(packaged)
    # bindings/python/wmproxy -> the root of the source tree
    root = here.parent.parent.parent
    built = root / "dist" / "lib" / SONAME
    if (root / "include" / "wmproxy.h").exists() and built.exists():
        yield str(built)
    yield SONAME


def _check_version(library: ctypes.CDLL, place: str) -> None:
    abi = int(library.wmp_abi_version())
    number = int(library.wmp_version())
    version = (number >> 16, number >> 8 & 0xFF, number & 0xFF)
    # "While [the ABI version] is 0, a minor version may change it."
    same_minor = abi != 0 or version[:2] == _abi.VERSION[:2]
    if abi != _abi.ABI_VERSION or not same_minor or version < _abi.VERSION:
        raise ImportError(
            f"{place} is version {'.'.join(map(str, version))} (ABI {abi}), but this package needs "
            f"{'.'.join(map(str, _abi.VERSION))} (ABI {_abi.ABI_VERSION}): install the two together",
            name="wmproxy",
            path=place,
        )


def _load() -> tuple[ctypes.CDLL, str]:
    failures = []
    for place in _places():
        try:
            library = ctypes.CDLL(place)
        except OSError as error:
            failures.append(str(error))
            continue
        try:
            library.wmp_abi_version.restype = library.wmp_version.restype = ctypes.c_uint32
            _check_version(library, place)
            _abi.declare(library)
        except AttributeError as error:
            raise ImportError(f"{place} is not a libwmproxy of this version: {error}", name="wmproxy") from error
        return library, place
    raise ImportError(
        f"cannot load {SONAME} ({'; '.join(failures)}): install libwmproxy, or let the environment variable "
        "WMPROXY_LIBRARY name its file",
        name="wmproxy",
    )


lib, path = _load()


def version() -> str:
    """The version of the library in use, such as "0.1.0"."""
    text: bytes = lib.wmp_version_string()
    return text.decode()
