import WMPIO
import WMPWire

/// One lane of a client: it connects and logs in, then joins each stream to the service it is for.
///
/// @unchecked Sendable: confined to its loop, but for `loop` and `joining`. What the session has to hear goes to the
/// core's loop.
final class ClientLane: LaneOwner, PipeOwner, Sheddable, @unchecked Sendable {
    /// What happens on a lane, for its session.
    enum News: Sendable {
        case up(Welcome)
        /// It could not connect or log in.
        case failed(TunnelError)
        case lost(LaneLoss)
        case mapped(Mapped)
        case mapRefused(MapRefused)
        case unmapped(UInt32)
        case goAway(Refusal)
    }

    /// A service that streams are joined to.
    struct Target: Sendable {
        let name: String
        let address: Endpoint
        let isUDP: Bool
        let rule: VisitorRule
        let proxyProtocol: ProxyHeader.Version?
    }

    private enum State {
        case idle
        case connecting
        /// With the exchange that has begun, if there is a secret.
        case awaitsChallenge(ScramClient?)
        /// The password is being salted.
        case proves(ScramClient)
        case awaitsWelcome(ScramClient?)
        case up
        case over
    }

    let loop: Loop
    /// The session that it becomes a lane of; none: it begins one.
    let joining: [UInt8]
    /// When it was up; the core's.
    var upSince: Int64 = 0
    private let counters: Counters
    private let core: ClientCore
    private var state = State.idle
    private var lane: Lane?
    private var targets: [UInt32: Target] = [:]
    /// All that have a connection or are to have one, also those whose stream has ended before it took all.
    private var pipes: [ObjectIdentifier: PipeStream] = [:]
    private var datagramStreams: [ObjectIdentifier: DatagramStream] = [:]
    private var loginTimer: Timer?
    private var dialers: [Dialer] = []
    private var redialTimer: Timer?
    private var dialFailures = LogLimiter()
    private var cuts = LogLimiter()
    /// It takes no more streams, and closes when the last has ended.
    private var farewell: Refusal?
    /// What the server said when it refused the login, until the lane is gone.
    private var refused: TunnelError?

    /// Between the attempts to connect that run side by side, milliseconds.
    private static let redialInterval = 1000
    /// From the connection to the server's welcome, milliseconds.
    private static let loginTimeout = 10_000

    init(_ core: ClientCore, on loop: Loop, counters: Counters, joining: [UInt8], targets: [UInt32: Target]) {
        (self.core, self.loop, self.counters) = (core, loop, counters)
        (self.joining, self.targets) = (joining, targets)
    }

    private var options: ClientOptions { core.options }

    private func tell(_ news: News) { core.loop.run { [core] in core.heard(news, from: self) } }

    // MARK: Connecting

    func start() {
        guard case .idle = state else { return }
        state = .connecting
        let timer = Timer(on: loop) { [self] in dial() }
        redialTimer = timer
        dial()
    }

    /// Begins an attempt beside those under way; the first that succeeds is taken. What a first packet is lost on, the
    /// kernel sends again later and later: when the network is back, the tunnel is to be back a second after.
    private func dial() {
        guard case .connecting = state else { return }
        // The resolver answers a numeric address before the dialer is there to be kept.
        var early: Result<Connection, ConnectionError>?
        var isReturned = false
        let dialer = Dialer(
            options.server.host, options.server.port, on: loop, resolver: core.engine.resolver,
            timeout: options.dialTimeout, tls: core.tls
        ) { [self] result in
            if isReturned { dialed(result) } else { early = result }
        }
        isReturned = true
        if let early { return dialed(early) }
        dialers.append(dialer)
        redialTimer?.set(after: Self.redialInterval)
    }

    private func dialed(_ result: Result<Connection, ConnectionError>) {
        guard case .connecting = state else {
            if case .success(let connection) = result { connection.close() }
            return
        }
        stopDialing()
        switch result {
        case .success(let connection): logIn(connection)
        case .failure(let error):
            state = .over
            let message = "cannot reach the server at \(options.server): \(error)\(error.hint)"
            tell(.failed(TunnelError(TunnelError.Code(error), message)))
        }
    }

