"""C programs of the tests, compiled as a user would."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from support import PROGRAM


def compile_c(source: Path, program: Path, *packages: str) -> Path:
    """``packages`` are those of pkg-config; wmproxy is the one beside the program under test."""
    environment = {**os.environ, "PKG_CONFIG_PATH": str(PROGRAM.resolve().parents[1] / "lib" / "pkgconfig")}

    def config(*arguments: str) -> list[str]:
        command = ["pkg-config", *arguments, *packages]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.split()

    flags = [*config("--cflags", "--libs"), f"-Wl,-rpath,{config('--variable=libdir')[0]}"] if packages else []
    compiler = os.environ.get("CC", "cc")
    command = [compiler, "-std=c99", "-Wall", "-Wextra", "-O2", "-o", str(program), str(source), *flags, "-pthread"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return program
