import WMPIO
import WMPWire

/// A server's part on one loop: the lanes, visitors and routes there.
///
/// @unchecked Sendable: confined to `loop`, but for `core`, `index` and `counters`.
final class ServerShard: PipeOwner, Sheddable, @unchecked Sendable {
    /// The core owns the shards. What runs here for it, its jobs, keep it alive meanwhile.
    unowned let core: ServerCore
    let index: Int
    let loop: Loop
    let counters = Counters()
    private(set) var policy: ServerPolicy
    private(set) var routes = RouteTable()
    /// Counts the changes of `routes`.
    private(set) var routesVersion = 0
    var strangers = LogLimiter()
    /// Of events, which strangers may not fill the host's queue with either.
    private var failures = LogLimiter(perSecond: 10)

    /// Connections that have yet to log in, or to say what they speak.
    private var doormen: [ObjectIdentifier: Doorman] = [:]
    /// Those of them, and of the lanes, that have said something and are not in: when there are too many, one of those
    /// that are slow gives way, whichever. So nobody can keep all others out by holding every place.
    private var logins: [ObjectIdentifier: any LoginInProgress] = [:]
    /// All lanes, those logging in included.
    private var lanes: [ObjectIdentifier: ServerLane] = [:]
    /// Those that carry streams, by session.
    private var lanesOf: [ObjectIdentifier: [ServerLane]] = [:]
    /// Visitors of whom a trusted proxy has yet to tell.
    private var introductions: [ObjectIdentifier: Introduction] = [:]
    private var visitors: [ObjectIdentifier: HTTPVisitor] = [:]
    /// Visitors of TCP ports, also those whose stream has ended before they took all.
    private var pipes: [ObjectIdentifier: PipeStream] = [:]
    private var isStopping = false
    /// Called when the last stream has ended or its time is over.
    private var drained: (() -> Void)?
    private var drainTimer: Timer?
    private var isCheckScheduled = false
    private var isDroppingUpstreams = false

    init(_ core: ServerCore, index: Int, loop: Loop, _ policy: ServerPolicy) {
        (self.core, self.index, self.loop, self.policy) = (core, index, loop, policy)
    }

    /// Goes by `policy` from here on.
    func adopt(_ policy: ServerPolicy) { self.policy = policy }

    func change(_ changes: [(HostName, Route?)]) {
        routesVersion += 1
        for (name, route) in changes { routes[name] = route }
        // A client that takes its mapping back waits for the streams of visitors who only may ask again. Once for all
        // changes of a turn: there may be many, and many visitors.
        guard !isDroppingUpstreams else { return }
        isDroppingUpstreams = true
        loop.later { [weak self] in
            guard let self else { return }
            isDroppingUpstreams = false
            for visitor in visitors.values { visitor.dropIdleUpstream() }
        }
    }

    // MARK: Tunnel connections

    func adoptTunnel(_ fd: Int32, _ peer: SocketAddress) {
        guard !isStopping else {
            System.close(fd)
            return core.connectionLeft()
        }
        let doorman = Doorman(Connection(fd, on: loop), peer: peer, shard: self)
        doormen[ObjectIdentifier(doorman)] = doorman
        do throws(SystemError) { try doorman.start() } catch { doorman.end("\(error)", .system) }
    }

    func doormanEnded(_ doorman: Doorman, wasCounted: Bool, becoming lane: ServerLane?) {
        guard doormen.removeValue(forKey: ObjectIdentifier(doorman)) != nil else { return }
        logins[ObjectIdentifier(doorman)] = nil
        if let lane {
            lanes[ObjectIdentifier(lane)] = lane
            logins[ObjectIdentifier(lane)] = lane
        } else {
            if wasCounted { core.loginLeft() }
            core.connectionLeft()
        }
    }

    /// A lane that is logging in goes to another shard.
    func leave(_ lane: ServerLane) {
        lanes[ObjectIdentifier(lane)] = nil
        logins[ObjectIdentifier(lane)] = nil
    }

    /// One comes from another. false: the server stops.
    func arrive(_ lane: ServerLane) -> Bool {
        lanes[ObjectIdentifier(lane)] = lane
        logins[ObjectIdentifier(lane)] = lane
        return !isStopping
    }

    func loggedIn(_ lane: ServerLane) {
        logins[ObjectIdentifier(lane)] = nil
        core.loginLeft()
        counters.lanes.add(1)
        guard let session = lane.session else { return }
        lanesOf[ObjectIdentifier(session), default: []].append(lane)
        session.setLanes(true, onShard: index)
        silenceChanged(of: session)
        core.onHome { $0.lanesChanged(of: session) }
        if isStopping { lane.close(Self.farewell) }
    }

