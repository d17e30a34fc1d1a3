import WMPIO
import WMPWire

/// One lane of a client at the server: its login, then the streams on it. What it says about mappings goes to its
/// session.
///
/// @unchecked Sendable: confined to its shard's loop; moved to another shard's once, before the login, when nothing is
/// in progress.
final class ServerLane: LaneOwner, LoginInProgress, @unchecked Sendable {
    private enum State {
        case awaitsHello
        /// HELLO has come; the loop on which the lane will live is being looked up.
        case placing
        /// With the exchange that has begun (nil: the client has no secret), and whose secrets it is checked against.
        case awaitsLogin(ScramServer?, Access)
        /// The login is good; the session is being looked up or made.
        case admitting
        case up(ServerSession)
        case over
    }

    let peer: SocketAddress
    private(set) var shard: ServerShard
    private let connection: Connection
    private lazy var lane = Lane(connection, role: .server, owner: self, ping: shard.policy.options.ping)
    private var state = State.awaitsHello
    private var loginTimer: Timer?
    let deadline: Int64
    private var hello: Hello?
    /// Set once it is up.
    private(set) var session: SharedSession?
    /// Messages about mappings that the session has not seen yet.
    private var unanswered = 0
    private lazy var requests = RequestRate(burst: 2 * shard.policy.options.limits.mappings)
    private var throttle: Timer?
    private var isUsedUp = false
    /// On the shard that was chosen for it, and not in its session yet.
    private var isPlaced = false

    /// Messages about mappings on their way to the session before more are read.
    private static let mostUnanswered = 16
    /// Bytes of control frames on the lane beyond which no stream is opened there.
    private static let mostUnread = 256 * 1024

    /// Takes over the connection of a client that has to log in until `deadline`, monotonic nanoseconds.
    init(_ connection: Connection, peer: SocketAddress, shard: ServerShard, deadline: Int64) {
        (self.connection, self.peer, self.shard, self.deadline) = (connection, peer, shard, deadline)
        startLoginTimer()
    }

    private func startLoginTimer() {
        let timer = Timer(on: shard.loop) { [self] in expire() }
        loginTimer = timer
        timer.set(after: Int(max(0, deadline - shard.loop.now) / 1_000_000))
    }

    private func endLoginTimer() {
        loginTimer?.cancel()
        loginTimer = nil
    }

    private func expire() { fail("no login within the login time") }

    func start() { lane.connectionReadable() }

    /// It was lost before it could join the session.
    private func leavePlace(on shard: ServerShard) {
        guard isPlaced, let token = hello?.session else { return }
        isPlaced = false
        shard.core.onHome { $0.forgetPlace(shard.index, in: token) }
    }

    var isUp: Bool { if case .up = state { true } else { false } }
    var streamCount: Int { lane.mux.streamCount }
    /// Nothing is under way on it, and all that was said has been sent.
    var isIdle: Bool { lane.mux.streamCount == 0 && !lane.mux.hasOutput }
    /// The client's software, for the log.
    var agent: String { hello.map { $0.agent.isEmpty ? "" : " (\($0.agent))" } ?? "" }

    // MARK: Login

    func laneReceived(_ type: FrameType, _ payload: Span<UInt8>) throws(ProtocolViolation) {
        switch (state, type) {
        case (.awaitsHello, .hello): try receive(Hello(payload: payload))
        case (.awaitsLogin(let exchange, let access), .login): receive(try Login(payload: payload), exchange, access)
        case (.up(let session), .map): tell(session, .map(try Map(payload: payload)))
        case (.up(let session), .unmap): tell(session, .unmap(try Unmap(payload: payload)))
        case (.up, .goAway): lane.lose(.closed)
        case (.over, _): break
        default:
            guard type.mayBeIgnored else { throw ProtocolViolation("frame of type \(type.rawValue) at the wrong time") }
        }
    }

    private func receive(_ hello: Hello) throws(ProtocolViolation) {
        self.hello = hello
        guard !hello.session.isEmpty else { return challenge(hello) }
        // A further lane of a session lives where that has the fewest. Nothing may arrive before CHALLENGE, so that the
        // lane can change its loop here.
        state = .placing
        lane.pause()
        shard.loop.later { [self] in
            guard case .placing = state else { return }
            shard.core.onHome { [self, shard] home in
                let index = home.shardForLane(of: hello.session, asking: shard.index)
                shard.core.on(shard) { [self] _ in
                    isPlaced = true
                    settle(shard.core.shards[index])
                }
            }
        }
    }

    private func settle(_ destination: ServerShard) {
        guard case .placing = state else { return leavePlace(on: destination) }
        guard destination !== shard else { return resume() }
        endLoginTimer()
        lane.leave()
        shard.leave(self)
        destination.core.on(destination) { [self] in arrive(on: $0) }
    }

    private func arrive(on shard: ServerShard) {
        self.shard = shard
        startLoginTimer()
        let isRunning = shard.arrive(self)
        do throws(SystemError) {
            try lane.arrive(on: shard.loop)
        } catch { return lane.lose(.connection(.system(error))) }
        guard isRunning else { return lane.lose(.stopped("the server stops")) }
        resume()
    }

