import WMPIO
import WMPWire

/// A running client: one session with its server, renewed whenever it is lost, and the mappings it offers.
///
/// @unchecked Sendable: confined to its loop, but for `board`, `events`, `counters` and what never changes.
final class ClientCore: LaneOwner, PipeOwner, @unchecked Sendable {
    private enum State {
        case down
        case connecting(Dialer)
        case awaitsChallenge
        /// With what the server has to prove, if there is a secret.
        case awaitsWelcome(LoginProof?)
        case up
        /// The server goes away: what is under way may end.
        case leaving
        case stopped
    }

    private struct Mapping {
        enum State { case pending, up, refused, removing }
        let id: UInt32
        let options: MappingOptions
        var state = State.pending
    }

    let options: ClientOptions
    let engine: TunnelEngine
    let events: EventQueue
    let board: ClientBoard
    let counters = Counters()
    let clientID: String
    private let loop: Loop
    private let tls: (context: TLSContext, trust: TLSContext.Trust)?

    private var state = State.down
    private var lane: Lane?
    private var nonce: [UInt8] = []
    private var mappings: [UInt32: Mapping] = [:]
    private var lastMapping: UInt32 = 0
    /// All that have a connection or are to have one, also those whose stream has ended before it took all.
    private var pipes: [ObjectIdentifier: PipeStream] = [:]
    private var backoff = Backoff()
    /// For mappings that another client holds: it may leave.
    private var offerBackoff = Backoff()
    private var offerTimer: Timer?
    private var upSince: Int64 = 0
    private var retryTimer: Timer?
    private var loginTimer: Timer?
    private var lastLogged = ""
    private var wasUp = false
    private var drained: (() -> Void)?
    private var drainTimer: Timer?
    private var dialFailures = LogLimiter()
    /// Itself, from `start` to the end of `stop`: a client runs whether or not anybody holds it.
    private var whileRunning: ClientCore?

    /// From the connection to the server's welcome.
    private static let loginTimeout = 10_000
    /// A session that lived this long, nanoseconds, was a good one.
    private static let stableAfter: Int64 = 5_000_000_000

    init(_ options: ClientOptions, engine: TunnelEngine) throws(TunnelError) {
        self.options = options
        self.engine = engine
        do {
            events = try EventQueue()
            loop = try engine.clientLoop()
            tls = try options.makeTLS()
        } catch let error as SystemError {
            throw TunnelError(error, doing: "cannot start the engine")
        } catch let error as TLSError {
            throw TunnelError(error)
        } catch {
            throw TunnelError(.internalError, "\(error)")
        }
        guard let random = Digest.random(8) else { throw TunnelError(.system, "the system has no random numbers") }
        clientID = options.clientID ?? "client-" + Digest.hex(random)
        board = ClientBoard(server: "\(options.server)")
        for mapping in options.mappings { board.set(mapping.name, .pending) }
    }

    /// Begins to connect. Once, after `init`.
    func start() {
        whileRunning = self
        loop.submit { [self] in
            retryTimer = Timer(on: loop) { [weak self] in self?.connect() }
            offerTimer = Timer(on: loop) { [weak self] in self?.offerAgain() }
            loginTimer = Timer(on: loop) { [weak self] in self?.loginExpired() }
            for mapping in options.mappings { add(mapping) }
            connect()
        }
    }

    // MARK: The session

    private func connect() {
        guard case .down = state else { return }
        // The resolver answers a numeric address before the dialer is there to be kept.
        var early: Result<Connection, ConnectionError>?
        var isReturned = false
        let dialer = Dialer(
            options.server.host, options.server.port, on: loop, resolver: engine.resolver, timeout: options.dialTimeout,
            tls: tls
        ) { [weak self] result in
            if isReturned { self?.dialed(result) } else { early = result }
        }
        isReturned = true
        state = .connecting(dialer)
        if let early { dialed(early) }
    }

    private func dialed(_ result: Result<Connection, ConnectionError>) {
        guard case .connecting = state else {
            if case .success(let connection) = result { connection.close() }
            return
        }
        switch result {
        case .success(let connection): logIn(connection)
        case .failure(let error):
            state = .down
            var message = "cannot reach the server at \(options.server): \(error)"
            message += error.hint
            failed(TunnelError(TunnelError.Code(error), message))
        }
    }

