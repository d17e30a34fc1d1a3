import Glibc
import WMPIO
import WMPWire

/// A server's part on its first loop: who is in, who holds what, which ports are open. What happens to visitors is the
/// shards'.
///
/// @unchecked Sendable: confined to the first loop, but for `core` and `counters`.
final class ServerHome: @unchecked Sendable {
    unowned let core: ServerCore
    private let loop: Loop
    private let shard: ServerShard
    /// The first shard's: it lives on the same loop.
    let counters: Counters
    private var registry = Registry()
    private var sessions: [[UInt8]: ServerSession] = [:]
    private var lastNumber: UInt64 = 0
    /// The ports that mappings have for themselves.
    private var tcpPorts: [SocketAddress: Listener] = [:]
    private var udpPorts: [SocketAddress: DatagramPort] = [:]
    /// UDP ports that are given up and not free yet, with what waits for them.
    private var closingPorts: [SocketAddress: [() -> Void]] = [:]
    private var penalties = Penalties()
    private var refusals = LogLimiter(perSecond: 10)
    private var comings = LogLimiter(perSecond: 50)
    /// The server stops: nothing is given away any more.
    private var isClosed = false

    init(_ core: ServerCore, on shard: ServerShard) {
        (self.core, self.shard, loop, counters) = (core, shard, shard.loop, shard.counters)
    }

    var policy: ServerPolicy { shard.policy }

    // MARK: Sessions

    /// The shard on which one more lane of the session named by `token` should live: where it has the fewest.
    func shardForLane(of token: [UInt8], asking: Int) -> Int {
        guard let session = sessions[token] else { return asking }
        var load = [Int](repeating: 0, count: core.shards.count)
        for index in session.lanes.map(\.shard.index) + session.placed { load[index] += 1 }
        let least = load.min() ?? 0
        let chosen = load[asking] == least ? asking : load.firstIndex(of: least) ?? asking
        session.placed.append(chosen)
        return chosen
    }

    /// The lane for which shard `index` was chosen has joined, or is lost.
    func forgetPlace(_ index: Int, in token: [UInt8]) { sessions[token]?.forgetPlace(index) }

    /// A login is good: a new session, or one more lane of the session named by `token`.
    func admit(
        _ lane: ServerLane, as identity: Identity, _ grant: Grant, by access: Access, joining token: [UInt8]
    ) -> Result<ServerSession, Refusal> {
        // The login began before a reload, which may have withdrawn what it was good for.
        guard policy.access.grant(of: identity.principal) == grant,
            policy.access.isSecretOf(identity.principal, thatOf: access)
        else { return .failure(Refusal(code: .loginFailed, text: "the configuration has changed meanwhile")) }
        guard !isClosed else {
            let code: SessionError = token.isEmpty ? .shuttingDown : .unknownSession
            return .failure(Refusal(code: code, text: "the server stops"))
        }
        guard token.isEmpty else {
            guard let session = sessions[token], session.shared.identity == identity, !session.shared.isRevoked else {
                return .failure(Refusal(code: .unknownSession, text: "there is no such session any more"))
            }
            guard session.lanes.count < core.maxLanes else {
                return .failure(Refusal(code: .tooMany, text: "a session has at most \(core.maxLanes) lanes here"))
            }
            session.join(lane)
            return .success(session)
        }
        guard sessions.count < policy.options.limits.sessions else {
            return .failure(Refusal(code: .tooMany, text: "the server has no room for more sessions"))
        }
        guard let token = Digest.random(16) else {
            return .failure(Refusal(code: .tooMany, text: "the server has no random numbers"))
        }
        lastNumber += 1
        let budget = ByteBudget(limit: policy.options.limits.sessionQueued, within: core.budget)
        let shared = SharedSession(number: lastNumber, token: token, identity: identity, grant: grant, budget: budget)
        shared.pace = pace(of: identity.principal, grant)
        let session = ServerSession(shared, peer: lane.peer, home: self)
        sessions[token] = session
        session.begin(with: lane, lane.agent)
        return .success(session)
    }

