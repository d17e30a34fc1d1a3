import WMPIO
import WMPWire

/// A running client: one session with its server, renewed whenever it is lost, and the mappings it offers.
///
/// @unchecked Sendable: confined to its first loop, but for `board`, `events` and what never changes. Its lanes live on
/// all of its loops.
final class ClientCore: @unchecked Sendable {
    private enum State {
        /// Waits for the next attempt.
        case down
        /// A first lane connects or logs in: the one that joins no session.
        case connecting
        case up(Session)
        case stopped
    }

    /// A session with the server.
    private struct Session {
        let token: [UInt8]
        /// Lanes it is to have.
        let wanted: Int
        var lanes: [ClientLane]
        /// Those that connect.
        var joining: [ClientLane] = []
        let since: Int64
    }

    let options: ClientOptions
    let engine: TunnelEngine
    let events: EventQueue
    let board: ClientBoard
    let clientID: String
    let tls: TLSContext?
    /// The secret, as servers have asked for it.
    let passwords: SaltedPasswords
    /// What may wait in memory for slow services.
    let budget: ByteBudget
    /// Where all this lives.
    let loop: Loop
    private let loops: [Loop]
    /// One for each loop.
    private let allCounters: [Counters]
    private var counters: Counters { allCounters[0] }

    private var state = State.down
    private var offers: ClientOffers
    /// All lanes that are not over, those of sessions that are being left included.
    private var lanes: [ObjectIdentifier: ClientLane] = [:]
    private var nextLoop = 0
    private var backoff = Backoff()
    /// For lanes of a session that has others.
    private var laneBackoff = Backoff()
    /// For mappings that another client holds: it may leave.
    private var offerBackoff = Backoff()
    private var retryTimer: Timer?
    private var laneTimer: Timer?
    private var offerTimer: Timer?
    private var lastLogged = ""
    private var wasUp = false
    /// The session has lost lanes.
    private var isHealing = false
    private var drained: (() -> Void)?
    private var drainTimer: Timer?
    /// Itself, from `start` to the end of `stop`: a client runs whether or not anybody holds it.
    private var whileRunning: ClientCore?

    /// As many as `lanes` may be set to.
    private static let mostLanes = 16
    /// A session or lane that lived this long, nanoseconds, was a good one.
    private static let stableAfter: Int64 = 5_000_000_000

    init(_ options: ClientOptions, engine: TunnelEngine) throws(TunnelError) {
        self.options = options
        self.engine = engine
        do {
            events = try EventQueue()
            loops = try engine.clientLoops(options.threads ?? 1)
            tls = try options.makeTLS()
        } catch let error as SystemError {
            throw TunnelError(error, doing: "cannot start the engine")
        } catch let error as TLSError {
            throw TunnelError(error)
        } catch {
            throw TunnelError(.internalError, "\(error)")
        }
        passwords = SaltedPasswords(engine.resolver)
        guard let random = Digest.random(8) else { throw TunnelError(.system, "the system has no random numbers") }
        loop = loops[0]
        allCounters = loops.map { _ in Counters() }
        budget = ByteBudget(limit: options.limits.sessionQueued, within: ByteBudget(limit: options.limits.queued))
        clientID = options.clientID ?? "client-" + Digest.hex(random)
        board = ClientBoard(server: "\(options.server)")
        offers = ClientOffers(board: board, events: events, clientID: clientID, counters: allCounters[0])
        for mapping in options.mappings { board.set(mapping.name, .pending) }
    }

    /// Begins to connect. Once, after `init`.
    func start() {
        whileRunning = self
        loop.submit { [self] in
            retryTimer = Timer(on: loop) { [self] in connect() }
            laneTimer = Timer(on: loop) { [self] in addLanes() }
            offerTimer = Timer(on: loop) { [self] in offerAgain() }
            for mapping in options.mappings { add(mapping) }
            connect()
        }
    }

    // MARK: Lanes

