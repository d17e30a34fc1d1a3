import WMPIO

/// A tunnel server: takes visitors in at its public edges, and the clients that serve them.
///
/// Every member may be used from any thread. It runs until `stop`; dropping the last reference does not end it.
public final class TunnelServer: Sendable {
    private let core: ServerCore
    private let engine: Engine
    private let engineIsOwn: Bool
    private let statisticsCallback = StatisticsCallback()
    private let stopState = StopState()

    /// Starts a server; when this returns, every port is open.
    /// - Parameters:
    ///   - configuration: YAML or JSON, the words of docs/CONFIG.md.
    ///   - engine: whose threads to use; nil: the process-wide one, or one of its own if the configuration has `threads`.
    /// - Throws: `.configuration`, `.certificate`, `.addressInUse` and the other codes of this machine. Nothing is left running.
    public convenience init(_ configuration: String, on engine: Engine? = nil) throws(TunnelError) {
        try self.init(Array(configuration.utf8), file: nil, on: engine)
    }

    /// The same from a file.
    /// - Throws: also `.file`.
    public convenience init(file: String, on engine: Engine? = nil) throws(TunnelError) {
        try self.init(try ConfigurationFile.read(file), file: file, on: engine)
    }

    package init(_ configuration: [UInt8], file: String?, on engine: Engine?) throws(TunnelError) {
        let options = try Parsed.take { () throws(ConfigError) in try ServerOptions.parse(bytes: configuration, file: file) }
        let own = engine == nil && options.threads != nil ? try Engine(EngineOptions(threads: options.threads)) : nil
        engineIsOwn = own != nil
        self.engine = try Engine.retained(own ?? engine)
        do throws(TunnelError) {
            core = try ServerCore(options, engine: self.engine)
        } catch {
            self.engine.releaseUser()
            if let own { try? own.destroy() }
            throw error
        }
        core.start()
    }

    /// Where a listener listens, "127.0.0.1:8091", with the port that a configured 0 became; nil: there is none of that name.
    /// - Parameter listener: the option that configures it: "bind_addr", "map_http_bind", "map_https_bind", "map_tcp_bind".
    public func address(of listener: String) -> String? { core.addresses[listener]?.description }

    /// The counters of this moment.
    public var statistics: Statistics { core.statistics }

    /// What happens from the start on, as it happens; the last 1,024 events wait for whoever asks. Each event goes to one reader.
    public var events: TunnelEvents { TunnelEvents(core.events) }

    package var eventQueue: EventSource { EventSource(core.events) }

    /// Calls `body` with the counters every `milliseconds`, on the notifier's thread, in place of the earlier one; nil ends that.
    package func onStatistics(every milliseconds: Int, _ body: ((Statistics) -> Void)?) throws(TunnelError) {
        try statisticsCallback.set(milliseconds, body.map { body in { [core] in body(core.statistics) } })
    }

    /// Closes the ports at once, lets visitors finish for `drain` milliseconds at most (negative: no limit), then ends all connections.
    /// Blocks its thread; once.
    package func stopAndWait(drain milliseconds: Int) throws(TunnelError) {
        guard !Notifier.shared.isCurrent else {
            throw TunnelError(.wouldDeadlock, "stop is called from a callback: it would wait for itself")
        }
        try stopState.run { () throws(TunnelError) in
            try statisticsCallback.set(0, nil)
            try core.stop(drain: milliseconds)
            engine.releaseUser()
            if engineIsOwn { try? engine.destroy() }
        }
    }

    /// Stops the server: its ports close at once, visitors who are there may finish for `drain`, then all connections end. Once.
    /// A negative `drain` is no limit.
    /// - Throws: `.timedOut` when it did not end within 5 seconds of that, `.badState` when it is stopped already.
    public func stop(drain: Duration = .seconds(5)) async throws(TunnelError) {
        try await Blocking.run { () throws(TunnelError) in try self.stopAndWait(drain: drain.milliseconds) }
    }
}

extension Duration {
    /// Whole milliseconds, at most some weeks: what the timers take.
    var milliseconds: Int {
        let (seconds, attoseconds) = components
        return Int(max(-1_000_000, min(seconds, 2_000_000))) * 1000 + Int(attoseconds / 1_000_000_000_000_000)
    }
}
