/// Why a stream ended before its time: the number in RESET and REFUSED.
public struct StreamError: Error, RawRepresentable, Hashable, Sendable {
    public let rawValue: UInt16

    public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// The side that sends it gave the stream up.
    package static let cancelled = StreamError(rawValue: 1)
    /// The local connection was reset or failed.
    package static let connectionLost = StreamError(rawValue: 2)
    /// The local service refused the connection.
    package static let connectionRefused = StreamError(rawValue: 3)
    /// The local service did not answer in time.
    package static let timedOut = StreamError(rawValue: 4)
    /// No way to the local service: name or route unknown.
    package static let unreachable = StreamError(rawValue: 5)
    /// The mapping of this OPEN is not, or no longer, there.
    package static let unknownMapping = StreamError(rawValue: 6)
    /// A limit of the refusing side.
    package static let tooMany = StreamError(rawValue: 7)
    /// The refusing side is going away.
    package static let shuttingDown = StreamError(rawValue: 8)
    /// Visitors from this address are turned away.
    package static let denied = StreamError(rawValue: 9)
    /// The lane under the stream is gone. Never on the wire.
    package static let laneLost = StreamError(rawValue: 0xFFFF)

    /// For logs and error pages.
    package var explanation: String {
        switch self {
        case .cancelled: "given up by the other side"
        case .connectionLost: "connection to the local service lost"
        case .connectionRefused: "the local service refused the connection"
        case .timedOut: "the local service did not answer in time"
        case .unreachable: "the local service cannot be reached"
        case .unknownMapping: "the mapping is gone"
        case .tooMany: "too many connections"
        case .shuttingDown: "shutting down"
        case .denied: "visitors from there are turned away"
        case .laneLost: "the tunnel was lost"
        default: "error \(rawValue)"
        }
    }
}