    @discardableResult
    private func startLane(joining token: [UInt8] = []) -> ClientLane {
        let index = nextLoop % loops.count
        nextLoop += 1
        let lane = ClientLane(
            self, on: loops[index], counters: allCounters[index], joining: token, targets: offers.targets)
        lanes[ObjectIdentifier(lane)] = lane
        // Later: it may fail at once, and whoever started it has to know it by then.
        lane.loop.submit { lane.start() }
        return lane
    }

    private func connect() {
        guard case .down = state else { return }
        // The session's first lane is on the first loop, its others on those that follow.
        nextLoop = 0
        state = .connecting
        startLane()
    }

    /// What a lane has to tell.
    func heard(_ news: ClientLane.News, from lane: ClientLane) {
        switch news {
        case .up(let welcome): laneUp(lane, welcome)
        case .failed(let error):
            lanes[ObjectIdentifier(lane)] = nil
            laneFailed(lane, error)
            checkStopped()
        case .lost(let reason):
            lanes[ObjectIdentifier(lane)] = nil
            laneLost(lane, reason)
            checkStopped()
        case .mapped(let mapped): if isOfSession(lane) { receive(mapped) }
        case .mapRefused(let refusal): if isOfSession(lane) { receive(refusal) }
        case .unmapped(let id): if isOfSession(lane) { unmapped(id) }
        case .goAway(let refusal): if isOfSession(lane) { leave(refusal) }
        }
    }

    private func isOfSession(_ lane: ClientLane) -> Bool {
        guard case .up(let session) = state else { return false }
        return session.lanes.contains { $0 === lane }
    }

    private func laneUp(_ lane: ClientLane, _ welcome: Welcome) {
        switch state {
        case .connecting where lane.joining.isEmpty: sessionUp(lane, welcome)
        case .up(var session) where session.joining.contains { $0 === lane }:
            session.joining.removeAll { $0 === lane }
            session.lanes.append(lane)
            lane.upSince = loop.now
            state = .up(session)
            if isHealing { Log.info("\(session.lanes.count) lanes to \(options.server) again") }
            if session.lanes.count == session.wanted { isHealing = false }
        default: lane.loop.run { lane.retire(Self.farewell) }
        }
    }

    private func laneFailed(_ lane: ClientLane, _ error: TunnelError) {
        switch state {
        case .connecting where lane.joining.isEmpty:
            state = .down
            if error.code == .authentication { counters.loginFailures.add(1) }
            failed(error)
        case .up(var session) where session.joining.contains { $0 === lane }:
            session.joining.removeAll { $0 === lane }
            state = .up(session)
            Log.debug("no further lane: \(error.message)")
            laneTimer?.set(after: laneBackoff.next(now: loop.now))
        default: break
        }
    }

    /// A lane of the session is gone, with the streams on it: the session goes on if it has others.
    private func laneLost(_ lane: ClientLane, _ reason: LaneLoss) {
        guard case .up(var session) = state, let index = session.lanes.firstIndex(where: { $0 === lane }) else {
            return
        }
        session.lanes.remove(at: index)
        state = .up(session)
        guard !session.lanes.isEmpty else {
            guard drained != nil else { return sessionLost(reason) }
            counters.sessions.add(-1)
            state = .down
            return
        }
        // What was asked on that one may not have been answered.
        if index == 0 { sayAll() }
        guard drained == nil else { return }
        isHealing = true
        Log.info("a lane to \(options.server) is lost, \(session.lanes.count) left: \(reason)")
        if loop.now - lane.upSince > Self.stableAfter { laneBackoff.reset() }
        laneTimer?.set(after: laneBackoff.next(now: loop.now))
    }

    private func addLanes() {
        guard case .up(var session) = state, drained == nil else { return }
        while session.lanes.count + session.joining.count < session.wanted {
            session.joining.append(startLane(joining: session.token))
        }
        state = .up(session)
    }

    // MARK: The session

