#!/usr/bin/env python3
"""Prints the whole binary interface as text: prototypes, constants, and the layout of the structs as the compiler has
it. Tests/project/abi.txt is that text, checked in, so that a change shows in a review. `abi.py --write` renews it."""

import subprocess
import sys
import tempfile
from pathlib import Path

import header

LISTING = Path(__file__).parent / "abi.txt"


def layout():
    lines = ["#include <stdio.h>", '#include "wmproxy.h"', "int main(void) {"]
    for struct, fields in header.structs().items():
        lines.append(f'printf("struct {struct} size %zu\\n", sizeof({struct}));')
        for name, declaration in fields:
            where = f"offsetof({struct}, {name}), sizeof((({struct} *)0)->{name})"
            lines.append(f'printf("    %4zu %4zu  {declaration}\\n", {where});')
    lines.append("return 0; }")
    with tempfile.TemporaryDirectory() as directory:
        source, program = Path(directory, "layout.c"), Path(directory, "layout")
        source.write_text("\n".join(lines))
        subprocess.run(["cc", "-I", str(header.HEADER.parent), "-o", str(program), str(source)], check=True)
        return subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout


def listing():
    parts = [f"{prototype};" for _, prototype in sorted(header.functions().items())]
    parts += [f"{prototype};" for _, prototype in sorted(header.callbacks().items())]
    parts += [f"{name} = {value}" for name, value in header.constants().items()]
    return "\n".join(parts) + "\n" + layout()


if __name__ == "__main__":
    if "--write" in sys.argv:
        LISTING.write_text(listing())
    else:
        print(listing(), end="")