    /// One for all sessions of a principal; nil: there is no limit.
    private func pace(of principal: String, _ grant: Grant) -> Pace? {
        guard let bandwidth = grant.bandwidth else { return nil }
        let others = sessions.values.lazy.map(\.shared).filter {
            $0.identity.principal == principal && $0.grant == grant && !$0.isRevoked
        }
        return others.compactMap(\.pace).first ?? Pace(bytesPerSecond: bandwidth)
    }

    /// A new policy is in force: ends what it no longer allows.
    func revoke(since earlier: Access) {
        for session in sessions.values {
            let principal = session.shared.identity.principal
            let grant = policy.access.grant(of: principal)
            guard grant == session.shared.grant, policy.access.isSecretOf(principal, thatOf: earlier) else {
                session.revoke()
                continue
            }
        }
    }

    /// The session's last lane is gone, and with it what it claimed.
    func end(_ session: ServerSession, _ claims: [Claim]) {
        sessions[session.shared.token] = nil
        tell(registry.vacate(session.shared, claims))
        noteVacant()
    }

    private func noteVacant() { counters.vacantNames.set(registry.vacantCount) }

    /// A session has lanes elsewhere than before: what lives beside them moves along.
    func lanesChanged(of session: SharedSession) {
        for case .port(.udp, let address) in sessions[session.token]?.claims ?? [] {
            udpPorts[address]?.follow(session)
        }
    }

    /// A port is of no use any more.
    func lost(_ claim: Claim, _ reason: String) {
        guard let route = registry[claim], let shared = route.session, let session = sessions[shared.token] else {
            return
        }
        Log.error("\(claim) is lost: \(reason)")
        release(claim, by: session) {}
        session.lose(claim, .notOffered, reason)
    }

    /// What is refused to a peer: some lines a second.
    func logRefusal(_ text: @autoclosure () -> String) {
        refusals.log(.warning, at: loop.now, text())
    }

    /// Sessions and mappings that come and go: as many lines as a restart takes, and not as many as a peer likes.
    func logComing(_ text: @autoclosure () -> String) {
        comings.log(.info, at: loop.now, text())
    }

    // MARK: Strangers

    /// A login failed.
    func blame(_ peer: SocketAddress) {
        guard let ip = peer.ip, let time = penalties.fail(ip, at: loop.now) else { return }
        logRefusal("\(peer.host) is shut out for \(time / 1_000_000_000) s: too many logins from there have failed")
    }

    /// Nobody from there may try to log in for now.
    func isShutOut(_ peer: SocketAddress) -> Bool { peer.ip.map { penalties.isShutOut($0, at: loop.now) } ?? false }

    // MARK: Claims

    /// Gives `map` what it claims. Every loop knows before the client hears.
    func take(_ map: Map, for session: ServerSession) -> Result<(Claim, [String]), Refusal> {
        guard !isClosed else { return .failure(Refusal(code: .shuttingDown, text: "the server stops")) }
        let claim: Claim
        let opened: Opened?
        do throws(Refusal) { (claim, opened) = try open(map, for: session.shared) } catch {
            return .failure(error)
        }
        let route = Route(session: session.shared, mapping: map.id, name: map.name, mode: map.mode)
        switch registry.take(claim, route, for: session.shared.identity) {
        case .failure(let refusal):
            opened?.close()
            return .failure(refusal)
        case .success(let loser):
            tell([(claim, route)])
            noteVacant()
            adopt(opened, claim, map)
            if let loser {
                let text = "taken over by a newer session of the same client"
                sessions[loser.token]?.lose(claim, .taken, text)
            }
            return .success((claim, core.visitorAddresses(of: map, at: claim)))
        }
    }

    /// Gives `claim` up; `done` runs when it is free.
    func release(_ claim: Claim, by session: ServerSession, done: @escaping () -> Void) {
        guard registry.release(claim, by: session.shared) else { return done() }
        tell([(claim, nil)])
        whenFree(claim, done)
    }

    /// Runs `body` when the port, if it is being closed, is free.
    private func whenFree(_ claim: Claim, _ body: @escaping () -> Void) {
        guard case .port(.udp, let address) = claim, closingPorts[address] != nil else { return body() }
        closingPorts[address]?.append(body)
    }

