package import WMPEngine

/// A tunnel server: takes visitors in at its public edges, and the clients that serve them.
///
/// Every member may be used from any thread. It runs until `stop`; dropping the last reference does not end it.
public final class TunnelServer: Sendable {
    private let hosted: HostedServer

    /// Starts a server; when this returns, every port is open.
    /// - Parameters:
    ///   - configuration: YAML or JSON, the words of docs/CONFIG.md.
    ///   - engine: whose threads to use; nil: one of its own if the configuration has `threads`, else the process-wide.
    /// - Throws: `.configuration`, `.certificate`, `.addressInUse` and the other codes of this machine. Nothing is left
    ///   running.
    public init(_ configuration: String, on engine: TunnelEngine? = nil) throws(TunnelError) {
        hosted = try HostedServer(Array(configuration.utf8), file: nil, on: engine)
    }

    /// The same with the configuration in a file.
    /// - Throws: also `.file`.
    public init(file: String, on engine: TunnelEngine? = nil) throws(TunnelError) {
        hosted = try HostedServer(file: file, on: engine)
    }

    /// Where a listener listens, "127.0.0.1:8091", with the port that a configured 0 became; nil: there is none of that
    /// name.
    /// - Parameter listener: the option that configures it: "bind_addr", "map_http_bind", "map_https_bind",
    ///   "map_tcp_bind".
    public func address(of listener: String) -> String? { hosted.address(of: listener) }

    /// The counters of this moment.
    public var statistics: Statistics { hosted.statistics }

    /// What happens from the start on, as it happens; the last 1,024 events wait for whoever asks. Each event goes to
    /// one reader.
    public var events: TunnelEvents { TunnelEvents(hosted.events) }

    /// Goes by another configuration from here on, without losing a connection: certificates, users and their grants,
    /// limits and timeouts. Sessions whose user, secret or grant is another now end at once.
    /// - Throws: `.configuration` (also: a key differs that cannot change while the server runs), `.certificate`,
    ///   `.file`, `.closed`. Then nothing has changed.
    public func reload(_ configuration: String) async throws(TunnelError) {
        try await Blocking.run { [hosted] () throws(TunnelError) in
            try hosted.reload(Array(configuration.utf8), file: nil)
        }
    }

    /// The same with the configuration in a file.
    public func reload(file: String) async throws(TunnelError) {
        try await Blocking.run { [hosted] () throws(TunnelError) in try hosted.reload(file: file) }
    }

    /// Stops the server: its ports close at once, visitors who are there may finish for `drain` (negative: no limit),
    /// then all connections end.
    /// - Throws: `.timedOut` when it did not end within 5 seconds of that, `.badState` when it is stopped already.
    public func stop(drain: Duration = .seconds(5)) async throws(TunnelError) {
        try await Blocking.run { [hosted] () throws(TunnelError) in try hosted.stop(drain: drain.milliseconds) }
    }
}