    private func logIn(_ connection: Connection) {
        guard let random = Digest.random(32) else {
            connection.close()
            state = .down
            return failed(TunnelError(.system, "the system has no random numbers"))
        }
        if connection.isSecure { counters.handshakes.add(1) }
        nonce = random
        state = .awaitsChallenge
        loginTimer?.set(after: Self.loginTimeout)
        let lane = Lane(connection, role: .client, owner: self, ping: options.ping)
        self.lane = lane
        lane.mux.write(
            Hello(
                clientID: clientID, user: options.credential?.user ?? "", nonce: random,
                window: UInt32(ProtocolLimits.initialWindow), agent: "libwmproxy/\(libraryVersion)"))
        lane.connectionReadable()
    }

    private func loginExpired() {
        switch state {
        case .awaitsChallenge, .awaitsWelcome: break
        default: return
        }
        lane?.lose(.stopped("the server did not answer the login"))
    }

    func laneReceived(_ type: FrameType, _ payload: Span<UInt8>) throws(ProtocolViolation) {
        switch (state, type) {
        case (.awaitsChallenge, .challenge): try receive(Challenge(payload: payload))
        case (.awaitsWelcome(let proof), .welcome): try receive(Welcome(payload: payload), proof)
        case (.awaitsChallenge, .reject), (.awaitsWelcome, .reject):
            let refusal = try Refusal(payload: payload)
            let code: TunnelError.Code =
                switch refusal.code {
                case .loginFailed: .authentication
                case .encryptionRequired: .tls
                case .version: .version
                default: .refused
                }
            refused = TunnelError(
                code,
                refusal.text.isEmpty ? "the server refused the login" : "the server refused the login: \(refusal.text)")
            lane?.lose(.closed)
        case (.up, .mapped): receive(try Mapped(payload: payload))
        case (.up, .mapRefused): receive(try MapRefused(payload: payload))
        case (.up, .unmapped): try unmapped(Unmap(payload: payload).id)
        case (.up, .goAway):
            let refusal = try Refusal(payload: payload)
            Log.info("the server says farewell: \(refusal.text)")
            state = .leaving
            leaveIfIdle()
        case (.leaving, _), (.stopped, _): break
        default:
            guard type.mayBeIgnored else { throw ProtocolViolation("frame of type \(type.rawValue) at the wrong time") }
        }
    }

    /// What the server said when it refused the login, until the lane is gone.
    private var refused: TunnelError?

    private func receive(_ challenge: Challenge) throws(ProtocolViolation) {
        guard let lane else { return }
        guard let credential = options.credential else {
            state = .awaitsWelcome(nil)
            lane.mux.write(Login(proof: []))
            return
        }
        let proof = LoginProof(
            user: credential.user, secret: credential.secret, clientNonce: nonce, serverNonce: challenge.nonce,
            binding: lane.connection.channelBinding ?? [])
        state = .awaitsWelcome(proof)
        lane.mux.write(Login(proof: proof.ofClient))
    }

    private func receive(_ welcome: Welcome, _ proof: LoginProof?) throws(ProtocolViolation) {
        if options.credential != nil {
            guard let proof, Digest.equal(proof.ofServer, welcome.proof) else {
                refused = TunnelError(.authentication, "the server could not prove that it knows the secret")
                lane?.lose(.closed)
                return
            }
        }
        loginTimer?.unset()
        state = .up
        upSince = loop.now
        lane?.open(peerWindow: welcome.window)
        counters.sessions.add(1)
        counters.sessionsTotal.add(1)
        if wasUp { counters.reconnects.add(1) }
        wasUp = true
        lastLogged = ""
        Log.info("logged in at \(options.server) as '\(clientID)', \(tls == nil ? "not encrypted" : "by TLS")")
        for mapping in mappings.values.sorted(by: { $0.id < $1.id }) { offer(mapping) }
        board.setUp()
        events.post(.sessionUp, clientID: clientID, address: "\(options.server)")
    }

