"""A certificate authority of the tests' own, by the openssl program."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

CONFIG = """
[ca]
default_ca = this
[this]
database = {directory}/index.txt
serial = {directory}/serial
new_certs_dir = {directory}
default_md = sha256
policy = any
copy_extensions = copy
unique_subject = no
[any]
commonName = supplied
[req]
distinguished_name = name
[name]
[leaf]
basicConstraints = critical,CA:FALSE
[link]
basicConstraints = critical,CA:TRUE
"""

KEYS = {
    "ec": ("ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
    "rsa": ("rsa:2048",),
    "ed25519": ("ed25519",),
}


@dataclass(frozen=True)
class Files:
    """A certificate, with the links above it but for the root, and its key."""

    cert: Path
    key: Path


class Authority:
    """Signs what it is asked to; ``cert`` is its own certificate, the root."""

    def __init__(self, directory: Path, above: Authority | None = None, name: str = "Test Authority") -> None:
        directory.mkdir()
        self.directory = directory
        self.above = above
        self.config = directory / "ca.cnf"
        self.config.write_text(CONFIG.format(directory=directory))
        (directory / "index.txt").touch()
        (directory / "serial").write_text("1000\n")
        self.cert, self.key = directory / "root.pem", directory / "root.key"
        if above is None:
            self._run(
                *("req", "-x509", "-nodes", "-days", 2, "-subj", f"/CN={name}", "-newkey", *KEYS["ec"]),
                *("-addext", "basicConstraints=critical,CA:TRUE", "-keyout", self.key, "-out", self.cert),
            )
        else:
            files = above.sign(name, extensions="link")
            files.cert.rename(self.cert)
            files.key.rename(self.key)

    def sign(
        self,
        name: str,
        *alternatives: str,
        kind: str = "ec",
        begin: str = "20240101000000Z",
        end: str = "20991231235959Z",
        extensions: str = "leaf",
    ) -> Files:
        """A certificate whose common name is ``name``; ``alternatives`` such as "DNS:localhost"."""
        stem = f"{len(list(self.directory.iterdir()))}"
        request, cert, key = (self.directory / f"{stem}.{ending}" for ending in ("csr", "crt", "pkey"))
        names = ("-addext", "subjectAltName=" + ",".join(alternatives)) if alternatives else ()
        subject = ("req", "-new", "-nodes", "-config", self.config, "-subj", f"/CN={name}")
        self._run(*subject, "-newkey", *KEYS[kind], *names, "-keyout", key, "-out", request)
        self._run(
            *("ca", "-batch", "-notext", "-config", self.config, "-cert", self.cert, "-keyfile", self.key),
            *("-extensions", extensions, "-startdate", begin, "-enddate", end, "-in", request, "-out", cert),
        )
        if self.above is not None:
            cert.write_bytes(cert.read_bytes() + self.cert.read_bytes())
        return Files(cert, key)

    @staticmethod
    def _run(*arguments: object) -> None:
        done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