    func lost(_ lane: ServerLane, wasUp: Bool) {
        guard lanes.removeValue(forKey: ObjectIdentifier(lane)) != nil else { return }
        logins[ObjectIdentifier(lane)] = nil
        core.connectionLeft()
        if wasUp { counters.lanes.add(-1) } else { core.loginLeft() }
        if let session = lane.session {
            let others = lanesOf[ObjectIdentifier(session)]?.filter { $0 !== lane } ?? []
            lanesOf[ObjectIdentifier(session)] = others.isEmpty ? nil : others
            if others.isEmpty { session.setLanes(false, onShard: index) }
            silenceChanged(of: session)
        }
        somethingEnded()
    }

    /// The lane of `session` with the fewest streams on this shard, if there is a choice one that is not silent.
    func lane(of session: SharedSession) -> ServerLane? {
        guard let lanes = lanesOf[ObjectIdentifier(session)] else { return nil }
        // One that is being lost is still in the table while its streams hear of it.
        if lanes.count == 1 { return lanes[0].isLost ? nil : lanes[0] }
        return lanes.filter { !$0.isLost }.min {
            ($0.isSilent ? 1 : 0, $0.streamCount) < ($1.isSilent ? 1 : 0, $1.streamCount)
        }
    }

    /// A lane of `session` owes an answer, or no longer does.
    func silenceChanged(of session: SharedSession) {
        let lanes = lanesOf[ObjectIdentifier(session)] ?? []
        session.setSilent(!lanes.isEmpty && lanes.allSatisfy(\.isSilent), onShard: index)
    }

    /// Takes `newcomer` among the logins in progress, in place of a slow one if there are too many. false: there is no
    /// place for it.
    func admitsLogin(of newcomer: any LoginInProgress) -> Bool {
        let most = policy.options.limits.handshakes
        if !core.admitsLogin(upTo: most) {
            let begunBefore = loop.now - Self.slowLogin + Int64(policy.options.timeouts.login) * 1_000_000
            logins.values.filter { $0.deadline < begunBefore }.randomElement()?.giveWay()
            guard core.admitsLogin(upTo: most) else { return false }
        }
        logins[ObjectIdentifier(newcomer)] = newcomer
        return true
    }

    /// A login that takes longer is slow, nanoseconds.
    private static let slowLogin: Int64 = 2_000_000_000

    /// Somebody did not get in at `bind_addr`.
    func turnedAway(_ peer: SocketAddress, _ reason: String, _ code: TunnelError.Code) {
        core.logStranger(self, "\(peer) did not get in: \(reason)")
        guard failures.admit(now: loop.now) != nil else { return }
        core.events.post(.loginFailed, code: code, address: peer.description, reason: reason)
    }

    // MARK: Visitors

    /// Hears who the visitor is, and whether it may come in: at once, or when a trusted proxy has said for whom it
    /// speaks.
    private func introduce(
        _ connection: Connection, _ peer: SocketAddress, _ done: @escaping (SocketAddress) -> Void
    ) {
        let options = policy.options
        guard options.takesProxyHeaders, let ip = peer.ip, options.trustedProxies.contains(ip) else {
            return admits(peer) ? done(peer) : turnAway(connection, peer, "its address is not let in")
        }
        let introduction = Introduction(connection, peer: peer, shard: self) { [self] result, introduction in
            introductions[ObjectIdentifier(introduction)] = nil
            switch result {
            case .success(let visitor) where admits(visitor): done(visitor)
            case .success(let visitor): turnAway(connection, visitor, "its address is not let in")
            case .failure(let failure): turnAway(connection, peer, failure.reason)
            }
        }
        introductions[ObjectIdentifier(introduction)] = introduction
        do throws(SystemError) { try introduction.start() } catch { introduction.end("\(error)") }
    }

    /// Whether visitors from there may come in.
    func admits(_ visitor: SocketAddress) -> Bool {
        let rule = policy.options.visitors
        return rule.admitsAll || visitor.ip.map(rule.admits) == true
    }

    private func turnAway(_ connection: Connection, _ visitor: SocketAddress, _ reason: String) {
        connection.reset()
        counters.refused.add(1)
        core.logStranger(self, "visitor \(visitor) turned away: \(reason)")
        visitorLeft()
        somethingEnded()
    }

    /// A visitor of a TCP port.
    func adoptTCP(_ fd: Int32, _ peer: SocketAddress, _ route: Route) {
        let connection = Connection(fd, on: loop)
        introduce(connection, peer) { [self] in adoptTCP(connection, $0, route) }
    }

    private func adoptTCP(_ connection: Connection, _ peer: SocketAddress, _ route: Route) {
        guard !isStopping, let session = route.session, let lane = lane(of: session),
            case .success(let stream) = lane.admit()
        else {
            connection.reset()
            counters.refused.add(1)
            visitorLeft()
            return
        }
        let pipe = PipeStream(
            id: stream, mux: lane.mux, side: .visitor, counters: counters, budget: session.budget,
            owner: self)
        pipes[ObjectIdentifier(pipe)] = pipe
        do throws(SystemError) {
            try connection.start(pipe)
            lane.open(pipe, mapping: route.mapping, visitor: peer)
            pipe.attach(connection)
        } catch {
            session.streams.remove()
            connection.close()
            pipe.abandon()
        }
    }