    /// Runs `body` when every port is free that `map` asks for.
    func whenFree(_ map: Map, _ body: @escaping () -> Void) {
        guard map.mode == .udp, !closingPorts.isEmpty, let wanted = SocketAddress(endpoint: map.remote) else {
            return body()
        }
        let address = wanted.port == 0 ? wanted.with(port: map.lastPort) : wanted
        whenFree(.port(.udp, address), body)
    }

    private func close(_ port: DatagramPort, at address: SocketAddress) {
        closingPorts[address] = []
        port.close { [self] in
            for body in closingPorts.removeValue(forKey: address) ?? [] { body() }
        }
    }

    /// Who serves the visitors of `claim`.
    func route(of claim: Claim) -> Route? { registry[claim] }

    /// Has everybody know the change: what is submitted to a loop runs there before it looks at anything that became
    /// ready later.
    private func tell(_ changes: [(Claim, Route?)]) {
        var hosts: [(HostName, Route?)] = []
        for (claim, route) in changes {
            switch claim {
            case .host(let name): hosts.append((name, route))
            case .tcpEdge: break
            // A UDP port is told by `adopt`, with more than the route.
            case .port(.tcp, let address): if route == nil { tcpPorts.removeValue(forKey: address)?.close() }
            case .port(.udp, let address):
                if route == nil, let port = udpPorts.removeValue(forKey: address) { close(port, at: address) }
            }
        }
        countPorts()
        guard !hosts.isEmpty else { return }
        for shard in core.shards { core.on(shard) { [hosts] in $0.change(hosts) } }
    }

    // MARK: Ports

    /// A socket that was opened for a mapping, and is not in the tables yet.
    private enum Opened {
        case tcp(Listener)
        case udp(DatagramSocket)

        func close() {
            switch self {
            case .tcp(let listener): listener.close()
            case .udp(let socket): socket.close()
            }
        }
    }

    /// What `map` claims, with the socket that had to be opened for it.
    private func open(_ map: Map, for session: SharedSession) throws(Refusal) -> (Claim, Opened?) {
        switch map.mode {
        case .tcp where map.remote.isEmpty:
            guard policy.options.mapTCPBind != nil else {
                throw Refusal(
                    code: .notOffered, text: "the server has no TCP edge (map_tcp_bind); 'remote_addr' asks for a port")
            }
            let port = core.addresses["map_tcp_bind"]?.port ?? 0
            guard session.grant.ports == nil || session.grant.permits(.tcp, port: port) else {
                throw Refusal(code: .notOffered, text: "'\(session.identity.principal)' may not have the TCP edge")
            }
            return (.tcpEdge, nil)
        case .tcp: return try openPort(map, .tcp, for: session)
        case .udp: return try openPort(map, .udp, for: session)
        case .http, .https:
            guard let name = HostName(map.domain), name.port == nil else {
                throw Refusal(code: .notOffered, text: "'\(map.domain)' is not a host name")
            }
            guard policy.options.mapHTTPSBind != nil || (map.mode == .http && policy.options.mapHTTPBind != nil) else {
                let keys = map.mode == .http ? "map_http_bind, map_https_bind" : "map_https_bind"
                throw Refusal(code: .notOffered, text: "the server has no edge for it (\(keys))")
            }
            guard session.grant.permits(domain: map.domain) else {
                throw Refusal(
                    code: .notOffered, text: "'\(session.identity.principal)' may not have the domain '\(map.domain)'")
            }
            return (.host(name), nil)
        default: throw Refusal(code: .notOffered, text: "mode \(map.mode.rawValue) is not known here")
        }
    }

