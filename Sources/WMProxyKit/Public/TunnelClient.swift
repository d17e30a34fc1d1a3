package import WMPEngine

/// A tunnel client: connects to a server, registers mappings there, and carries their visitors to local services.
///
/// It reconnects by itself for as long as it runs. Every member may be used from any thread. It runs until `stop`;
/// dropping the last reference does not end it.
public final class TunnelClient: Sendable {
    private let hosted: HostedClient

    /// Starts a client; connecting goes on in the background.
    /// - Parameters:
    ///   - configuration: YAML or JSON, the words of docs/CONFIG.md.
    ///   - engine: whose threads to use; nil: one of its own if the configuration has `threads`, else the process-wide.
    /// - Throws: `.configuration`, `.certificate` and the codes of this machine.
    public init(_ configuration: String, on engine: TunnelEngine? = nil) throws(TunnelError) {
        hosted = try HostedClient(Array(configuration.utf8), file: nil, on: engine)
    }

    /// The same with the configuration in a file.
    /// - Throws: also `.file`.
    public init(file: String, on engine: TunnelEngine? = nil) throws(TunnelError) {
        hosted = try HostedClient(file: file, on: engine)
    }

    /// Waits until the client is logged in and the server has answered for every mapping.
    /// - Throws: `.timedOut` with the reason of the last attempt; at once, where waiting is of no use:
    ///   `.authentication`,
    ///   `.tls`, `.protocolViolation`, `.version`, and `.alreadyExists` or `.refused` when the server did not take a
    //mapping.
    public func ready(within timeout: Duration = .seconds(10)) async throws(TunnelError) {
        try await Blocking.run { [hosted] () throws(TunnelError) in
            try hosted.waitReady(milliseconds: timeout.milliseconds)
        }
    }

    /// Adds a mapping and waits for the server's answer.
    /// - Throws: `.alreadyExists`, `.refused`, in which cases it is not added; `.timedOut`: it is, and will be
    ///   registered when
    ///   the server is there; `.configuration`.
    public func add(_ mapping: Mapping, within timeout: Duration = .seconds(10)) async throws(TunnelError) {
        try await Blocking.run { [hosted] () throws(TunnelError) in
            try hosted.addMapping(Array(mapping.configuration.utf8), milliseconds: timeout.milliseconds)
        }
    }

    /// Removes a mapping and waits until the server takes no more visitors for it; those who are there stay.
    /// - Throws: `.notFound`, `.timedOut`.
    public func remove(_ name: String, within timeout: Duration = .seconds(10)) async throws(TunnelError) {
        try await Blocking.run { [hosted] () throws(TunnelError) in
            try hosted.removeMapping(name, milliseconds: timeout.milliseconds)
        }
    }

    /// Where visitors reach a mapping: "http://localhost:8001" (the HTTPS edge's URL if there is no HTTP edge),
    /// "127.0.0.1:8002".
    /// - Throws: `.notFound`; `.badState` while the server has not taken it, or has refused it.
    public func address(of mapping: String) throws(TunnelError) -> String { try hosted.address(of: mapping) }

    /// The counters of this moment.
    public var statistics: Statistics { hosted.statistics }

    /// What happens from the start on, as it happens; the last 1,024 events wait for whoever asks. Each event goes to
    /// one reader.
    public var events: TunnelEvents { TunnelEvents(hosted.events) }

    /// Stops the client: no more visitors come, those who are there may finish for `drain` (negative: no limit), then
    /// the session ends.
    /// - Throws: `.timedOut` when it did not end within 5 seconds of that, `.badState` when it is stopped already.
    public func stop(drain: Duration = .seconds(5)) async throws(TunnelError) {
        try await Blocking.run { [hosted] () throws(TunnelError) in try hosted.stop(drain: drain.milliseconds) }
    }
}