    private func resume() {
        guard let hello else { return }
        lane.resume()
        challenge(hello)
        lane.connectionReadable()
    }

    private func challenge(_ hello: Hello) {
        let access = shard.policy.access
        guard !hello.scram.isEmpty else {
            state = .awaitsLogin(nil, access)
            return lane.mux.write(Challenge(scram: []))
        }
        // A connection whose binding cannot be had must not log in as one without TLS.
        let exporter = connection.channelBinding
        guard let nonce = ScramNonce.random(),
            let binding = connection.isSecure ? exporter.flatMap(ScramBinding.init(tlsExporter:)) : .plain
        else { return fail("no random numbers, or no channel binding") }
        var exchange = ScramServer(nonce: nonce, binding: binding, decoy: access.decoy)
        do throws(ScramFailure) {
            lane.mux.write(Challenge(scram: try exchange.start(hello.scram) { access.secret(of: $0) }))
            state = .awaitsLogin(exchange, access)
        } catch { failLogin("\(error)") }
    }

    /// One answer whatever was wrong.
    private func failLogin(_ reason: String) {
        shard.counters.loginFailures.add(1)
        shard.core.onHome { [peer] in $0.blame(peer) }
        fail(reason, told: "login failed: wrong secret or user")
    }

    private func receive(_ login: Login, _ exchange: ScramServer?, _ access: Access) {
        guard let hello else { return }
        var accepted: ScramServer.Accepted?
        if var exchange {
            do throws(ScramFailure) { accepted = try exchange.finish(login.scram) } catch {
                return failLogin("\(error)")
            }
        }
        let certificate = connection.peerName
        guard accepted != nil || !access.needsProof(certificate: certificate) else {
            return failLogin("the client has no secret, this server wants one")
        }
        guard let principal = access.principal(certificate: certificate, user: accepted?.user),
            let grant = access.grant(of: principal)
        else { return failLogin("the certificate is not of a user, or of another than the secret") }
        state = .admitting
        let identity = Identity(clientID: hello.clientID, principal: principal)
        shard.core.onHome { [self, shard] home in
            let admitted = home.admit(self, as: identity, grant, by: access, joining: hello.session)
            shard.core.on(shard) { [self] _ in
                switch admitted {
                case .success(let session): welcome(session, accepted?.serverFinal ?? [])
                case .failure(let refusal) where refusal.code == .loginFailed: failLogin(refusal.text)
                case .failure(let refusal): fail(refusal.text, code: refusal.code, told: refusal.text)
                }
            }
        }
    }

    private func welcome(_ session: ServerSession, _ scram: [UInt8]) {
        guard case .admitting = state, let hello else {
            return shard.core.onHome { [self] _ in session.lost(self, .closed) }
        }
        endLoginTimer()
        isPlaced = false
        state = .up(session)
        self.session = session.shared
        lane.pace = session.shared.pace
        lane.mux.budget = session.shared.budget
        lane.mux.maxWindow = shard.policy.options.maxWindow
        lane.mux.write(
            Welcome(
                scram: scram, window: UInt32(ProtocolLimits.initialWindow),
                serverID: "\(shard.policy.options.serverID)", session: session.shared.token,
                lanes: UInt8(clamping: shard.core.maxLanes)))
        lane.open(peerWindow: hello.window)
        shard.loggedIn(self)
    }

    func giveWay() { fail("it gave way to another's login: there are too many at once", code: .tooMany) }

    /// Before the login is over: closes, and tells the stranger no more than `told`.
    private func fail(_ reason: String, code: SessionError = .loginFailed, told: String = "") {
        shard.turnedAway(peer, reason, code == .loginFailed ? .authentication : .refused)
        lane.close(.reject, Refusal(code: code, text: told))
    }

    // MARK: The session

    /// Few at a time and not too many a second: a lane that asks for more is not read meanwhile. The first loop serves
    /// all sessions, and what waits for it is memory.
    private func tell(_ session: ServerSession, _ request: ServerSession.Request) {
        unanswered += 1
        requests.take(at: shard.loop.now)
        if unanswered >= Self.mostUnanswered || requests.wait(at: shard.loop.now) > 0 { lane.pause() }
        shard.core.onHome { [self, shard] _ in
            session.receive(request, on: self)
            shard.core.on(shard) { [self] _ in
                unanswered -= 1
                readOn()
            }
        }
    }

    private func readOn() {
        guard isUp, lane.isPaused, unanswered < Self.mostUnanswered else { return }
        let wait = requests.wait(at: shard.loop.now)
        guard wait == 0 else {
            let timer = throttle ?? Timer(on: shard.loop) { [self] in readOn() }
            throttle = timer
            return timer.set(after: wait)
        }
        lane.resume()
        // Later: this may be inside a reading that uses the same scratch.
        shard.loop.later { [self] in if isUp { lane.connectionReadable() } }
    }

