"""A client in a few lines, after docs/PROTOCOL.md and nothing else: it says what the engine's own never would."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import socket
import struct
from dataclasses import dataclass, field
from functools import lru_cache

from support import DEADLINE, connect, read_exactly

PREFACE = b"wmproxy/1\r\n\r\n"

DATA, CREDIT, END, RESET, OPEN, OPENED, REFUSED = range(7)
HELLO, CHALLENGE, LOGIN, WELCOME, REJECT = range(0x10, 0x15)
MAP, MAPPED, MAP_REFUSED, UNMAP, UNMAPPED = range(0x20, 0x25)
PING, PONG, GO_AWAY = range(0x30, 0x33)

SHUTTING_DOWN, LOGIN_FAILED, TOO_MANY, NOT_OFFERED, TAKEN, VIOLATION = range(1, 7)
UNKNOWN_SESSION = 9

TCP, HTTP, HTTPS, UDP = range(1, 5)

NOT_MESSAGES = {DATA, CREDIT, END, RESET, OPENED, PING, PONG}


@dataclass(frozen=True)
class Frame:
    type: int
    stream: int
    payload: bytes
    fields: dict[int, bytes] = field(default_factory=dict)

    def number(self, key: int) -> int:
        return int.from_bytes(self.fields.get(key, b""), "big")

    def text(self, key: int) -> str:
        return self.fields.get(key, b"").decode()


def message(**fields: int | str | bytes) -> bytes:
    """The payload of a message: ``_1="laptop"`` is its field 1. A number is written as an u32."""
    payload = b""
    for name, value in fields.items():
        if isinstance(value, int):
            value = value.to_bytes(4, "big")
        elif isinstance(value, str):
            value = value.encode()
        payload += struct.pack(">BH", int(name.lstrip("_")), len(value)) + value
    return payload


def mapping(number: int, name: str, mode: int, **fields: int | str) -> bytes:
    """The payload of a MAP; ``domain``, ``remote``, ``idle``, ``last_port`` as they are called there."""
    keys = {"domain": "_4", "remote": "_5", "idle": "_6", "last_port": "_7"}
    return message(_1=number, _2=name, _3=mode, **{keys[key]: value for key, value in fields.items()})


def _mac(key: bytes, text: bytes) -> bytes:
    return hmac.new(key, text, hashlib.sha256).digest()


@lru_cache
def _salted(password: str, salt: bytes, iterations: int) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)


class Scram:
    """A login by SCRAM-SHA-256 (RFC 5802, 7677) at the client; with a ``binding`` it is SCRAM-SHA-256-PLUS."""

    def __init__(self, user: str, password: str, binding: bytes = b"", nonce: str = "") -> None:
        self.password = password
        self.header = b"p=tls-exporter,," if binding else b"n,,"
        self.binding = binding
        self.nonce = nonce or base64.b64encode(os.urandom(24)).decode()
        self.bare = f"n={user.replace('=', '=3D').replace(',', '=2C')},r={self.nonce}".encode()
        self.first = self.header + self.bare

    def final(self, server_first: bytes) -> bytes:
        """The client's last message; ``server_final`` is what the server has to answer."""
        fields = dict(part.split("=", 1) for part in server_first.decode().split(","))
        assert fields["r"].startswith(self.nonce) and fields["r"] != self.nonce, fields
        assert 4096 <= int(fields["i"]) <= 131072, fields
        salted = _salted(self.password, base64.b64decode(fields["s"]), int(fields["i"]))
        client_key = _mac(salted, b"Client Key")
        bound = base64.b64encode(self.header + self.binding)
        without_proof = b"c=" + bound + b",r=" + fields["r"].encode()
        said = b",".join([self.bare, server_first, without_proof])
        mask = _mac(hashlib.sha256(client_key).digest(), said)
        proof = bytes(key ^ other for key, other in zip(client_key, mask))
        self.server_final = b"v=" + base64.b64encode(_mac(_mac(salted, b"Server Key"), said))
        return without_proof + b",p=" + base64.b64encode(proof)


class RawLane:
    """One tunnel connection without TLS. ``log_in`` returns WELCOME or REJECT. ``secret`` is that of user "token"."""

    def __init__(
        self, address: str, client_id: str = "raw", secret: str = "", session: bytes = b"", source: str = ""
    ) -> None:
        self.sock = connect(address, source)
        self.client_id, self.joining = client_id, session
        self.scram = Scram("token", secret) if secret else None
        self.session = b""
        self.lanes = 1

    def send(self, kind: int, payload: bytes = b"", stream: int = 0) -> None:
        self.sock.sendall(struct.pack(">I", len(payload) << 8 | kind) + struct.pack(">I", stream) + payload)

    def read(self) -> Frame:
        """The next frame that is none of keeping watch."""
        while True:
            head = read_exactly(self.sock, 8)
            size, kind, stream = int.from_bytes(head[:3], "big"), head[3], int.from_bytes(head[4:], "big")
            payload = read_exactly(self.sock, size)
            if kind == PING:
                self.send(PONG, payload)
            elif kind != PONG:
                return Frame(kind, stream, payload, {} if kind in NOT_MESSAGES else self._fields(payload))

    @staticmethod
    def _fields(payload: bytes) -> dict[int, bytes]:
        fields = {}
        while payload:
            key, size = struct.unpack_from(">BH", payload)
            fields[key] = payload[3 : 3 + size]
            payload = payload[3 + size :]
        return fields

    def expect(self, *kinds: int) -> Frame:
        frame = self.read()
        assert frame.type in kinds, f"{frame} instead of {kinds}"
        return frame

    def hello_payload(self) -> bytes:
        fields: dict[str, int | str | bytes] = {"_1": self.client_id}
        if self.scram:
            fields["_2"] = self.scram.first
        if self.joining:
            fields["_6"] = self.joining
        return message(**fields)

    def hello(self) -> None:
        self.sock.sendall(PREFACE)
        self.send(HELLO, self.hello_payload())

    def prove(self) -> bytes:
        """Reads CHALLENGE and returns the payload of LOGIN."""
        challenge = self.expect(CHALLENGE)
        if not self.scram:
            assert 1 not in challenge.fields, challenge
            return b""
        return message(_1=self.scram.final(challenge.fields[1]))

    def answer(self) -> Frame:
        frame = self.expect(WELCOME, REJECT)
        if frame.type == WELCOME:
            if self.scram:
                assert frame.fields[1] == self.scram.server_final, frame
            self.session = frame.fields[4]
            self.lanes = frame.number(5) or 1
        return frame

    def log_in(self) -> Frame:
        self.hello()
        self.send(LOGIN, self.prove())
        return self.answer()

    def ask(self, kind: int, payload: bytes) -> Frame:
        self.send(kind, payload)
        return self.expect(MAPPED, MAP_REFUSED, UNMAPPED, GO_AWAY)

    def is_alive(self) -> bool:
        """Whether it answers, with nothing else on the way."""
        self.send(PING, b"hallo du")
        self.sock.settimeout(DEADLINE)
        try:
            head = read_exactly(self.sock, 8)
            while head[3] == PING:
                self.send(PONG, read_exactly(self.sock, 8))
                head = read_exactly(self.sock, 8)
            return head[3] == PONG and read_exactly(self.sock, 8) == b"hallo du"
        except (EOFError, ConnectionError):
            return False

    def close(self) -> None:
        self.sock.close()

    def __enter__(self) -> RawLane:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
