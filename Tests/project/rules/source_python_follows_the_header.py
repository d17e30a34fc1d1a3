#!/usr/bin/env python3
"""The Python prototypes, callbacks, constants and structs are those of the header, type by type."""

import ctypes
import importlib.util
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import abi  # noqa: E402
import header  # noqa: E402

spec = importlib.util.spec_from_file_location("_abi", header.ROOT / "bindings/python/wmproxy/_abi.py")
python = importlib.util.module_from_spec(spec)
spec.loader.exec_module(python)

SCALARS = {
    "void": None,
    "int": ctypes.c_int,
    "wmp_status": ctypes.c_int,
    "wmp_log_level": ctypes.c_int,
    "wmp_role": ctypes.c_int,
    "int32_t": ctypes.c_int32,
    "int64_t": ctypes.c_int64,
    "uint32_t": ctypes.c_uint32,
    "uint64_t": ctypes.c_uint64,
    "size_t": ctypes.c_size_t,
    "char *": ctypes.c_char_p,
    "void *": ctypes.c_void_p,
    "wmp_engine *": ctypes.c_void_p,
    "wmp_server *": ctypes.c_void_p,
    "wmp_client *": ctypes.c_void_p,
}


def ctype(text):
    """The ctypes type of a C type."""
    text = text.replace("const ", "").strip()
    text = re.sub(r"\s*(\*+)", r" \1", text)
    if text in SCALARS:
        return SCALARS[text]
    if text in python.CALLBACKS:
        return python.CALLBACKS[text]
    if text in python.STRUCTS:
        return python.STRUCTS[text]
    return ctypes.POINTER(ctype(text[:-1]))


def signature(prototype):
    result, parameters = re.fullmatch(r"(.*?) ?(?:\*?wmp_\w+|\(\*wmp_\w+\))\((.*)\)", prototype).groups()
    if re.search(r" \*wmp_\w+\(", prototype):
        result += " *"
    types = [] if parameters == "void" else [re.sub(r"\w+$", "", p.strip()) for p in parameters.split(",")]
    return ctype(result), [ctype(t) for t in types]


wrong = []


def compare(what, declared, here):
    for name in sorted(set(declared) - set(here)):
        wrong.append(f"{what} {name}: missing in Python")
    for name in sorted(set(here) - set(declared)):
        wrong.append(f"{what} {name}: only in Python")
    for name in sorted(set(declared) & set(here)):
        if declared[name] != here[name]:
            wrong.append(f"{what} {name}: {here[name]} in Python, {declared[name]} in the header")


compare("function", {name: signature(text) for name, text in header.functions().items()},
        {name: (result, list(arguments)) for name, (result, arguments) in python.FUNCTIONS.items()})
compare("callback", {name: signature(text) for name, text in header.callbacks().items()},
        {name: (kind._restype_, list(kind._argtypes_)) for name, kind in python.CALLBACKS.items()})
compare("constant", header.constants(),
        {prefix + member.name: int(member) for prefix, kind in python.ENUMS.items() for member in kind})

layouts = {}
for name, kind in python.STRUCTS.items():
    layouts[f"struct {name} size {ctypes.sizeof(kind)}"] = [
        (getattr(kind, field).offset, getattr(kind, field).size, field) for field, *_ in kind._fields_]
declared, fields = {}, []
for line in abi.layout().splitlines():
    if line.startswith("struct"):
        fields = declared[line] = []
    else:
        offset, size, declaration = line.split(None, 2)
        fields.append((int(offset), int(size), re.search(r"(\w+)(?:\[\d+\])?$", declaration)[1]))
compare("layout", declared, layouts)

macros = {name: int(value) for name, value in
          re.findall(r"^#define WMP_(\w+) (\d+)$", header.HEADER.read_text(), flags=re.M)}
compare("macro", macros, {
    "VERSION_MAJOR": python.VERSION[0], "VERSION_MINOR": python.VERSION[1], "VERSION_PATCH": python.VERSION[2],
    "ABI_VERSION": python.ABI_VERSION, "ADDRESS_SIZE": python.ADDRESS_SIZE,
    "PASSWORD_SIZE": python.PASSWORD_SIZE})
sys.exit("\n".join(wrong) or None)