    private func stopDialing() {
        redialTimer?.cancel()
        let all = dialers
        dialers = []
        for dialer in all { dialer.cancel() }
    }

    private func logIn(_ connection: Connection) {
        let exchange: ScramClient?
        do throws(TunnelError) { exchange = try beginLogin(connection) } catch {
            connection.close()
            state = .over
            return tell(.failed(error))
        }
        if connection.isSecure { counters.handshakes.add(1) }
        state = .awaitsChallenge(exchange)
        let timer = Timer(on: loop) { [self] in self.lane?.lose(.stopped("the server did not answer the login")) }
        loginTimer = timer
        timer.set(after: Self.loginTimeout)
        let lane = Lane(connection, role: .client, owner: self, ping: options.ping)
        self.lane = lane
        lane.mux.write(
            Hello(
                clientID: core.clientID, scram: exchange?.clientFirst ?? [],
                window: UInt32(ProtocolLimits.initialWindow), agent: "libwmproxy/\(libraryVersion)", session: joining))
        lane.connectionReadable()
    }

    /// The exchange that proves the secret; nil: there is none.
    private func beginLogin(_ connection: Connection) throws(TunnelError) -> ScramClient? {
        guard let credential = options.credential else { return nil }
        let exporter = connection.channelBinding
        guard let nonce = ScramNonce.random(),
            let binding = connection.isSecure ? exporter.flatMap(ScramBinding.init(tlsExporter:)) : .plain
        else { throw TunnelError(.system, "no random numbers, or no channel binding") }
        do throws(ScramFailure) {
            return try ScramClient(user: credential.user, nonce: nonce, binding: binding)
        } catch { throw TunnelError(.configuration, "\(error)") }
    }

    func laneReceived(_ type: FrameType, _ payload: Span<UInt8>) throws(ProtocolViolation) {
        switch (state, type) {
        case (.awaitsChallenge(let exchange), .challenge): receive(try Challenge(payload: payload), exchange)
        case (.awaitsWelcome(let exchange), .welcome): receive(try Welcome(payload: payload), exchange)
        case (.awaitsChallenge, .reject), (.proves, .reject), (.awaitsWelcome, .reject):
            refuse(try Refusal(payload: payload))
        case (.up, .mapped): tell(.mapped(try Mapped(payload: payload)))
        case (.up, .mapRefused): tell(.mapRefused(try MapRefused(payload: payload)))
        case (.up, .unmapped): tell(.unmapped(try Unmap(payload: payload).id))
        case (.up, .goAway): receive(farewell: try Refusal(payload: payload))
        case (.over, _): break
        default:
            guard type.mayBeIgnored else { throw ProtocolViolation("frame of type \(type.rawValue) at the wrong time") }
        }
    }

    private func receive(_ challenge: Challenge, _ exchange: ScramClient?) {
        guard let lane else { return }
        guard var exchange, let credential = options.credential else {
            state = .awaitsWelcome(nil)
            return lane.mux.write(Login(scram: []))
        }
        do throws(ScramFailure) {
            guard !challenge.scram.isEmpty else { throw .server }
            let salting = try exchange.read(serverFirst: challenge.scram)
            state = .proves(exchange)
            core.passwords.salt(credential.secret, salting, on: loop) { [self] in prove($0) }
        } catch { distrust(error) }
    }

    private func prove(_ salted: SaltedPassword?) {
        guard case .proves(var exchange) = state, let lane else { return }
        guard let salted else { return lane.lose(.stopped("the password cannot be salted")) }
        do throws(ScramFailure) {
            let last = try exchange.clientFinal(salted)
            state = .awaitsWelcome(exchange)
            lane.mux.write(Login(scram: last))
        } catch { distrust(error) }
    }

    /// The server has not shown that it knows the secret: it hears no more.
    private func distrust(_ failure: ScramFailure) {
        refused = TunnelError(.authentication, "the server could not prove that it knows the secret: \(failure)")
        lane?.lose(.closed)
    }

