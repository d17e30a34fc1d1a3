"""What happened to a server or a client."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from ._abi import EventKind, EventStruct, Status

__all__ = ["Event", "EventKind"]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Event:
    """One event. Texts that its kind does not use are empty; very long ones are cut."""

    kind: EventKind
    """What happened."""
    status: Status
    """Why, or ``Status.OK``."""
    time: datetime
    """When, in UTC, to the millisecond."""
    client_id: str = ""
    """The client."""
    name: str = ""
    """The mapping, or the listener."""
    address: str = ""
    """An address, as the kind says."""
    reason: str = ""
    """Why, in words."""

    @classmethod
    def _from_struct(cls, struct: EventStruct) -> Event:
        return cls(
            kind=EventKind(struct.kind),
            status=Status(struct.status),
            time=_EPOCH + timedelta(milliseconds=struct.time_ms),
            client_id=_text(struct.client_id),
            name=_text(struct.name),
            address=_text(struct.address),
            reason=_text(struct.reason),
        )


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
