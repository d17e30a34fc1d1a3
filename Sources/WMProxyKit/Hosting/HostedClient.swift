import WMPIO

/// A tunnel client: connects to a server, registers mappings there, and carries their visitors to local services.
///
/// It reconnects by itself for as long as it runs. Every member may be used from any thread. It runs until `stop`;
/// dropping the last reference does not end it.
package final class HostedClient: Sendable {
    private let core: ClientCore
    private let lease: EngineLease
    private let statisticsCallback = StatisticsCallback()
    private let stopState = StopState()

    /// Starts it with `configuration`, YAML or JSON in the words of docs/CONFIG.md, which came from `file`; on
    /// `engine`, or as `EngineLease` says.
    /// - Throws: `.configuration`, `.certificate`, `.file` and the codes of this machine. Nothing is left running.
    package init(_ configuration: [UInt8], file: String?, on engine: TunnelEngine?) throws(TunnelError) {
        let options = try Parsed.take { () throws(ConfigError) in
            try ClientOptions.parse(bytes: configuration, file: file)
        }
        lease = try EngineLease(engine, threads: options.threads)
        do throws(TunnelError) {
            core = try ClientCore(options, engine: lease.engine)
        } catch {
            lease.end()
            throw error
        }
        core.start()
    }

    /// The same with the configuration in a file.
    package convenience init(file: String, on engine: TunnelEngine?) throws(TunnelError) {
        try self.init(try ConfigurationFile.read(file), file: file, on: engine)
    }

    /// Waits until the client is logged in and the server has answered for every mapping. Blocks its thread; nil: no
    /// limit.
    package func waitReady(milliseconds: Int?) throws(TunnelError) {
        try core.board.waitReady(until: milliseconds.map { Deadline(after: $0) })
    }

    /// Adds a mapping. Blocks its thread until the server has answered; nil: no limit.
    package func addMapping(_ mapping: [UInt8], milliseconds: Int?) throws(TunnelError) {
        let options = try Parsed.take { () throws(ConfigError) in try MappingOptions.parse(bytes: mapping) }
        guard core.board.begin(options.name) else {
            throw TunnelError(.alreadyExists, "this client has a mapping '\(options.name)' already")
        }
        core.submitAdd(options)
        if case .refused(let error) = try core.board.waitAnswer(
            options.name, until: milliseconds.map { Deadline(after: $0) })
        {
            core.submitRemove(options.name)
            try core.board.waitGone(options.name, until: nil)
            throw error
        }
    }

    /// Removes a mapping. Blocks its thread until the server takes no more visitors for it; nil: no limit.
    package func removeMapping(_ name: String, milliseconds: Int?) throws(TunnelError) {
        guard core.board.mapping(name) != nil else { throw TunnelError(.notFound, "there is no mapping '\(name)'") }
        core.submitRemove(name)
        try core.board.waitGone(name, until: milliseconds.map { Deadline(after: $0) })
    }

    /// Where visitors reach a mapping: "http://localhost:8001" (the HTTPS edge's URL if there is no HTTP edge),
    /// "127.0.0.1:8002".
    /// - Throws: `.notFound`; `.badState` while the server has not taken it, or has refused it.
    package func address(of mapping: String) throws(TunnelError) -> String {
        switch core.board.mapping(mapping) {
        case .up(let address): return address
        case .pending: throw TunnelError(.badState, "mapping '\(mapping)' is not registered yet")
        case .refused(let error): throw TunnelError(.badState, error.message)
        case nil: throw TunnelError(.notFound, "there is no mapping '\(mapping)'")
        }
    }

    /// The counters of this moment.
    package var statistics: Statistics { core.statistics }

    /// What happens, from the start on; the last 1,024 events wait for whoever asks. Each goes to one reader.
    package var events: EventQueue { core.events }

    /// Calls `body` with the counters every `milliseconds`, on the notifier's thread, in place of the earlier one; nil
    /// ends that.
    package func onStatistics(every milliseconds: Int, _ body: ((Statistics) -> Void)?) throws(TunnelError) {
        try statisticsCallback.set(milliseconds, body.map { body in { [core] in body(core.statistics) } })
    }

    /// Takes no more visitors, lets those who are there finish for `drain` milliseconds at most (negative: no limit),
    /// then ends the session. Blocks its thread. Once.
    package func stop(drain milliseconds: Int) throws(TunnelError) {
        try stopState.run { () throws(TunnelError) in
            statisticsCallback.close()
            try core.stop(drain: milliseconds)
            lease.end()
        }
    }
}
