import WMPIO

/// A tunnel client: connects to a server, registers mappings there, and carries their visitors to local services.
///
/// It reconnects by itself for as long as it runs. Every member may be used from any thread. It runs until `stop`; dropping the last
/// reference does not end it.
public final class TunnelClient: Sendable {
    private let core: ClientCore
    private let engine: Engine
    private let engineIsOwn: Bool
    private let statisticsCallback = StatisticsCallback()
    private let stopState = StopState()

    /// Starts a client; connecting goes on in the background.
    /// - Parameters:
    ///   - configuration: YAML or JSON, the words of docs/CONFIG.md.
    ///   - engine: whose threads to use; nil: the process-wide one, or one of its own if the configuration has `threads`.
    /// - Throws: `.configuration`, `.certificate` and the codes of this machine.
    public convenience init(_ configuration: String, on engine: Engine? = nil) throws(TunnelError) {
        try self.init(Array(configuration.utf8), file: nil, on: engine)
    }

    /// The same from a file.
    /// - Throws: also `.file`.
    public convenience init(file: String, on engine: Engine? = nil) throws(TunnelError) {
        try self.init(try ConfigurationFile.read(file), file: file, on: engine)
    }

    package init(_ configuration: [UInt8], file: String?, on engine: Engine?) throws(TunnelError) {
        let options = try Parsed.take { () throws(ConfigError) in try ClientOptions.parse(bytes: configuration, file: file) }
        let own = engine == nil && options.threads != nil ? try Engine(EngineOptions(threads: options.threads)) : nil
        engineIsOwn = own != nil
        self.engine = try Engine.retained(own ?? engine)
        do throws(TunnelError) {
            core = try ClientCore(options, engine: self.engine)
        } catch {
            self.engine.releaseUser()
            if let own { try? own.destroy() }
            throw error
        }
        core.start()
    }

    /// Waits until the client is logged in and the server has answered for every mapping. Blocks its thread; nil: no limit.
    package func waitReady(milliseconds: Int?) throws(TunnelError) {
        try core.board.waitReady(until: milliseconds.map { Deadline(after: $0) })
    }

    /// Waits until the client is logged in and the server has answered for every mapping.
    /// - Throws: `.timedOut` with the reason of the last attempt; at once, where waiting is of no use: `.authentication`, `.tls`,
    ///   `.protocolViolation`, `.version`, and `.alreadyExists` or `.refused` when the server did not take a mapping.
    public func ready(within timeout: Duration = .seconds(10)) async throws(TunnelError) {
        try await Blocking.run { () throws(TunnelError) in try self.waitReady(milliseconds: timeout.milliseconds) }
    }

    /// Adds a mapping. Blocks its thread until the server has answered; nil: no limit.
    package func addMapping(_ mapping: [UInt8], milliseconds: Int?) throws(TunnelError) {
        let options = try Parsed.take { () throws(ConfigError) in try MappingOptions.parse(bytes: mapping) }
        guard core.board.begin(options.name) else {
            throw TunnelError(.alreadyExists, "this client has a mapping '\(options.name)' already")
        }
        core.submitAdd(options)
        if case .refused(let error) = try core.board.waitAnswer(options.name, until: milliseconds.map { Deadline(after: $0) }) {
            core.submitRemove(options.name)
            throw error
        }
    }

    /// Adds a mapping and waits for the server's answer.
    /// - Throws: `.alreadyExists`, `.refused`, in which cases it is not added; `.timedOut`: it is, and will be registered when the
    ///   server is there; `.configuration`.
    public func add(_ mapping: Mapping, within timeout: Duration = .seconds(10)) async throws(TunnelError) {
        let text = Array(mapping.configuration.utf8)
        try await Blocking.run { () throws(TunnelError) in try self.addMapping(text, milliseconds: timeout.milliseconds) }
    }

    /// Removes a mapping. Blocks its thread until the server takes no more visitors for it; nil: no limit.
    package func removeMapping(_ name: String, milliseconds: Int?) throws(TunnelError) {
        guard core.board.mapping(name) != nil else { throw TunnelError(.notFound, "there is no mapping '\(name)'") }
        core.submitRemove(name)
        try core.board.waitGone(name, until: milliseconds.map { Deadline(after: $0) })
    }

    /// Removes a mapping and waits until the server takes no more visitors for it; those who are there stay.
    /// - Throws: `.notFound`, `.timedOut`.
    public func remove(_ name: String, within timeout: Duration = .seconds(10)) async throws(TunnelError) {
        try await Blocking.run { () throws(TunnelError) in try self.removeMapping(name, milliseconds: timeout.milliseconds) }
    }

    /// Where visitors reach a mapping: "http://localhost:8001" (the HTTPS edge's URL if there is no HTTP edge), "127.0.0.1:8002".
    /// - Throws: `.notFound`; `.badState` while the server has not taken it, or has refused it.
    public func address(of mapping: String) throws(TunnelError) -> String {
        switch core.board.mapping(mapping) {
        case .up(let address): return address
        case .pending: throw TunnelError(.badState, "mapping '\(mapping)' is not registered yet")
        case .refused(let error): throw TunnelError(.badState, error.message)
        case nil: throw TunnelError(.notFound, "there is no mapping '\(mapping)'")
        }
    }

    /// The counters of this moment.
    public var statistics: Statistics { core.statistics }

    /// What happens from the start on, as it happens; the last 1,024 events wait for whoever asks. Each event goes to one reader.
    public var events: TunnelEvents { TunnelEvents(core.events) }

    package var eventQueue: EventSource { EventSource(core.events) }

    /// Calls `body` with the counters every `milliseconds`, on the notifier's thread, in place of the earlier one; nil ends that.
    package func onStatistics(every milliseconds: Int, _ body: ((Statistics) -> Void)?) throws(TunnelError) {
        try statisticsCallback.set(milliseconds, body.map { body in { [core] in body(core.statistics) } })
    }

    /// Takes no more visitors, lets those who are there finish for `drain` milliseconds at most (negative: no limit), then ends the
    /// session. Blocks its thread. Once.
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

    /// Stops the client: no more visitors, those who are there may finish for `drain`, then the session ends. Once.
    /// A negative `drain` is no limit.
    /// - Throws: `.timedOut` when it did not end within 5 seconds of that, `.badState` when it is stopped already.
    public func stop(drain: Duration = .seconds(5)) async throws(TunnelError) {
        try await Blocking.run { () throws(TunnelError) in try self.stopAndWait(drain: drain.milliseconds) }
    }
}
