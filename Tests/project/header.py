"""What include/wmproxy.h declares, read from its text: functions, constants, structs."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HEADER = ROOT / "include" / "wmproxy.h"


def _text():
    text = re.sub(r"/\*.*?\*/", " ", HEADER.read_text(), flags=re.S)
    return re.sub(r"^#.*$", "", text, flags=re.M)


def functions():
    """{name: prototype on one line}"""
    found = re.finditer(r"^((?:const )?\w+(?: \w+)*[ *]+)(wmp_\w+)\(([^;{]*)\);", _text(), flags=re.M)
    return {m[2]: re.sub(r"\s+", " ", f"{m[1].strip()} {m[2]}({m[3]})").replace("* wmp", "*wmp") for m in found}


def callbacks():
    """{name: prototype on one line}"""
    found = re.finditer(r"^typedef (\w+) \(\*(wmp_\w+)\)\(([^;]*)\);", _text(), flags=re.M)
    return {m[2]: re.sub(r"\s+", " ", f"{m[1]} (*{m[2]})({m[3]})") for m in found}


def constants():
    """{name: number}, of all enums"""
    found = re.finditer(r"^\s+(WMP_\w+) = (-?\d+)", _text(), flags=re.M)
    return {m[1]: int(m[2]) for m in found}


def structs():
    """{name: [(field, declaration)]}"""
    result = {}
    for m in re.finditer(r"typedef struct (wmp_\w+) \{(.*?)\} \1;", _text(), flags=re.S):
        fields = [re.sub(r"\s+", " ", field).strip() for field in m[2].split(";")]
        result[m[1]] = [(re.search(r"(\w+)(?:\[\d+\])?$", field)[1], field) for field in fields if field]
    return result
