import Glibc
import WMPIO
import WMPWire

/// A running server: its edges, a shard on each of its loops, and a home on the first.
///
/// @unchecked Sendable: what is set up in `init` never changes; `listeners` and `arrivals` are confined to the first
/// loop.
final class ServerCore: @unchecked Sendable {
    let engine: TunnelEngine
    let events: EventQueue
    /// What may wait in memory for slow readers, all sessions together.
    let budget: ByteBudget
    /// Where each listener listens, by the name of its option.
    private(set) var addresses: [String: SocketAddress] = [:]
    private(set) var shards: [ServerShard] = []
    private(set) lazy var home = ServerHome(self, on: shards[0])
    private let connectionCount = SharedCount()
    private let loginCount = SharedCount()
    private var listeners: [String: Listener] = [:]
    private var arrivals = ArrivalRate()
    /// The one that all loops go by, or are about to.
    private let lastPolicy: Guarded<ServerPolicy>
    /// Itself, from `start` to the end of `stop`: a server runs whether or not anybody holds it.
    private var whileRunning: ServerCore?

    private var homeLoop: Loop { shards[0].loop }
    /// Lanes of one session: one for each loop, unless the configuration says otherwise.
    let maxLanes: Int

    init(_ options: ServerOptions, engine: TunnelEngine) throws(TunnelError) {
        self.engine = engine
        budget = ByteBudget(limit: options.limits.queued)
        let policy = try ServerPolicy(options)
        lastPolicy = Guarded(policy)
        let loops: [Loop]
        do throws(SystemError) {
            events = try EventQueue()
            loops = try engine.serverLoops(options.threads)
        } catch { throw TunnelError(error, doing: "cannot start the engine") }
        maxLanes = options.lanes ?? min(4, loops.count)
        shards = loops.enumerated().map { ServerShard(self, index: $0.offset, loop: $0.element, policy) }
        for (name, endpoint) in options.listeners {
            let listener = try Self.listen(name, endpoint, on: homeLoop)
            listeners[name] = listener
            addresses[name] = listener.address
        }
        // Made before any other thread can ask for it.
        _ = home
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
        homeLoop.submit { [self] in
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
        if name == "map_tcp_bind" {
            return try accept(on: listener, named: name) { [unowned self] in home.route(of: .tcpEdge) }
        }
        var last = 0
        try listener.start(
            onAccept: { [unowned self] fd, peer in
                last = (last + 1) % shards.count
                accepted(name, fd, peer, shards[last])
            },
            onExhausted: { [unowned self] in logExhausted(name, $0) })
    }

    /// On the first loop: takes in the visitors of a TCP port, for whoever `route` names when one comes.
    func accept(on listener: Listener, named name: String, route: @escaping () -> Route?) throws(SystemError) {
        try listener.start(
            onAccept: { [unowned self] fd, peer in acceptedTCP(name, fd, peer, route()) },
            onExhausted: { [unowned self] in logExhausted(name, $0) })
    }

    private func logExhausted(_ name: String, _ error: SystemError) {
        logStranger(shards[0], "\(name): no visitor can be taken for now: \(error)")
    }

    private static let purpose = [
        "bind_addr": "tunnel clients", "map_http_bind": "HTTP visitors", "map_https_bind": "HTTPS visitors",
        "map_tcp_bind": "TCP visitors",
    ]

    /// On the first loop: a connection has come; its shard takes it from here.
    private func accepted(_ name: String, _ fd: Int32, _ peer: SocketAddress, _ shard: ServerShard) {
        guard admitsConnection(name, fd, peer) else { return }
        if name == "bind_addr", home.isShutOut(peer) {
            shards[0].counters.refused.add(1)
            connectionCount.remove()
            return System.close(fd)
        }
        on(shard) { shard in
            switch name {
            case "bind_addr": shard.adoptTunnel(fd, peer)
            case "map_https_bind": shard.adoptHTTP(fd, peer, secure: true)
            default: shard.adoptHTTP(fd, peer, secure: false)
            }
        }
    }

    /// The same for a visitor whose port tells who serves it: it goes in turn to the loops with a lane there.
    private func acceptedTCP(_ name: String, _ fd: Int32, _ peer: SocketAddress, _ route: Route?) {
        guard admitsConnection(name, fd, peer) else { return }
        guard let route, let session = route.session, let next = shard(for: session) else {
            System.close(fd)
            connectionCount.remove()
            shards[0].counters.refused.add(1)
            return logStranger(shards[0], "\(name): visitor \(peer) turned away: no client serves it")
        }
        on(shards[next]) { $0.adoptTCP(fd, peer, route) }
    }

    /// Where a visitor of `session` is served: in turn, on the shards with a lane of it.
    ///
    /// Handing a visitor over to another loop is a seventh of what a short-lived one costs, and two loops that are half
    /// busy do less in a turn than one (decision 0012). So while this loop has time to spare, visitors stay here
    /// who come in crowds and will soon be gone; and all of them where nothing is encrypted, which is the work that
    /// takes a second core.
    private func shard(for session: SharedSession) -> Int? {
        guard let next = session.shard(from: session.lastShard + 1) else { return nil }
        let isCrowd = arrivals.isCrowd(at: homeLoop.now)
        let mayStay = session.hasLanes(onShard: 0) && !session.isBetterServedElsewhere(thanOnShard: 0)
        if isCrowd || shards[0].policy.tunnelContext == nil, mayStay, homeLoop.loadPercent < Self.busy {
            let here = shards[0].counters.visitors.current
            let isFull = shards.dropFirst().contains { other in
                session.hasLanes(onShard: other.index) && other.counters.visitors.current &+ Self.mostMore <= here
            }
            if !isFull { return 0 }
        }
        session.lastShard = next
        return next
    }

    /// Percent of the time from which on a loop counts as busy.
    private static let busy = 75
    /// Visitors that this loop may have more than another and still take one.
    private static let mostMore: UInt64 = 64

    private func admitsConnection(_ name: String, _ fd: Int32, _ peer: SocketAddress) -> Bool {
        if connectionCount.add(upTo: shards[0].policy.options.limits.connections) { return true }
        shards[0].counters.refused.add(1)
        System.close(fd)
        logStranger(shards[0], "\(name): \(peer) turned away: there are too many connections")
        return false
    }

    /// Runs `body` on the shard's loop: at once if that is this one.
    func on(_ shard: ServerShard, _ body: @escaping (ServerShard) -> Void) {
        shard.loop.run { [self] in withExtendedLifetime(self) { body(shard) } }
    }

    /// Runs `body` on the first loop.
    func onHome(_ body: @escaping (ServerHome) -> Void) { on(shards[0]) { [home] _ in body(home) } }

    // MARK: Reload

    /// Goes by `options` from here on: what is under way goes on, but for what they no longer allow. Blocks its thread,
    /// which is the host's, until every loop goes by them. What cannot change while the server runs is an error, and
    /// then nothing has changed.
    func reload(_ options: ServerOptions) throws(TunnelError) {
        // One at a time, and each by what the one before has left.
        let result: Result<Void, TunnelError> = lastPolicy.withLock { last in
            do throws(TunnelError) {
                last = try adopt(options, after: last)
                return .success(())
            } catch { return .failure(error) }
        }
        try result.get()
        Log.info("the configuration was read again")
    }

    private func adopt(_ options: ServerOptions, after earlier: ServerPolicy) throws(TunnelError) -> ServerPolicy {
        if let name = options.fixedKeyChanged(from: earlier.options) {
            throw TunnelError(.configuration, "'\(name)' cannot change while the server runs: start it anew")
        }
        let policy = try ServerPolicy(options, after: earlier)
        let adopted = Monitor()
        nonisolated(unsafe) var left = shards.count
        let isAlive = homeLoop.submit { [self] in
            for shard in shards {
                on(shard) { shard in
                    shard.adopt(policy)
                    adopted.locked {
                        left -= 1
                        adopted.signal()
                    }
                }
            }
            home.revoke(since: earlier.access)
        }
        guard isAlive else { throw TunnelError(.closed, "the server is stopped") }
        adopted.locked { while left > 0 { _ = adopted.wait(until: nil) } }
        return policy
    }

    // MARK: Counts

    func admitsLogin(upTo most: Int) -> Bool { loginCount.add(upTo: most) }
    func loginLeft() { loginCount.remove() }
    func connectionLeft() { connectionCount.remove() }

    var statistics: Statistics {
        var all = Statistics(shards.map(\.counters))
        all.connections = UInt64(connectionCount.current)
        all.logins = UInt64(loginCount.current)
        return all
    }

    /// What strangers do is logged once a second and shard, and how much was not.
    func logStranger(_ shard: ServerShard, _ text: @autoclosure () -> String) {
        shard.strangers.log(.warning, at: shard.loop.now, text())
    }

    /// Where visitors reach it: the first for programs, all for people.
    func visitorAddresses(of map: Map, at claim: Claim) -> [String] {
        switch claim {
        case .tcpEdge: return [addresses["map_tcp_bind"]?.description ?? ""]
        case .port(_, let address): return [address.description]
        case .host: break
        }
        var urls: [String] = []
        if map.mode == .http, let http = addresses["map_http_bind"] { urls.append("http://\(map.domain):\(http.port)") }
        if let https = addresses["map_https_bind"] { urls.append("https://\(map.domain):\(https.port)") }
        return urls
    }

    // MARK: Memory

    /// Any loop. More waits for slow readers than `budget` allows: on whichever loop the visitor is for whom most
    /// waits, that one is cut off.
    func shed(_ budget: ByteBudget) {
        guard budget.beginShedding() else { return }
        // Later: the caller may be deep inside the one that has to go.
        homeLoop.submit { [self] in
            Shedding(shards, budget, on: homeLoop) { [self] in shed(budget) }.run()
        }
    }

    // MARK: Stop

    /// Closes the listeners at once; streams may end within `drain` milliseconds, then they are reset (negative: no
    /// limit). Blocks its thread, which is the host's.
    func stop(drain milliseconds: Int) throws(TunnelError) {
        let finished = Monitor()
        // The shards, and the ports.
        nonisolated(unsafe) var left = shards.count + 1
        @Sendable func finishOne() {
            finished.locked {
                left -= 1
                finished.signal()
            }
        }
        let isAlive = homeLoop.submit { [self] in
            for listener in listeners.values { listener.close() }
            listeners.removeAll()
            home.closePorts { finishOne() }
            for shard in shards { on(shard) { $0.drain(milliseconds) { finishOne() } } }
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

/// Whether visitors come in crowds: many within the last tenth of a second or two.
private struct ArrivalRate {
    private var since: Int64 = 0
    private var count = 0
    private var before = 0

    private static let period: Int64 = 100_000_000
    private static let many = 50

    mutating func isCrowd(at now: Int64) -> Bool {
        if now - since >= Self.period {
            before = now - since < 2 * Self.period ? count : 0
            (since, count) = (now, 0)
        }
        count += 1
        return max(before, count) >= Self.many
    }
}
