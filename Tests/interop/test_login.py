"""The login as docs/PROTOCOL.md has it, by a client that knows the document alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import pytest

import wmproxy
from rawlane import CHALLENGE, HELLO, LOGIN, LOGIN_FAILED, PREFACE, REJECT, WELCOME, Frame, RawLane, Scram, message
from support import closed_by_peer, wait_for_stats

NONCE = "0123456789abcdef"
VECTORS = Path(__file__).parent.parent / "vectors" / "login.txt"
REFUSAL = "login failed: wrong secret or user"


def vectors() -> list[dict[str, str]]:
    lines = (line for line in VECTORS.read_text().splitlines() if not line.startswith("#"))
    entries = "\n".join(lines).strip().split("\n\n")
    return [dict((key, value.strip()) for key, _, value in (line.partition(":") for line in entry.splitlines()))
            for entry in entries]


@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: vector["vector"])
def test_the_vectors_are_what_this_client_says(vector: dict[str, str]) -> None:
    binding = bytes.fromhex(vector["binding"])
    login = Scram(vector["user"], vector["password"], binding, vector["client_nonce"])
    assert login.first.decode() == vector["client_first"]
    assert login.final(vector["server_first"].encode()).decode() == vector["client_final"]
    assert login.server_final.decode() == vector["server_final"]


@pytest.fixture
def server(start_server: Any) -> wmproxy.Server:
    server: wmproxy.Server = start_server(tc=False)
    return server


@pytest.fixture
def say(server: wmproxy.Server, raw_lane: Callable[..., RawLane]) -> Callable[..., tuple[RawLane, Frame]]:
    """A HELLO with this message of SCRAM, and what comes back."""

    def start(first: bytes) -> tuple[RawLane, Frame]:
        lane = raw_lane(server)
        lane.sock.sendall(PREFACE)
        lane.send(HELLO, message(_1="raw", **({"_2": first} if first else {})))
        return lane, lane.expect(CHALLENGE, REJECT)

    return start


def refused(lane: RawLane, answer: Frame) -> bool:
    assert (answer.type, answer.number(1), answer.text(2)) == (REJECT, LOGIN_FAILED, REFUSAL)
    return closed_by_peer(lane.sock)


@pytest.mark.parametrize(
    "first",
    [
        f"p=tls-exporter,,n=token,r={NONCE}",
        f"p=tls-unique,,n=token,r={NONCE}",
        f"y,,n=token,r={NONCE}",
        f"n,a=admin,n=token,r={NONCE}",
        f"n,,n=token,r={NONCE[1:]}",
        f"n,,n=token,r={'x' * 129}",
        f"n,,n=,r={NONCE}",
        f"n,,n=to=ken,r={NONCE}",
        f"n,,n=token,r={NONCE},",
        f"n,,m=1,n=token,r={NONCE}",
        f"n,,r={NONCE},n=token",
        "token",
    ],
)
def test_what_is_no_first_message_here_fails_like_a_wrong_secret(say: Any, server: wmproxy.Server, first: str) -> None:
    assert refused(*say(first.encode()))
    wait_for_stats(server, lambda stats: (stats.sessions_total, stats.connections) == (0, 0))


def test_a_user_that_there_is_not_is_asked_like_one_that_there_is(say: Any) -> None:
    def challenge(user: str) -> dict[str, str]:
        lane, answer = say(Scram(user, "", nonce=NONCE).first)
        fields = dict(part.split("=", 1) for part in answer.fields[1].decode().split(","))
        lane.send(LOGIN, message(_1=Scram(user, "guess", nonce=NONCE).final(answer.fields[1])))
        assert refused(lane, lane.expect(WELCOME, REJECT))
        return fields

    known, again, unknown, once_more, other = map(challenge, ("token", "token", "nobody", "nobody", "nobody else"))
    assert (known["s"], unknown["s"]) == (again["s"], once_more["s"])
    assert len({fields["s"] for fields in (known, unknown, other)}) == 3
    assert len({(len(fields["s"]), len(fields["r"]), fields["i"]) for fields in (known, unknown, other)}) == 1
    assert len({fields["r"] for fields in (known, again, unknown, once_more, other)}) == 5


def test_a_proof_is_good_for_one_login_alone(say: Any) -> None:
    login = Scram("token", "the secret of these tests", nonce=NONCE)
    lane, answer = say(login.first)
    proven = message(_1=login.final(answer.fields[1]))
    lane.send(LOGIN, proven)
    assert lane.expect(WELCOME).fields[1] == login.server_final
    replayed, _ = say(login.first)
    replayed.send(LOGIN, proven)
    assert refused(replayed, replayed.expect(WELCOME, REJECT))


@pytest.mark.parametrize("has_begun", [False, True])
def test_without_a_proof_nobody_comes_in(say: Any, has_begun: bool) -> None:
    lane, answer = say(Scram("token", "", nonce=NONCE).first if has_begun else b"")
    assert (answer.type, 1 in answer.fields) == (CHALLENGE, has_begun)
    lane.send(LOGIN)
    assert refused(lane, lane.expect(WELCOME, REJECT))
