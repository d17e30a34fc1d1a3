import WMPIO
import WMPWire

/// A server's part on one loop: the sessions, visitors and routes there.
///
/// @unchecked Sendable: confined to `loop`, but for `core`, `index` and `counters`.
final class ServerShard: PipeOwner, @unchecked Sendable {
    /// The core owns the shards. What runs here for it, its jobs, keep it alive meanwhile.
    unowned let core: ServerCore
    let index: Int
    let loop: Loop
    let counters = Counters()
    var routes = RouteTable()
    var strangers = LogLimiter()

    private var sessions: [UInt64: ServerSession] = [:]
    private var doormen: [ObjectIdentifier: Doorman] = [:]
    private var visitors: [ObjectIdentifier: HTTPVisitor] = [:]
    /// Visitors of the TCP edge, also those whose stream has ended before they took all.
    private var pipes: [ObjectIdentifier: PipeStream] = [:]
    private var lastSession: UInt64 = 0
    private var isStopping = false
    /// Called when the last stream has ended or its time is over.
    private var drained: (() -> Void)?
    private var drainTimer: Timer?

    init(_ core: ServerCore, index: Int, loop: Loop) {
        (self.core, self.index, self.loop) = (core, index, loop)
    }

    func session(_ id: SessionID) -> ServerSession? {
        id.shard == index ? sessions[id.number] : nil
    }

    // MARK: Tunnel connections

    func adoptTunnel(_ fd: Int32, _ peer: SocketAddress) {
        guard !isStopping else {
            System.close(fd)
            return core.connectionLeft()
        }
        let doorman = Doorman(Connection(fd, on: loop), peer: peer, shard: self)
        doormen[ObjectIdentifier(doorman)] = doorman
        do throws(SystemError) { try doorman.start() } catch { doorman.end("\(error)") }
    }

    func doormanEnded(_ doorman: Doorman, wasCounted: Bool, becoming session: ServerSession?) {
        guard doormen.removeValue(forKey: ObjectIdentifier(doorman)) != nil else { return }
        guard session == nil else { return }
        if wasCounted { core.loginLeft() }
        core.connectionLeft()
    }

    func makeSession(_ connection: Connection, peer: SocketAddress, loginTimer: Timer) -> ServerSession {
        lastSession += 1
        let id = SessionID(number: lastSession, shard: index)
        let session = ServerSession(connection, id: id, peer: peer, shard: self, loginTimer: loginTimer)
        sessions[id.number] = session
        return session
    }

    func loggedIn(_ session: ServerSession) { core.loginLeft() }

    func sessionEnded(_ session: ServerSession, wasUp: Bool) {
        sessions[session.id.number] = nil
        if wasUp { core.sessionLeft() } else { core.loginLeft() }
        core.connectionLeft()
        checkDrained()
    }

    // MARK: Visitors

    /// A visitor of the TCP edge, for a session of this shard.
    func adoptTCP(_ fd: Int32, _ peer: SocketAddress, _ route: Route) {
        let connection = Connection(fd, on: loop)
        guard !isStopping, let id = route.session, let session = session(id), session.serves(route.mapping),
            case .success(let stream) = session.admit()
        else {
            connection.reset()
            counters.refused.add(1)
            visitorLeft()
            return
        }
        let pipe = PipeStream(id: stream, mux: session.mux, side: .visitor, counters: counters, owner: self)
        pipes[ObjectIdentifier(pipe)] = pipe
        do throws(SystemError) {
            try connection.start(pipe)
            session.open(pipe, mapping: route.mapping, visitor: peer)
            pipe.attach(connection)
        } catch {
            connection.close()
            pipe.abandon()
        }
    }

    func pipeClosed(_ pipe: PipeStream) {
        guard pipes.removeValue(forKey: ObjectIdentifier(pipe)) != nil else { return }
        visitorLeft()
        checkDrainedLater()
    }

    /// A visitor of the HTTP or HTTPS edge.
    func adoptHTTP(_ fd: Int32, _ peer: SocketAddress, secure: Bool) {
        let visitor = HTTPVisitor(Connection(fd, on: loop), peer: peer, secure: secure, shard: self)
        counters.visitorsTotal.add(1)
        arrive(visitor)
    }

    /// A visitor comes here, new or from another shard whose sessions did not serve it.
    func arrive(_ visitor: HTTPVisitor) {
        visitors[ObjectIdentifier(visitor)] = visitor
        counters.visitors.add(1)
        visitor.arrive(on: self)
        if isStopping { visitor.close() }
    }

    /// Leaves for another shard.
    func leave(_ visitor: HTTPVisitor) {
        visitors[ObjectIdentifier(visitor)] = nil
        counters.visitors.add(-1)
        checkDrainedLater()
    }

    func ended(_ visitor: HTTPVisitor) {
        leave(visitor)
        visitorLeft()
    }

    /// A visitor's connection of this shard is closed.
    func visitorLeft() { core.connectionLeft() }

    func streamEnded() { checkDrainedLater() }

    // MARK: The end

    /// Sends clients away, lets streams end until `milliseconds` have passed, then resets them; `done` follows.
    func drain(_ milliseconds: Int, _ done: @escaping () -> Void) {
        isStopping = true
        drained = done
        for doorman in doormen.values { doorman.end("the server stops") }
        for session in sessions.values { session.sayGoAway(Refusal(code: .shuttingDown, text: "the server stops")) }
        for visitor in visitors.values { visitor.drain() }
        if milliseconds >= 0 {
            let timer = Timer(on: loop) { [weak self] in self?.cut() }
            drainTimer = timer
            timer.set(after: milliseconds)
        }
        loop.later { [weak self] in self?.checkDrained() }
    }

    /// Not at once: the caller may be deep inside what this would end.
    private func checkDrainedLater() {
        guard drained != nil else { return }
        loop.later { [weak self] in self?.checkDrained() }
    }

    private func checkDrained() {
        guard drained != nil, visitors.isEmpty, pipes.isEmpty, sessions.values.allSatisfy({ $0.streamCount == 0 })
        else { return }
        cut()
    }

    private func cut() {
        guard let done = drained else { return }
        drained = nil
        drainTimer?.cancel()
        for visitor in visitors.values { visitor.close() }
        for pipe in pipes.values { pipe.abandon() }
        for session in sessions.values {
            session.resetStreams()
            session.close(Refusal(code: .shuttingDown, text: "the server stops"))
        }
        // Not from here: the core may go once it is told, and this may have been called from deep inside it.
        loop.submit { [core] in
            done()
            withExtendedLifetime(core) {}
        }
    }
}