    func laneLost(_ reason: LaneLoss) {
        lane = nil
        loginTimer?.unset()
        for mapping in mappings.values {
            // What the host has taken back is not offered again.
            if mapping.state == .removing { forget(mapping) } else { mappings[mapping.id]?.state = .pending }
        }
        counters.mappings.add(-Int(counters.mappings.current))
        switch state {
        case .up, .leaving:
            counters.sessions.add(-1)
            state = .down
            offerTimer?.unset()
            // One that logs us in and drops us at once is no better than one that does not answer.
            if loop.now - upSince > Self.stableAfter { backoff.reset() }
            let error = TunnelError(reason.code ?? .closed, "the session with \(options.server) is lost: \(reason)")
            board.setDown(error)
            events.post(
                .sessionDown, code: error.code, clientID: clientID, address: "\(options.server)", reason: "\(reason)")
            retry(after: error)
        case .awaitsChallenge, .awaitsWelcome:
            state = .down
            let isCutOff = if case .violation = reason { false } else { true }
            let hint = tls == nil && isCutOff ? ": does the server want TLS ('ts: true')?" : ""
            let error =
                refused ?? TunnelError(.init(login: reason), "login at \(options.server) failed: \(reason)\(hint)")
            refused = nil
            if error.code == .authentication { counters.loginFailures.add(1) }
            failed(error)
        case .stopped, .down, .connecting: break
        }
    }

    private func failed(_ error: TunnelError) {
        board.setDown(error)
        events.post(
            .connectFailed, code: error.code, clientID: clientID, address: "\(options.server)", reason: error.message)
        retry(after: error)
    }

    private func retry(after error: TunnelError) {
        // Once per cause: attempts go on for as long as it takes.
        if error.message != lastLogged {
            lastLogged = error.message
            Log.warning("\(error.message); trying again")
        }
        if drained != nil { return finishStop() }
        retryTimer?.set(after: backoff.next(now: loop.now))
    }

    private func leaveIfIdle() {
        guard case .leaving = state, let lane, lane.mux.streamCount == 0 else { return }
        loop.later { lane.close(.goAway, Refusal(code: .shuttingDown, text: "the server goes away")) }
    }

    // MARK: Mappings

    /// Any thread. Then `board` tells how it went.
    func submitAdd(_ mapping: MappingOptions) { loop.submit { [self] in add(mapping) } }

    private func add(_ options: MappingOptions) {
        lastMapping += 1
        let mapping = Mapping(id: lastMapping, options: options)
        mappings[mapping.id] = mapping
        if case .up = state { offer(mapping) }
    }

    private func offer(_ mapping: Mapping) {
        let mode: Map.Mode =
            switch mapping.options.mode {
            case .http: .http
            case .https: .https
            case .tcp: .tcp
            }
        lane?.mux.write(
            Map(id: mapping.id, name: mapping.options.name, mode: mode, domain: mapping.options.domain ?? ""))
    }

    private func offerAgain() {
        guard case .up = state else { return }
        for mapping in mappings.values where mapping.state == .refused { offer(mapping) }
    }

    private func receive(_ mapped: Mapped) {
        guard let mapping = mappings[mapped.id], mapping.state == .pending || mapping.state == .refused else { return }
        mappings[mapped.id]?.state = .up
        counters.mappings.add(1)
        let name = mapping.options.name
        // All are for people, the first is for programs.
        let address = String(mapped.address.prefix { $0 != " " })
        Log.info("mapping '\(name)': \(mapped.address) → \(mapping.options.localAddr.map { "\($0)" } ?? "")")
        board.set(name, .up(address: address))
        events.post(.mappingUp, clientID: clientID, name: name, address: address)
    }

    private func receive(_ refusal: MapRefused) {
        guard let mapping = mappings[refusal.id], mapping.state != .removing else { return }
        // The holder may leave: asked again, and told of once.
        if refusal.code == .taken { offerTimer?.set(after: 1000 + offerBackoff.next(now: loop.now)) }
        guard mapping.state != .refused else { return }
        if mapping.state == .up { counters.mappings.add(-1) }
        mappings[refusal.id]?.state = .refused
        let name = mapping.options.name
        let error = TunnelError(
            refusal.code == .taken ? .alreadyExists : .refused, "the server refused mapping '\(name)': \(refusal.text)")
        Log.error(error.message)
        board.set(name, .refused(error))
        events.post(.mappingRefused, code: error.code, clientID: clientID, name: name, reason: refusal.text)
    }

    /// Any thread. Then `board` tells when it is gone.
    func submitRemove(_ name: String) { loop.submit { [self] in remove(name) } }

    private func remove(_ name: String) {
        guard let mapping = mappings.values.first(where: { $0.options.name == name }) else {
            return board.set(name, nil)
        }
        // Also while the server's answer to the MAP is on its way.
        guard case .up = state, mapping.state != .refused, let lane else { return forget(mapping) }
        if mapping.state == .up { counters.mappings.add(-1) }
        mappings[mapping.id]?.state = .removing
        lane.mux.write(Unmap(id: mapping.id))
    }