    /// From the session's loop: has the lane say `message`, if it still can.
    func say(_ message: some Message & Sendable) {
        shard.core.on(shard) { [self] _ in if isUp { lane.mux.write(message) } }
    }

    func say(_ type: FrameType, _ payload: [UInt8]) {
        shard.core.on(shard) { [self] _ in if isUp { lane.mux.write(type, payload: payload) } }
    }

    // MARK: Streams

    /// A stream's number for a new visitor, or why there is none. `datagrams`: for one of UDP, whom anybody can make
    /// up: a quarter of the streams is not for those.
    func admit(datagrams: Bool = false) -> Result<UInt32, StreamError> {
        // The lane is lost before its session hears of it: its streams are told first.
        guard let session, isUp, !lane.isLost else { return .failure(.laneLost) }
        lane.probe()
        guard !session.isRevoked else { return .failure(.unknownMapping) }
        let most = min(session.grant.streams ?? .max, shard.policy.options.limits.streams)
        // A client that reads nothing has its visitors turned away before their OPENs fill our memory.
        guard lane.mux.control.count <= Self.mostUnread else {
            shard.core.logStranger(shard, "client '\(session.identity.clientID)' does not read what it is told")
            return .failure(.tooMany)
        }
        guard session.streams.add(upTo: datagrams ? most - most / 4 : most) else {
            shard.core.logStranger(shard, "client '\(session.identity.clientID)' has \(most) streams already")
            return .failure(.tooMany)
        }
        guard let id = lane.mux.takeID() else {
            // The client moves to a new session, and what is under way ends here in peace.
            session.streams.remove()
            if !isUsedUp { sayGoAway(Refusal(code: .shuttingDown, text: "stream numbers are used up")) }
            isUsedUp = true
            return .failure(.laneLost)
        }
        return .success(id)
    }

    var mux: Mux { lane.mux }
    var isLost: Bool { lane.isLost }
    var isSilent: Bool { lane.isSilent }

    /// Opens a stream, numbered by `admit`, for a visitor.
    func open(_ stream: MuxStream, mapping: UInt32, visitor: SocketAddress) {
        shard.counters.streams.add(1)
        shard.counters.streamsTotal.add(1)
        lane.mux.open(stream, Open(mapping: mapping, visitor: visitor.description))
    }

    func laneClosed(_ stream: MuxStream) {
        shard.counters.streams.add(-1)
        session?.streams.remove()
        shard.somethingEnded()
    }

    func laneIsIdle() { shard.somethingEnded() }

    func laneSilenceChanged() { if let session { shard.silenceChanged(of: session) } }

    func laneOpened(_ id: UInt32, _ message: Open) -> MuxStream? {
        lane.mux.refuse(id, .unknownMapping, "this server offers no mappings of its own")
        return nil
    }

    // MARK: The end

    /// Ends the lane with a farewell.
    func close(_ refusal: Refusal) { lane.close(isUp ? .goAway : .reject, refusal) }

    /// Tells the client to move, and lets its streams go on.
    func sayGoAway(_ refusal: Refusal) {
        guard isUp else { return }
        lane.mux.write(.goAway, payload: refusal.payload)
    }

    /// The session may not be any more: all that is under way ends as well.
    func revoke(_ refusal: Refusal) {
        resetStreams()
        close(refusal)
    }

    func resetStreams() { lane.mux.resetAll(.shuttingDown) }

    func laneLost(_ reason: LaneLoss) {
        let state = state
        self.state = .over
        endLoginTimer()
        guard case .up(let session) = state else {
            if case .stopped = reason {
            } else {
                shard.turnedAway(peer, "\(reason)", TunnelError.Code(login: reason))
            }
            leavePlace(on: shard)
            return shard.lost(self, wasUp: false)
        }
        throttle?.cancel()
        // The shard first: whoever hears of it next looks where the session has lanes.
        shard.lost(self, wasUp: true)
        shard.core.onHome { [self] _ in session.lost(self, reason) }
    }

    /// From the session's loop: the client broke the protocol.
    func fail(_ violation: ProtocolViolation) {
        shard.core.on(shard) { [self] _ in
            guard isUp else { return }
            lane.close(.goAway, Refusal(code: .protocolViolation, text: violation.reason), as: .violation(violation))
        }
    }
}

/// How fast a client may change its mappings: so many at once, and so many a second after that.
private struct RequestRate {
    private let burst: Int
    /// When all that was asked for would be paid, monotonic nanoseconds.
    private var paidAt: Int64 = 0

    /// Nanoseconds for one.
    private static let price: Int64 = 1_000_000

    init(burst: Int) { self.burst = burst }

    mutating func take(at now: Int64) { paidAt = max(paidAt, now) + Self.price }

    /// Milliseconds until there is room for another.
    func wait(at now: Int64) -> Int {
        let ahead = paidAt - now - Int64(burst) * Self.price
        return ahead <= 0 ? 0 : Int(ahead / 1_000_000) + 1
    }
}
