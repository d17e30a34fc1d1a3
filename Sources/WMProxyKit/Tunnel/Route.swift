import WMPIO
import WMPWire

/// Where visitors of one claim go. Immutable; every loop has the same ones.
struct Route: Sendable, Equatable {
    /// The session that serves it; nil: its client is away, which visitors are told (503).
    let session: SharedSession?
    let mapping: UInt32
    let name: String
    let mode: Map.Mode
    /// May be reached without TLS.
    var allowsPlain: Bool { mode == .http }

    static func == (one: Route, other: Route) -> Bool {
        one.session === other.session && one.mapping == other.mapping && one.mode == other.mode
            && one.name == other.name
    }
}

/// One shard's copy of the routes of host names, changed by messages from the registry.
typealias RouteTable = [HostName: Route]

/// What a mapping claims at the server.
enum Claim: Hashable, Sendable {
    /// A name at the HTTP and HTTPS edges.
    case host(HostName)
    /// The TCP edge, `map_tcp_bind`.
    case tcpEdge
    /// A port of the mapping's own.
    case port(Transport, SocketAddress)
}
