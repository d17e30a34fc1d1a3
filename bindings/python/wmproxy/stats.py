"""Counters of a server or a client."""

from __future__ import annotations

from dataclasses import dataclass, fields

from ._abi import StatsStruct


@dataclass(frozen=True)
class Statistics:
    """Counters of one moment. They only grow, except those marked "now", which return to 0."""

    sessions: int = 0
    """Now: clients logged in; for a client 1 while it is logged in, otherwise 0."""
    sessions_total: int = 0
    """Logins that succeeded."""
    mappings: int = 0
    """Now: mappings registered."""
    streams: int = 0
    """Now: streams inside the tunnel."""
    streams_total: int = 0
    """Streams opened."""
    visitors: int = 0
    """Now: visitors' connections; for a client, its connections to the local services."""
    visitors_total: int = 0
    """Connections taken, or made."""
    bytes_in: int = 0
    """Payload bytes from visitors to the services."""
    bytes_out: int = 0
    """Payload bytes from the services to visitors."""
    refused: int = 0
    """Visitors or streams turned away: unknown name, no client, a limit, service not there."""
    login_failures: int = 0
    """Logins that failed."""
    handshakes: int = 0
    """TLS handshakes completed."""
    reconnects: int = 0
    """Sessions that replaced a lost one."""
    http_requests: int = 0
    """Requests taken by the HTTP and HTTPS edges."""
    http_errors: int = 0
    """Error pages that the edges wrote themselves."""
    queued_bytes: int = 0
    """Now: payload bytes held in memory because a reader is slow."""
    lanes: int = 0
    """Now: tunnel connections of the sessions."""
    connections: int = 0
    """Now: connections of clients and visitors together. Of a server."""
    logins: int = 0
    """Now: tunnel connections that have not logged in yet. Of a server."""
    ports: int = 0
    """Now: public ports that mappings have for themselves. Of a server."""
    vacant_names: int = 0
    """Now: names kept for clients that are away. Of a server."""
    udp_visitors: int = 0
    """Now: visitors of UDP mappings."""
    shed: int = 0
    """Visitors or services cut off because too much waited for them in memory."""
    datagrams_dropped: int = 0
    """UDP datagrams that found no room."""

    @classmethod
    def _from_struct(cls, struct: StatsStruct) -> Statistics:
        return cls(**{field.name: getattr(struct, field.name) for field in fields(cls)})