    private func unmapped(_ id: UInt32) {
        guard let mapping = mappings[id] else { return }
        forget(mapping)
    }

    private func forget(_ mapping: Mapping) {
        mappings[mapping.id] = nil
        board.set(mapping.options.name, nil)
        if mapping.state == .up { counters.mappings.add(-1) }
        guard mapping.state == .up || mapping.state == .removing else { return }
        events.post(.mappingDown, clientID: clientID, name: mapping.options.name, reason: "removed")
    }

    // MARK: Visitors

    func laneOpened(_ id: UInt32, _ message: Open) -> MuxStream? {
        guard let lane else { return nil }
        // Only what this client has offered is ever dialled: an OPEN names a mapping, not an address.
        guard let mapping = mappings[message.mapping], let target = mapping.options.localAddr else {
            counters.refused.add(1)
            lane.mux.refuse(id, .unknownMapping, "the client has no such mapping")
            return nil
        }
        if drained != nil {
            lane.mux.refuse(id, .shuttingDown, "the client stops")
            return nil
        }
        counters.streams.add(1)
        counters.streamsTotal.add(1)
        Log.debug("visitor \(message.visitor) of '\(mapping.options.name)'")
        let pipe = PipeStream(id: id, mux: lane.mux, side: .service, counters: counters, owner: self)
        pipes[ObjectIdentifier(pipe)] = pipe
        // Dialled once the mux knows the stream.
        pipe.onStart = { [self] pipe in dial(target, for: pipe, of: mapping.options.name) }
        return pipe
    }

    private func dial(_ target: Endpoint, for pipe: PipeStream, of name: String) {
        var isReturned = false
        var isDone = false
        let dialer = Dialer(
            target.host, target.port, on: loop, resolver: engine.resolver, timeout: options.dialTimeout
        ) { [self] result in
            isDone = true
            if isReturned { pipe.dialer = nil }
            switch result {
            case .success(let connection):
                pipe.sendOpened()
                pipe.attach(connection)
            case .failure(let error):
                counters.refused.add(1)
                if let held = dialFailures.admit(now: loop.now) {
                    Log.warning(
                        "mapping '\(name)': \(target): \(error)\(held == 0 ? "" : " (and \(held) more like it)")")
                }
                pipe.refuse(StreamError(error), "\(error)")
                pipe.abandon()
            }
        }
        isReturned = true
        if !isDone { pipe.dialer = dialer }
    }

    func laneClosed(_ stream: MuxStream) {
        counters.streams.add(-1)
        leaveIfIdle()
        checkDrained()
    }

    func pipeClosed(_ pipe: PipeStream) {
        pipes[ObjectIdentifier(pipe)] = nil
        checkDrained()
    }

    // MARK: Stop

    var statistics: Statistics { Statistics([counters]) }

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
        retryTimer?.cancel()
        offerTimer?.cancel()
        switch (state, lane) {
        case (.up, let lane?): for mapping in mappings.values { lane.mux.write(Unmap(id: mapping.id)) }
        case (.leaving, _?): break
        default: return finishStop()
        }
        if milliseconds >= 0 {
            let timer = Timer(on: loop) { [weak self] in self?.finishStop() }
            drainTimer = timer
            timer.set(after: milliseconds)
        }
        checkDrained()
    }

    private func checkDrained() {
        guard drained != nil, lane?.mux.streamCount ?? 0 == 0, pipes.isEmpty else { return }
        loop.later { [self] in finishStop() }
    }

    private func finishStop() {
        guard let done = drained else { return }
        drained = nil
        drainTimer?.cancel()
        loginTimer?.cancel()
        if case .connecting(let dialer) = state { dialer.cancel() }
        switch state {
        case .up, .leaving: counters.sessions.add(-1)
        default: break
        }
        state = .stopped
        for pipe in pipes.values { pipe.abandon() }
        if let lane {
            lane.mux.resetAll(.shuttingDown)
            lane.close(.goAway, Refusal(code: .shuttingDown, text: "the client stops"))
        }
        // Not from here: this may have been called from deep inside the lane.
        loop.submit { [self] in
            done()
            withExtendedLifetime(self) {}
        }
    }
}
