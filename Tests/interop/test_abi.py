"""The prototypes of the Python package are those of the header."""

from __future__ import annotations

import ctypes
import re
from dataclasses import fields

import pytest

import wmproxy
from support import ROOT
from wmproxy import _abi, _library, errors

HEADER = (ROOT / "include" / "wmproxy.h").read_text()
CODE = re.sub(r"/\*.*?\*/", " ", HEADER, flags=re.S)
# Without the preprocessor's lines, and without extern "C" { }.
DECLARATIONS = re.sub(r'extern "C" \{|^\s*#.*$', "", CODE, flags=re.M)

POINTER = ctypes.POINTER
SCALARS = {
    "int": ctypes.c_int,
    "wmp_status": ctypes.c_int,
    "wmp_log_level": ctypes.c_int,
    "wmp_role": ctypes.c_int,
    "int32_t": ctypes.c_int32,
    "int64_t": ctypes.c_int64,
    "uint32_t": ctypes.c_uint32,
    "uint64_t": ctypes.c_uint64,
    "size_t": ctypes.c_size_t,
}
POINTERS = {
    "const char *": ctypes.c_char_p,
    "char *": ctypes.c_char_p,
    "void *": ctypes.c_void_p,
    "wmp_engine *": ctypes.c_void_p,
    "wmp_server *": ctypes.c_void_p,
    "wmp_client *": ctypes.c_void_p,
    "wmp_engine **": POINTER(ctypes.c_void_p),
    "wmp_server **": POINTER(ctypes.c_void_p),
    "wmp_client **": POINTER(ctypes.c_void_p),
    "wmp_role *": POINTER(ctypes.c_int),
    "wmp_stats *": POINTER(_abi.StatsStruct),
    "const wmp_stats *": POINTER(_abi.StatsStruct),
    "wmp_event *": POINTER(_abi.EventStruct),
}
TYPES = {**SCALARS, **POINTERS, **_abi.CALLBACKS}


def ctype(text: str, named: bool = True) -> object:
    """The ctypes type of a parameter, "const char *config"."""
    text = " ".join(text.split())
    if named:
        text = re.sub(r"(?<=[\s*])\w+$", "", text).strip() if text not in TYPES else text
    return TYPES[re.sub(r"\s*(\*+)$", r" \1", text)]


def parameters(text: str) -> list[object]:
    return [] if text.strip() == "void" else [ctype(part) for part in text.split(",")]


PROTOTYPES = re.findall(r"^([\w ]+?[\s*]+)(wmp_\w+)\(([^()]*)\);", DECLARATIONS, flags=re.M)
STRUCTS = re.findall(r"typedef struct (wmp_\w+) \{(.*?)\} \1;", DECLARATIONS, flags=re.S)
CALLBACKS = re.findall(r"typedef void \(\*(wmp_\w+)\)\((.*?)\);", DECLARATIONS, flags=re.S)
CONSTANTS = {
    name: int(value)
    for body in re.findall(r"\benum \{(.*?)\};", DECLARATIONS, flags=re.S)
    for name, value in re.findall(r"(WMP_\w+) = (-?\d+)", body)
}


def test_the_header_was_understood() -> None:
    assert len(PROTOTYPES) == DECLARATIONS.count(");") - len(CALLBACKS)
    assert len(STRUCTS) == DECLARATIONS.count("typedef struct") - 3  # the opaque ones
    assert len(CONSTANTS) == len(re.findall(r"WMP_\w+ =", DECLARATIONS))


def test_the_functions_are_those_of_the_header() -> None:
    assert sorted(_abi.FUNCTIONS) == sorted(name for _, name, _ in PROTOTYPES)


@pytest.mark.parametrize("result, name, arguments", PROTOTYPES, ids=[name for _, name, _ in PROTOTYPES])
def test_a_prototype_is_that_of_the_header(result: str, name: str, arguments: str) -> None:
    restype, argtypes = _abi.FUNCTIONS[name]
    assert restype is ctype(result.strip(), named=False)
    assert list(argtypes) == parameters(arguments)
    function = getattr(_library.lib, name)
    assert function.restype is restype
    assert function.argtypes == list(argtypes)