    private func sessionUp(_ lane: ClientLane, _ welcome: Welcome) {
        let offered = welcome.session.isEmpty ? 1 : min(Int(welcome.lanes), Self.mostLanes)
        let session = Session(
            token: welcome.session, wanted: min(offered, options.lanes ?? offered), lanes: [lane], since: loop.now)
        lane.upSince = loop.now
        state = .up(session)
        counters.sessions.add(1)
        counters.sessionsTotal.add(1)
        if wasUp { counters.reconnects.add(1) }
        wasUp = true
        lastLogged = ""
        isHealing = false
        Log.info("logged in at \(options.server) as '\(clientID)', \(tls == nil ? "not encrypted" : "by TLS")")
        for map in offers.askAll() { say(map) }
        offerBackoff.reset()
        board.setUp()
        events.post(.sessionUp, clientID: clientID, address: "\(options.server)")
        if drained != nil { return beginLeaving() }
        addLanes()
    }

    /// The session is over, with all that is under way on it.
    private func sessionLost(_ reason: LaneLoss) {
        guard case .up(let session) = state else { return }
        sessionEnded(TunnelError(reason.code ?? .closed, "the session with \(options.server) is lost: \(reason)"))
        for lane in session.lanes + session.joining { lane.loop.run { lane.cut(Self.farewell) } }
        // One that logs us in and drops us at once is no better than one that does not answer.
        if loop.now - session.since > Self.stableAfter { backoff.reset() }
        retryTimer?.set(after: backoff.next(now: loop.now))
    }

    /// The server sends us away: what is under way ends there, what comes next goes on in a new session.
    private func leave(_ refusal: Refusal) {
        guard case .up(let session) = state else { return }
        Log.info("the server says farewell: \(refusal.text)")
        sessionEnded(TunnelError(.closed, "the server at \(options.server) goes away: \(refusal.text)"))
        let farewell = Refusal(code: .shuttingDown, text: "the server goes away")
        for lane in session.lanes + session.joining { lane.loop.run { lane.retire(farewell) } }
        backoff.reset()
        retryTimer?.set(after: backoff.next(now: loop.now))
    }

    private func sessionEnded(_ error: TunnelError) {
        state = .down
        counters.sessions.add(-1)
        laneTimer?.unset()
        offerTimer?.unset()
        for id in offers.sessionEnded() { setTarget(id) }
        board.setDown(error)
        events.post(
            .sessionDown, code: error.code, clientID: clientID, address: "\(options.server)", reason: error.message)
        log(error)
    }

    private func failed(_ error: TunnelError) {
        board.setDown(error)
        events.post(
            .connectFailed, code: error.code, clientID: clientID, address: "\(options.server)", reason: error.message)
        log(error)
        retryTimer?.set(after: backoff.next(now: loop.now))
    }

    /// Once per cause: attempts go on for as long as it takes.
    private func log(_ error: TunnelError) {
        guard error.message != lastLogged else { return }
        lastLogged = error.message
        Log.warning("\(error.message); trying again")
    }

    // MARK: Mappings

    /// On the session's first lane.
    private func say(_ message: some Message & Sendable) {
        guard case .up(let session) = state, let lane = session.lanes.first else { return }
        lane.loop.run { lane.say(message) }
    }

    private func sayAll() {
        for map in offers.askAll() { say(map) }
        for unmap in offers.removed { say(unmap) }
    }

    /// What is offered is dialled, and what no longer is no longer.
    private func setTarget(_ id: UInt32) {
        let target = offers.target(id)
        for lane in lanes.values { lane.loop.run { lane.setTarget(id, target) } }
    }

    /// Any thread. Then `board` tells how it went.
    func submitAdd(_ mapping: MappingOptions) { loop.submit { [self] in add(mapping) } }

    private func add(_ options: MappingOptions) {
        let id = offers.add(options)
        setTarget(id)
        if let map = offers.map(id) { say(map) }
    }

    private func offerAgain() {
        for map in offers.askRefused() { say(map) }
    }

