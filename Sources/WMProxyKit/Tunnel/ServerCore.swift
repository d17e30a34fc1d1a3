import Glibc
import WMPIO
import WMPWire

/// A running server: listeners and registry on its first loop, a shard on each.
///
/// @unchecked Sendable: what is set up in `init` never changes; `listeners` and `registry` are confined to the first
/// loop, `home`.
final class ServerCore: @unchecked Sendable {
    let options: ServerOptions
    let engine: TunnelEngine
    let events: EventQueue
    /// nil: the tunnel is plain (`tc: false`).
    let tunnelContext: TLSContext?
    let edgeContext: TLSContext?
    /// Where each listener listens, by the name of its option.
    private(set) var addresses: [String: SocketAddress] = [:]
    private(set) var shards: [ServerShard] = []
    private let sessionCount = SharedCount()
    private let connectionCount = SharedCount()
    private let loginCount = SharedCount()
    private var listeners: [String: Listener] = [:]
    private var registry = Registry()
    private var nextShard = 0
    /// Itself, from `start` to the end of `stop`: a server runs whether or not anybody holds it.
    private var whileRunning: ServerCore?

    private var home: Loop { shards[0].loop }

    init(_ options: ServerOptions, engine: TunnelEngine) throws(TunnelError) {
        self.options = options
        self.engine = engine
        do {
            events = try EventQueue()
            tunnelContext =
                try options.usesTLS
                ? TLSContext.tunnelServer(Self.certificate(options.certificate, for: options.bindAddr.host, "tunnel"))
                : nil
            edgeContext = try options.mapHTTPSBind.map {
                try TLSContext.edge(Self.certificate(options.mapCertificate, for: $0.host, "HTTPS edge"))
            }
            let loops = try engine.serverLoops(options.threads)
            shards = loops.enumerated().map { ServerShard(self, index: $0.offset, loop: $0.element) }
        } catch let error as SystemError {
            throw TunnelError(error, doing: "cannot start the engine")
        } catch let error as TLSError {
            throw TunnelError(error)
        } catch {
            throw TunnelError(.internalError, "\(error)")
        }
        for (name, endpoint) in options.listeners {
            let listener = try Self.listen(name, endpoint, on: home)
            listeners[name] = listener
            addresses[name] = listener.address
        }
    }

    private static func certificate(_ files: CertificateFiles?, for host: String, _ use: String) throws -> Certificate {
        if let files { return try Certificate.load(chain: files.certificate, key: files.key) }
        let name = SocketAddress(numeric: host, port: 0) == nil && !host.isEmpty ? host : "localhost"
        let certificate = try Certificate.selfSigned(name: name)
        Log.info("\(use): certificate made for this run, fingerprint \(certificate.fingerprint)")
        return certificate
    }

    private static func listen(_ name: String, _ endpoint: Endpoint, on loop: Loop) throws(TunnelError) -> Listener {
        let addresses: [SocketAddress]
        switch Resolver.lookUp(endpoint.host, endpoint.port) {
        case .success(let found): addresses = found
        case .failure(let error): throw TunnelError(.notResolved, "\(name): \(error)")
        }
        do throws(SystemError) { return try Listener(addresses[0], on: loop) } catch {
            throw TunnelError(error, doing: "\(name): cannot listen on \(endpoint)")
        }
    }

    // MARK: Start

    /// Opens the doors. Once, after `init`; blocks its thread, which is the host's, for a turn of the first loop.
    func start() throws(TunnelError) {
        whileRunning = self
        let failure = Guarded<TunnelError?>(nil)
        let opened = Monitor()
        nonisolated(unsafe) var isDone = false
        home.submit { [self] in
            for (name, listener) in listeners {
                do throws(SystemError) { try open(name, listener) } catch {
                    failure.withLock { $0 = TunnelError(error, doing: "\(name): cannot listen") }
                }
            }
            opened.locked {
                isDone = true
                opened.signal()
            }
        }
        opened.locked { while !isDone { _ = opened.wait(until: nil) } }
        if let error = failure.withLock({ $0 }) {
            try? stop(drain: 0)
            throw error
        }
        for (name, listener) in listeners.sorted(by: { $0.key < $1.key }) {
            Log.info("\(Self.purpose[name] ?? name) on \(listener.address)")
            events.post(.listening, name: name, address: listener.address.description)
        }
    }

