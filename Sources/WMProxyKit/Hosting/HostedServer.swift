import WMPIO

/// A tunnel server: takes visitors in at its public edges, and the clients that serve them.
///
/// Every member may be used from any thread. It runs until `stop`; dropping the last reference does not end it.
package final class HostedServer: Sendable {
    private let core: ServerCore
    private let lease: EngineLease
    private let statisticsCallback = StatisticsCallback()
    private let stopState = StopState()

    /// Starts it with `configuration`, YAML or JSON in the words of docs/CONFIG.md, which came from `file`; on
    /// `engine`, or as `EngineLease` says.
    /// - Throws: `.configuration`, `.certificate`, `.file` and the codes of this machine. Nothing is left running.
    package init(_ configuration: [UInt8], file: String?, on engine: TunnelEngine?) throws(TunnelError) {
        let options = try Parsed.take { () throws(ConfigError) in
            try ServerOptions.parse(bytes: configuration, file: file)
        }
        lease = try EngineLease(engine, threads: options.threads)
        do throws(TunnelError) {
            core = try ServerCore(options, engine: lease.engine)
            try core.start()
        } catch {
            lease.end()
            throw error
        }
    }

    /// The same with the configuration in a file.
    package convenience init(file: String, on engine: TunnelEngine?) throws(TunnelError) {
        try self.init(try ConfigurationFile.read(file), file: file, on: engine)
    }

    /// Where a listener listens, "127.0.0.1:8091", with the port that a configured 0 became; nil: there is none of that
    /// name.
    /// - Parameter listener: the option that configures it: "bind_addr", "map_http_bind", "map_https_bind",
    ///   "map_tcp_bind".
    package func address(of listener: String) -> String? { core.addresses[listener]?.description }

    /// The counters of this moment.
    package var statistics: Statistics { core.statistics }

    /// What happens, from the start on; the last 1,024 events wait for whoever asks. Each goes to one reader.
    package var events: EventQueue { core.events }

    /// Calls `body` with the counters every `milliseconds`, on the notifier's thread, in place of the earlier one; nil
    /// ends that.
    package func onStatistics(every milliseconds: Int, _ body: ((Statistics) -> Void)?) throws(TunnelError) {
        try statisticsCallback.set(milliseconds, body.map { body in { [core] in body(core.statistics) } })
    }

    /// Goes by another configuration from here on: certificates, users and their grants, limits and timeouts. What is
    /// under way goes on, but for sessions whose user, secret or grant is another now: they end at once.
    /// - Throws: `.configuration` (also: a key differs that cannot change while the server runs), `.certificate`,
    ///   `.file`, `.closed`. Then nothing has changed.
    package func reload(_ configuration: [UInt8], file: String?) throws(TunnelError) {
        let options = try Parsed.take { () throws(ConfigError) in
            try ServerOptions.parse(bytes: configuration, file: file)
        }
        try core.reload(options)
    }

    /// The same with the configuration in a file.
    package func reload(file: String) throws(TunnelError) {
        try reload(try ConfigurationFile.read(file), file: file)
    }

    /// Closes the ports at once, lets visitors finish for `drain` milliseconds at most (negative: no limit), then ends
    /// all connections. Blocks its thread; once.
    package func stop(drain milliseconds: Int) throws(TunnelError) {
        try stopState.run { () throws(TunnelError) in
            statisticsCallback.close()
            try core.stop(drain: milliseconds)
            lease.end()
        }
    }
}