    private func receive(_ mapped: Mapped) {
        offerBackoff.reset()
        offers.receive(mapped)
    }

    private func receive(_ refusal: MapRefused) {
        // The holder may leave, the server may have room again: asked again, and told of once.
        if refusal.code == .taken || refusal.code == .tooMany, offerTimer?.isSet == false {
            offerTimer?.set(after: 1000 + offerBackoff.next(now: loop.now))
        }
        offers.receive(refusal)
    }

    /// Any thread. Then `board` tells when it is gone.
    func submitRemove(_ name: String) { loop.submit { [self] in remove(name) } }

    private func remove(_ name: String) {
        var isUp = false
        if case .up = state { isUp = true }
        let (gone, unmap) = offers.remove(name, isUp: isUp)
        if let gone { setTarget(gone) }
        if let unmap { say(unmap) }
    }

    private func unmapped(_ id: UInt32) {
        offers.unmapped(id)
        setTarget(id)
        if drained != nil, offers.removed.isEmpty { leaveForGood() }
    }

    // MARK: Memory

    /// Any loop. More waits for slow services than there is room for: on whichever lane the connection is for which
    /// most waits, that one is cut off.
    func shed(_ budget: ByteBudget) {
        guard budget.beginShedding() else { return }
        // Later: the caller may be deep inside the one that has to go.
        loop.submit { [self] in
            Shedding(Array(lanes.values), budget, on: loop) { [self] in shed(budget) }.run()
        }
    }

    // MARK: Stop

    var statistics: Statistics { Statistics(allCounters) }

    private static let farewell = Refusal(code: .shuttingDown, text: "the client stops")

    /// Takes no more visitors; streams may end within `drain` milliseconds (negative: for ever), then they are reset.
    /// Blocks its thread, which is the host's.
    func stop(drain milliseconds: Int) throws(TunnelError) {
        let finished = Monitor()
        nonisolated(unsafe) var isDone = false
        let isAlive = loop.submit { [self] in
            beginStop(milliseconds) {
                finished.locked {
                    isDone = true; finished.signal()
                }
            }
        }
        let deadline = milliseconds < 0 ? nil : Deadline(after: min(milliseconds, Int(Int32.max) - 5000) + 5000)
        let inTime = finished.locked {
            while !isDone, isAlive { guard finished.wait(until: deadline) else { break } }
            return isDone || !isAlive
        }
        guard inTime else { throw TunnelError(.timedOut, "the client did not stop in time") }
        board.setStopped()
        events.post(.stopped, clientID: clientID)
        events.close()
        whileRunning = nil
    }

    private func beginStop(_ milliseconds: Int, _ done: @escaping () -> Void) {
        drained = done
        for timer in [retryTimer, laneTimer, offerTimer] { timer?.cancel() }
        if milliseconds >= 0 {
            let timer = Timer(on: loop) { [self] in cut() }
            drainTimer = timer
            timer.set(after: milliseconds)
        }
        beginLeaving()
    }

    /// Takes the mappings back, so that no visitor comes any more.
    private func beginLeaving() {
        if case .up = state {
            for name in offers.names { remove(name) }
            guard offers.removed.isEmpty else { return }
        }
        leaveForGood()
    }

    /// Lanes close when their streams have ended.
    private func leaveForGood() {
        for lane in lanes.values { lane.loop.run { lane.retire(Self.farewell) } }
        checkStopped()
    }

    /// The time is over: whatever is left is reset.
    private func cut() {
        for lane in lanes.values { lane.loop.run { lane.cut(Self.farewell) } }
        checkStopped()
    }

    private func checkStopped() {
        guard let done = drained, lanes.isEmpty else { return }
        drained = nil
        drainTimer?.cancel()
        state = .stopped
        // Not from here: this may have been called from deep inside a lane.
        loop.submit { [self] in
            done()
            withExtendedLifetime(self) {}
        }
    }
}