    private func open(_ name: String, _ listener: Listener) throws(SystemError) {
        try listener.start(
            onAccept: { [unowned self] in accepted(name, $0, $1) },
            onExhausted: { [unowned self] in
                logStranger(shards[0], "\(name): no visitor can be taken for now: \($0)")
            })
    }

    private static let purpose = [
        "bind_addr": "tunnel clients", "map_http_bind": "HTTP visitors", "map_https_bind": "HTTPS visitors",
        "map_tcp_bind": "TCP visitors",
    ]

    /// On the first loop: a connection has come; its shard takes it from here.
    private func accepted(_ name: String, _ fd: Int32, _ peer: SocketAddress) {
        guard connectionCount.add(upTo: options.limits.connections) else {
            shards[0].counters.refused.add(1)
            System.close(fd)
            return logStranger(
                shards[0], "\(name): \(peer) turned away: \(options.limits.connections) connections already")
        }
        if name == "map_tcp_bind" {
            guard let route = shards[0].routes.tcp, let session = route.session else {
                System.resetOnClose(fd)
                System.close(fd)
                connectionCount.remove()
                shards[0].counters.refused.add(1)
                return logStranger(shards[0], "visitor \(peer) turned away: no client has a TCP mapping")
            }
            return on(shards[session.shard]) { $0.adoptTCP(fd, peer, route) }
        }
        nextShard = (nextShard + 1) % shards.count
        on(shards[nextShard]) { shard in
            switch name {
            case "bind_addr": shard.adoptTunnel(fd, peer)
            case "map_https_bind": shard.adoptHTTP(fd, peer, secure: true)
            default: shard.adoptHTTP(fd, peer, secure: false)
            }
        }
    }

    /// Runs `body` on the shard's loop: at once if that is this one.
    func on(_ shard: ServerShard, _ body: @escaping (ServerShard) -> Void) {
        guard !shard.loop.isCurrent else { return body(shard) }
        shard.loop.submit { [self] in withExtendedLifetime(self) { body(shard) } }
    }

    // MARK: Counts

    func admitsSession() -> Bool { sessionCount.add(upTo: options.limits.sessions) }
    func sessionLeft() { sessionCount.remove() }
    func admitsLogin() -> Bool { loginCount.add(upTo: options.limits.handshakes) }
    func loginLeft() { loginCount.remove() }
    func connectionLeft() { connectionCount.remove() }

    var statistics: Statistics { Statistics(shards.map(\.counters)) }

    /// What strangers do is logged once a second and shard, and how much was not.
    func logStranger(_ shard: ServerShard, _ text: @autoclosure () -> String) {
        guard let held = shard.strangers.admit(now: shard.loop.now) else { return }
        Log.warning(held == 0 ? text() : "\(text()) (and \(held) more like it)")
    }

    // MARK: Claims

    /// What `map` claims, if this server has an edge for it.
    func claim(of map: Map) -> Result<Claim, Refusal> {
        switch map.mode {
        case .tcp:
            guard options.mapTCPBind != nil else {
                return .failure(Refusal(code: .notOffered, text: "the server has no TCP edge (map_tcp_bind)"))
            }
            return .success(.tcp)
        case .http, .https:
            guard let name = HostName(map.domain), name.port == nil else {
                return .failure(Refusal(code: .notOffered, text: "'\(map.domain)' is not a host name"))
            }
            guard options.mapHTTPSBind != nil || (map.mode == .http && options.mapHTTPBind != nil) else {
                let keys = map.mode == .http ? "map_http_bind, map_https_bind" : "map_https_bind"
                return .failure(Refusal(code: .notOffered, text: "the server has no edge for it (\(keys))"))
            }
            return .success(.host(name))
        default:
            return .failure(Refusal(code: .notOffered, text: "mode \(map.mode.rawValue) is not known here"))
        }
    }