def test_the_callbacks_are_those_of_the_header() -> None:
    assert sorted(_abi.CALLBACKS) == sorted(name for name, _ in CALLBACKS)
    for name, arguments in CALLBACKS:
        callback = _abi.CALLBACKS[name]
        assert callback._restype_ is None
        assert list(callback._argtypes_) == parameters(arguments)


@pytest.mark.parametrize("name, body", STRUCTS, ids=[name for name, _ in STRUCTS])
def test_a_struct_is_that_of_the_header(name: str, body: str) -> None:
    expected = []
    for declaration in body.split(";")[:-1]:
        match = re.fullmatch(r"(\w+) (\w+)(?:\[(\d+)\])?", " ".join(declaration.split()))
        assert match is not None, declaration
        kind, field, count = match.groups()
        expected.append((field, ctypes.c_char * int(count) if kind == "char" else SCALARS[kind]))
    assert list(_abi.STRUCTS[name]._fields_) == expected


def test_the_constants_are_those_of_the_header() -> None:
    ours = {
        prefix + name: int(value) for prefix, enum in _abi.ENUMS.items() for name, value in enum.__members__.items()
    }
    assert ours == CONSTANTS


def test_the_versions_are_those_of_the_header() -> None:
    def macro(name: str) -> str:
        match = re.search(rf"^#define WMP_{name} (\S+)", CODE, flags=re.M)
        assert match is not None
        return match.group(1)

    assert _abi.VERSION == tuple(int(macro(f"VERSION_{part}")) for part in ("MAJOR", "MINOR", "PATCH"))
    assert _abi.ABI_VERSION == int(macro("ABI_VERSION"))
    assert _abi.ADDRESS_SIZE == int(macro("ADDRESS_SIZE"))
    assert wmproxy.__version__ == macro("VERSION_STRING").strip('"') == wmproxy.library_version()


def test_statistics_and_events_have_the_fields_of_the_structs() -> None:
    def names(struct: type[ctypes.Structure]) -> list[str]:
        return [entry[0] for entry in struct._fields_ if entry[0] != "struct_size"]

    assert [field.name for field in fields(wmproxy.Statistics)] == names(_abi.StatsStruct)
    assert [field.name for field in fields(wmproxy.Event)] == [
        {"time_ms": "time"}.get(name, name) for name in names(_abi.EventStruct)
    ]


@pytest.mark.parametrize("status", [status for status in wmproxy.Status if status < 0], ids=lambda status: status.name)
def test_each_failed_status_has_its_exception(status: wmproxy.Status) -> None:
    error = errors.error(status, "what, where, and what to do")
    assert str(error) == "what, where, and what to do"
    assert error.status is status
    assert error.name == f"WMP_{status.name}"
    retryable = re.search(rf"WMP_{status.name} = -\d+,? +/\*[^/]*; retryable \*/", HEADER) is not None
    assert error.retryable is retryable
    assert isinstance(error, wmproxy.WMProxyError)
    if status is not wmproxy.Status.EBUFFER:  # which the package deals with
        assert type(error) is not wmproxy.WMProxyError
        assert type(error).__name__ in wmproxy.__all__


def test_a_status_of_a_later_library_has_the_class_of_its_kind() -> None:
    assert type(errors.error(-39, "")) is wmproxy.ConfigError
    assert type(errors.error(-59, "")) is wmproxy.WMProxyError
    assert errors.error(-59, "").status == -59


def test_all_that_is_exported_exists_and_is_documented() -> None:
    for name in wmproxy.__all__:
        value = getattr(wmproxy, name)
        assert isinstance(value, str) or value.__doc__, name
    for endpoint in (wmproxy.Server, wmproxy.Client):
        for name in dir(endpoint):
            if not name.startswith("_"):
                assert getattr(endpoint, name).__doc__, name