    private func receive(_ welcome: Welcome, _ exchange: ScramClient?) {
        if var exchange {
            do throws(ScramFailure) { try exchange.verify(serverFinal: welcome.scram) } catch {
                return distrust(error)
            }
        }
        loginTimer?.cancel()
        state = .up
        lane?.mux.budget = core.budget
        lane?.mux.maxWindow = options.maxWindow
        lane?.open(peerWindow: welcome.window)
        counters.lanes.add(1)
        tell(.up(welcome))
    }

    private func refuse(_ refusal: Refusal) {
        let code: TunnelError.Code =
            switch refusal.code {
            case .loginFailed: .authentication
            case .encryptionRequired: .tls
            case .version: .version
            default: .refused
            }
        let text = refusal.text.isEmpty ? "" : ": \(refusal.text)"
        refused = TunnelError(code, "the server refused the login\(text)")
        lane?.lose(.closed)
    }

    /// Any other reason than that the server stops is this lane's alone, which ends with it.
    private func receive(farewell: Refusal) {
        if farewell.code == .shuttingDown { return tell(.goAway(farewell)) }
        Log.warning("the server closes a lane: \(farewell.text)")
    }

    func laneLost(_ reason: LaneLoss) {
        let state = state
        self.state = .over
        lane = nil
        loginTimer?.cancel()
        switch state {
        case .up:
            counters.lanes.add(-1)
            tell(.lost(reason))
        case .awaitsChallenge, .proves, .awaitsWelcome:
            let isCutOff = if case .violation = reason { false } else { true }
            let hint = core.tls == nil && isCutOff ? ": does the server want TLS ('ts: true')?" : ""
            let error =
                refused ?? TunnelError(.init(login: reason), "login at \(options.server) failed: \(reason)\(hint)")
            tell(.failed(error))
        case .idle, .connecting, .over: break
        }
    }

    // MARK: The session's words

    func say(_ message: some Message) { lane?.mux.write(message) }

    /// What streams may be for, from here on.
    func setTarget(_ mapping: UInt32, _ target: Target?) { targets[mapping] = target }

    // MARK: Visitors

    func laneOpened(_ id: UInt32, _ message: Open) -> MuxStream? {
        guard let lane else { return nil }
        // Only what this client has offered is ever dialled: an OPEN names a mapping, not an address.
        guard let target = targets[message.mapping] else {
            counters.refused.add(1)
            lane.mux.refuse(id, .unknownMapping, "the client has no such mapping")
            return nil
        }
        if let farewell {
            lane.mux.refuse(id, .shuttingDown, farewell.text)
            return nil
        }
        let visitor = SocketAddress(endpoint: message.visitor)
        guard target.rule.admitsAll || visitor?.ip.map(target.rule.admits) == true else {
            counters.refused.add(1)
            lane.mux.refuse(id, .denied, "")
            return nil
        }
        counters.streams.add(1)
        counters.streamsTotal.add(1)
        Log.debug("visitor \(message.visitor) of '\(target.name)'")
        if target.isUDP {
            let stream = DatagramStream(
                id: id, mux: lane.mux, side: .service, counters: counters, budget: core.budget)
            datagramStreams[ObjectIdentifier(stream)] = stream
            stream.onStart = { [self] stream in join(stream, to: target) }
            return stream
        }
        let pipe = PipeStream(
            id: id, mux: lane.mux, side: .service, counters: counters, budget: core.budget, owner: self)
        pipes[ObjectIdentifier(pipe)] = pipe
        // Dialled once the mux knows the stream.
        pipe.onStart = { [self] pipe in dial(target, for: pipe, visitor) }
        return pipe
    }