    func pipeClosed(_ pipe: PipeStream) {
        guard pipes[ObjectIdentifier(pipe)] != nil else { return }
        if pipes.forget(ObjectIdentifier(pipe)) { loop.trimLater() }
        visitorLeft()
        somethingEnded()
    }

    /// A visitor of the HTTP or HTTPS edge.
    func adoptHTTP(_ fd: Int32, _ peer: SocketAddress, secure: Bool) {
        let connection = Connection(fd, on: loop)
        introduce(connection, peer) { [self] visitor in
            let visitor = HTTPVisitor(connection, peer: visitor, secure: secure, shard: self)
            counters.visitorsTotal.add(1)
            arrive(visitor)
        }
    }

    /// A visitor comes here, new or from another shard whose lanes did not serve it.
    func arrive(_ visitor: HTTPVisitor) {
        visitors[ObjectIdentifier(visitor)] = visitor
        counters.visitors.add(1)
        visitor.arrive(on: self)
        if isStopping { if drained == nil { visitor.close() } else { visitor.drain() } }
    }

    /// Leaves for another shard.
    func leave(_ visitor: HTTPVisitor) {
        if visitors.forget(ObjectIdentifier(visitor)) { loop.trimLater() }
        counters.visitors.add(-1)
        somethingEnded()
    }

    func ended(_ visitor: HTTPVisitor) {
        leave(visitor)
        visitorLeft()
    }

    /// A visitor's connection of this shard is closed.
    func visitorLeft() { core.connectionLeft() }

    // MARK: Memory

    func shed(_ budget: ByteBudget) { core.shed(budget) }

    private func heaviest(on budget: ByteBudget) -> (pipe: PipeStream?, visitor: HTTPVisitor?, weight: Int) {
        let now = loop.now
        let pipe = pipes.values.heaviest { $0.held.weight(on: budget, at: now, unread: $0.unread) }
        let visitor = visitors.values.heaviest {
            $0.held.weight(on: budget, at: now, unread: $0.connection.unacknowledged)
        }
        return pipe.weight >= visitor.weight ? (pipe.one, nil, pipe.weight) : (nil, visitor.one, visitor.weight)
    }

    func heaviest(on budget: ByteBudget) -> Int { heaviest(on: budget).weight }

    func cutOffHeaviest(on budget: ByteBudget) {
        let (pipe, visitor, _) = heaviest(on: budget)
        guard let bytes = pipe?.held.bytes ?? visitor?.held.bytes else { return }
        counters.shed.add(1)
        core.logStranger(
            self, "a visitor for whom \(bytes) bytes waited is cut off: \(budget.current) bytes wait for slow readers")
        pipe?.giveUp()
        visitor?.close()
    }

    // MARK: The end

    private static let farewell = Refusal(code: .shuttingDown, text: "the server stops")

    /// Sends clients away, lets streams end until `milliseconds` have passed, then resets them; `done` follows.
    func drain(_ milliseconds: Int, _ done: @escaping () -> Void) {
        isStopping = true
        drained = done
        for doorman in doormen.values { doorman.end("the server stops", .closed) }
        for lane in lanes.values {
            if lane.isUp { lane.sayGoAway(Self.farewell) } else { lane.close(Self.farewell) }
        }
        for introduction in introductions.values { introduction.end("the server stops") }
        for visitor in visitors.values { visitor.drain() }
        if milliseconds >= 0 {
            let timer = Timer(on: loop) { [weak self] in self?.cut() }
            drainTimer = timer
            timer.set(after: milliseconds)
        }
        somethingEnded()
    }

    /// A stream, visitor or lane is gone, perhaps the last. Looked at later: the caller may be deep inside what the end
    /// would end.
    func somethingEnded() {
        guard drained != nil, !isCheckScheduled else { return }
        isCheckScheduled = true
        loop.later { [weak self] in self?.checkDrained() }
    }

    private func checkDrained() {
        isCheckScheduled = false
        guard drained != nil, visitors.isEmpty, pipes.isEmpty, lanes.values.allSatisfy(\.isIdle) else { return }
        cut()
    }

    private func cut() {
        guard let done = drained else { return }
        drained = nil
        drainTimer?.cancel()
        for visitor in visitors.values { visitor.close() }
        for pipe in pipes.values { pipe.abandon() }
        for lane in lanes.values {
            lane.resetStreams()
            lane.close(Self.farewell)
        }
        // Not from here: the core may go once it is told, and this may have been called from deep inside it.
        loop.submit { [core] in
            done()
            withExtendedLifetime(core) {}
        }
    }
}