    private func openPort(
        _ map: Map, _ transport: Transport, for session: SharedSession
    ) throws(Refusal) -> (Claim, Opened?) {
        guard let wanted = SocketAddress(endpoint: map.remote) else {
            throw Refusal(code: .notOffered, text: "'\(map.remote)' is not an IP address and a port")
        }
        guard wanted.port == 0 || session.grant.permits(transport, port: wanted.port) else {
            let which = session.grant.ports == nil ? ": only \(Grant.lowestPort) and above" : ""
            throw Refusal(code: .notOffered, text: "a client may not open port \(wanted.port)\(which)")
        }
        guard wanted.isUnicast else {
            throw Refusal(code: .notOffered, text: "\(wanted.host) is not the address of a machine")
        }
        if wanted.port != 0 {
            // Its own earlier session may have it open still; the registry knows whose it is.
            let claim = Claim.port(transport, wanted)
            if registry[claim] != nil { return (claim, nil) }
            return try bind(wanted, transport)
        }
        // The port of the time before, if it can be had.
        if map.lastPort > 0, session.grant.permits(transport, port: map.lastPort) {
            let last = wanted.with(port: map.lastPort)
            let claim = Claim.port(transport, last)
            if registry[claim] == nil, let opened = try? bind(last, transport) { return opened }
            if registry.canTakeOver(claim, session) { return (claim, nil) }
        }
        let granted = session.grant.freePort(transport) { registry[.port(transport, wanted.with(port: $0))] == nil }
        guard session.grant.ports == nil || granted != nil else {
            throw Refusal(code: .taken, text: "no \(transport.rawValue) port is free of those that the client may open")
        }
        return try bind(wanted.with(port: granted ?? 0), transport)
    }

    private func bind(_ address: SocketAddress, _ transport: Transport) throws(Refusal) -> (Claim, Opened?) {
        guard address.port == 0 || !core.addresses.values.contains(where: { $0.port == address.port }) else {
            throw Refusal(code: .notOffered, text: "port \(address.port) is one of the server's own")
        }
        let most = policy.options.limits.ports
        guard tcpPorts.count + udpPorts.count < most else {
            throw Refusal(code: .tooMany, text: "the server has \(most) ports open for mappings already")
        }
        do throws(SystemError) {
            switch transport {
            case .tcp:
                let listener = try Listener(address, on: loop)
                guard !listener.isScarce else { throw SystemError("listen", EMFILE) }
                let claim = Claim.port(.tcp, listener.address)
                try core.accept(on: listener, named: "\(claim)") { [unowned self] in route(of: claim) }
                return (claim, .tcp(listener))
            case .udp:
                let socket = try DatagramSocket(bound: address, on: loop)
                return (.port(.udp, socket.address), .udp(socket))
            }
        } catch {
            let code: SessionError =
                switch error.code {
                case EADDRINUSE: .taken
                case EMFILE, ENFILE, ENOBUFS, ENOMEM: .tooMany
                default: .notOffered
                }
            throw Refusal(code: code, text: "cannot listen on \(transport.rawValue) \(address): \(error)")
        }
    }

    private func adopt(_ opened: Opened?, _ claim: Claim, _ map: Map) {
        switch opened {
        case .tcp(let listener): tcpPorts[listener.address] = listener
        case .udp(let socket): udpPorts[socket.address] = DatagramPort(socket, core: core)
        case nil: break
        }
        if case .port(.udp, let address) = claim, let route = registry[claim] {
            udpPorts[address]?.serve(route, idle: Int(map.idle))
        }
        countPorts()
    }

    private func countPorts() { counters.ports.set(tcpPorts.count + udpPorts.count) }

    // MARK: The end

    /// Closes all ports; `done` runs when the last one is free.
    func closePorts(_ done: @escaping () -> Void) {
        isClosed = true
        for listener in tcpPorts.values { listener.close() }
        tcpPorts.removeAll()
        for (address, port) in udpPorts { close(port, at: address) }
        udpPorts.removeAll()
        countPorts()
        var left = closingPorts.count
        guard left > 0 else { return done() }
        for address in closingPorts.keys {
            closingPorts[address]?.append {
                left -= 1
                if left == 0 { done() }
            }
        }
    }
}

extension SocketAddress {
    /// Not multicast, not broadcast.
    fileprivate var isUnicast: Bool { ip?.isUnicast ?? false }

    fileprivate func with(port: UInt16) -> SocketAddress {
        var address = self
        address.port = port
        return address
    }
}
