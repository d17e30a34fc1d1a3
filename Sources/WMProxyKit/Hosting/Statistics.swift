/// What a server or client has done, and what it holds now.
public struct Statistics: Sendable, Equatable {
    /// Now: clients logged in; of a client 1 while it is logged in.
    public internal(set) var sessions: UInt64 = 0
    /// Logins that succeeded.
    public internal(set) var sessionsTotal: UInt64 = 0
    /// Now: mappings registered.
    public internal(set) var mappings: UInt64 = 0
    /// Now: streams inside the tunnel.
    public internal(set) var streams: UInt64 = 0
    public internal(set) var streamsTotal: UInt64 = 0
    /// Now: visitors' connections; of a client, its connections to the local services.
    public internal(set) var visitors: UInt64 = 0
    public internal(set) var visitorsTotal: UInt64 = 0
    /// Payload bytes from visitors to the services.
    public internal(set) var bytesIn: UInt64 = 0
    /// Payload bytes from the services to visitors.
    public internal(set) var bytesOut: UInt64 = 0
    /// Visitors or streams turned away.
    public internal(set) var refused: UInt64 = 0
    public internal(set) var loginFailures: UInt64 = 0
    /// TLS handshakes completed.
    public internal(set) var handshakes: UInt64 = 0
    /// Sessions that replaced a lost one.
    public internal(set) var reconnects: UInt64 = 0
    /// Requests taken by the HTTP and HTTPS edges.
    public internal(set) var httpRequests: UInt64 = 0
    /// Error pages that the edges wrote themselves.
    public internal(set) var httpErrors: UInt64 = 0
    /// Now: payload bytes held in memory because a reader is slow.
    public internal(set) var queuedBytes: UInt64 = 0
    /// Now: tunnel connections of the sessions.
    public internal(set) var lanes: UInt64 = 0
    /// Now: connections of clients and visitors together. Of a server.
    public internal(set) var connections: UInt64 = 0
    /// Now: tunnel connections that have not logged in yet. Of a server.
    public internal(set) var logins: UInt64 = 0
    /// Now: public ports that mappings have for themselves. Of a server.
    public internal(set) var ports: UInt64 = 0
    /// Now: names kept for clients that are away. Of a server.
    public internal(set) var vacantNames: UInt64 = 0
    /// Now: UDP visitors.
    public internal(set) var udpVisitors: UInt64 = 0
    /// Visitors cut off because too much waited in memory.
    public internal(set) var shed: UInt64 = 0
    /// Datagrams that found no room.
    public internal(set) var datagramsDropped: UInt64 = 0

    public init() {}
}
