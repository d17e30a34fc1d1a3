import WMPWire

/// Where visitors of one host name, or of the TCP edge, go. Immutable; every loop has the same ones.
struct Route: Sendable, Equatable {
    /// The session that serves it; nil: its client is away, which visitors are told (503).
    let session: SessionID?
    let mapping: UInt32
    let name: String
    let mode: Map.Mode
    /// May be reached without TLS.
    var allowsPlain: Bool { mode == .http }
}

/// A session among all of a server, and the shard it lives on.
struct SessionID: Hashable, Sendable {
    let number: UInt64
    let shard: Int
}

/// Who a session belongs to: what it holds, another of the same identity may take over, and nobody else.
struct Identity: Hashable, Sendable {
    let clientID: String
    let principal: String
}

/// One shard's copy of the routes, changed by messages from the registry.
struct RouteTable {
    var hosts: [HostName: Route] = [:]
    var tcp: Route?
}

/// What a mapping claims at the server's edges.
enum Claim: Hashable, Sendable {
    case host(HostName)
    case tcp
}