    private func dial(_ target: Target, for pipe: PipeStream, _ visitor: SocketAddress?) {
        var isReturned = false
        var isDone = false
        let dialer = Dialer(
            target.address.host, target.address.port, on: loop, resolver: core.engine.resolver,
            timeout: options.dialTimeout
        ) { [self] result in
            isDone = true
            if isReturned { pipe.dialer = nil }
            switch result {
            case .success(let connection):
                pipe.sendOpened()
                if let version = target.proxyProtocol { connection.introduce(visitor, version) }
                pipe.attach(connection)
            case .failure(let error):
                note(error, of: target)
                pipe.refuse(StreamError(error), "\(error)")
                pipe.abandon()
            }
        }
        isReturned = true
        if !isDone { pipe.dialer = dialer }
    }

    private func join(_ stream: DatagramStream, to target: Target) {
        core.engine.resolver.resolve(target.address.host, port: target.address.port, on: loop) { [self] result in
            guard !stream.isClosed else { return }
            do throws(ConnectionError) {
                guard let address = try result.get().first else {
                    throw .resolve("'\(target.address.host)' has no address")
                }
                let service = try DatagramService(address, for: stream, on: loop, counters: counters) { [weak self] in
                    self?.note($0, of: target)
                }
                stream.onEnd = { [self] in
                    service.close()
                    datagramStreams[ObjectIdentifier(stream)] = nil
                }
                stream.sendOpened()
            } catch {
                note(error, of: target)
                stream.refuse(StreamError(error), "\(error)")
                stream.end(.unreachable)
            }
        }
    }

    private func note(_ error: ConnectionError, of target: Target) {
        counters.refused.add(1)
        dialFailures.log(.warning, at: loop.now, "mapping '\(target.name)': \(target.address): \(error)")
    }

    func laneClosed(_ stream: MuxStream) {
        counters.streams.add(-1)
        datagramStreams[ObjectIdentifier(stream)] = nil
        closeIfIdle()
    }

    func pipeClosed(_ pipe: PipeStream) {
        if pipes.forget(ObjectIdentifier(pipe)) { loop.trimLater() }
        closeIfIdle()
    }

    func shed(_ budget: ByteBudget) { core.shed(budget) }

    private func heaviest(on budget: ByteBudget) -> (one: PipeStream?, weight: Int) {
        let now = loop.now
        return pipes.values.heaviest { $0.held.weight(on: budget, at: now, unread: $0.unread) }
    }

    func heaviest(on budget: ByteBudget) -> Int { heaviest(on: budget).weight }

    func cutOffHeaviest(on budget: ByteBudget) {
        guard let pipe = heaviest(on: budget).one else { return }
        counters.shed.add(1)
        cuts.log(
            .warning, at: loop.now, "a connection to a service for which \(pipe.held.bytes) bytes waited is cut off")
        pipe.giveUp()
    }

    func laneIsIdle() { closeIfIdle() }

    // The server chooses the lane of each stream.
    func laneSilenceChanged() {}

    // MARK: The end

    /// Takes no more streams, and closes when the last has ended.
    func retire(_ farewell: Refusal) {
        self.farewell = farewell
        // Datagrams have no end to wait for.
        for stream in datagramStreams.values { stream.end(.shuttingDown) }
        switch state {
        case .up: closeIfIdle()
        default: cut(farewell)
        }
    }

    private func closeIfIdle() {
        guard farewell != nil, pipes.isEmpty, let lane, lane.mux.streamCount == 0, !lane.mux.hasOutput else { return }
        // Later: the caller may be deep inside the lane.
        loop.later { [self] in
            guard let farewell, let lane = self.lane, lane.mux.streamCount == 0 else { return }
            lane.close(.goAway, farewell)
        }
    }

    /// Ends now; streams are reset.
    func cut(_ farewell: Refusal) {
        self.farewell = farewell
        for pipe in pipes.values { pipe.abandon() }
        switch state {
        case .idle:
            state = .over
            tell(.lost(.stopped(farewell.text)))
        case .connecting:
            stopDialing()
            state = .over
            tell(.lost(.stopped(farewell.text)))
        case .over: break
        case .up:
            lane?.mux.resetAll(.shuttingDown)
            lane?.close(.goAway, farewell)
        case .awaitsChallenge, .proves, .awaitsWelcome: lane?.lose(.stopped(farewell.text))
        }
    }
}