    /// Where visitors reach it: the first for programs, all for people.
    func visitorAddresses(of map: Map) -> [String] {
        if map.mode == .tcp { return [addresses["map_tcp_bind"]?.description ?? ""] }
        var urls: [String] = []
        if map.mode == .http, let http = addresses["map_http_bind"] { urls.append("http://\(map.domain):\(http.port)") }
        if let https = addresses["map_https_bind"] { urls.append("https://\(map.domain):\(https.port)") }
        return urls
    }

    /// Has the registry take `claim`, and every shard know it, before `done` runs on the session's loop.
    func take(_ claim: Claim, _ route: Route, for identity: Identity, done: @escaping (Result<Void, Refusal>) -> Void) {
        guard let session = route.session else { return }
        home.submit { [self] in
            switch registry.take(claim, route, for: identity) {
            case .failure(let refusal): on(shards[session.shard]) { _ in done(.failure(refusal)) }
            case .success(let loser):
                tell([(claim, route)]) { [self] in on(shards[session.shard]) { _ in done(.success(())) } }
                if let loser {
                    on(shards[loser.shard]) { $0.session(loser)?.loseMapping(of: claim) }
                }
            }
        }
    }

    /// Gives `claim` up; `done` runs on the session's loop when no shard routes to it any more.
    func release(_ claim: Claim, by session: SessionID, done: @escaping () -> Void) {
        home.submit { [self] in
            guard registry.release(claim, by: session) else { return on(shards[session.shard]) { _ in done() } }
            tell([(claim, nil)]) { [self] in on(shards[session.shard]) { _ in done() } }
        }
    }

    /// The session is lost; `done` runs on the first loop when no shard routes to it any more.
    func vacate(_ session: SessionID, done: @escaping () -> Void) {
        home.submit { [self] in tell(registry.vacate(session), done) }
    }

    /// On the first loop: has each shard change its routes; `done` runs here when all have.
    private func tell(_ changes: [(Claim, Route?)], _ done: @escaping () -> Void) {
        var left = shards.count
        for shard in shards {
            on(shard) { [self] shard in
                for (claim, route) in changes {
                    switch claim {
                    case .tcp: shard.routes.tcp = route
                    case .host(let name): shard.routes.hosts[name] = route
                    }
                }
                on(shards[0]) { _ in
                    left -= 1
                    if left == 0 { done() }
                }
            }
        }
    }

    // MARK: Stop

    /// Closes the listeners at once; streams may end within `drain` milliseconds, then they are reset (negative: no
    /// limit). Blocks its thread, which is the host's.
    func stop(drain milliseconds: Int) throws(TunnelError) {
        let finished = Monitor()
        nonisolated(unsafe) var left = shards.count
        let isAlive = home.submit { [self] in
            for listener in listeners.values { listener.close() }
            listeners.removeAll()
            for shard in shards {
                on(shard) { shard in
                    shard.drain(milliseconds) {
                        finished.locked {
                            left -= 1; finished.signal()
                        }
                    }
                }
            }
        }
        let deadline = milliseconds < 0 ? nil : Deadline(after: min(milliseconds, Int(Int32.max) - 5000) + 5000)
        let inTime = finished.locked {
            while left > 0, isAlive { guard finished.wait(until: deadline) else { break } }
            return left == 0 || !isAlive
        }
        guard inTime else { throw TunnelError(.timedOut, "the server did not stop in time") }
        events.post(.stopped)
        events.close()
        whileRunning = nil
    }
}
