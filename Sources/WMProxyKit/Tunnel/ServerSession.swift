import WMPIO
import WMPWire

/// One client at the server: its login, its mappings, its streams.
///
/// Confined to its shard's loop.
final class ServerSession: LaneOwner {
    private enum State {
        case awaitsHello
        case awaitsLogin(LoginProof?)
        case up
        case over
    }

    let id: SessionID
    let peer: SocketAddress
    private(set) var identity = Identity(clientID: "", principal: "")
    private let connection: Connection
    private lazy var lane = Lane(connection, role: .server, owner: self, ping: shard.core.options.ping)
    private let shard: ServerShard
    private var state = State.awaitsHello
    private var loginTimer: Timer?
    /// The client's software, for the log.
    private var agent = ""
    private struct Mapping {
        let map: Map
        /// Tells it from an earlier one of the same number.
        let serial: Int
        /// The registry has granted it.
        var isUp = false
    }
    private var mappings: [UInt32: Mapping] = [:]
    private var lastSerial = 0

    /// Most mappings of one session: the table must end somewhere.
    private static let maxMappings = 1000

    /// Takes over the connection of a client that has yet to log in until `deadline`.
    init(_ connection: Connection, id: SessionID, peer: SocketAddress, shard: ServerShard, loginTimer: Timer) {
        (self.id, self.peer, self.shard, self.loginTimer) = (id, peer, shard, loginTimer)
        self.connection = connection
    }

    /// The login deadline has passed.
    func expire() {
        guard case .up = state else {
            return fail("no login within \(shard.core.options.timeouts.login / 1000) seconds")
        }
    }

    func start() { lane.connectionReadable() }

    var isUp: Bool { if case .up = state { true } else { false } }
    var streamCount: Int { lane.mux.streamCount }

    // MARK: Streams

    /// A stream's number for a new visitor, or why there is none.
    func admit() -> Result<UInt32, StreamError> {
        // The lane is lost before the session hears of it: its streams are told first.
        guard isUp, !lane.isLost else { return .failure(.laneLost) }
        guard lane.mux.streamCount < shard.core.options.limits.streams else { return .failure(.tooMany) }
        guard let id = lane.mux.takeID() else {
            close(Refusal(code: .tooMany, text: "stream numbers are used up: connect anew"))
            return .failure(.laneLost)
        }
        return .success(id)
    }

    /// The mapping is still this session's.
    func serves(_ mapping: UInt32) -> Bool { isUp && mappings[mapping] != nil }

    var mux: Mux { lane.mux }

    /// Opens a stream, numbered by `admit`, for a visitor.
    func open(_ stream: MuxStream, mapping: UInt32, visitor: SocketAddress) {
        shard.counters.streams.add(1)
        shard.counters.streamsTotal.add(1)
        lane.mux.open(stream, Open(mapping: mapping, visitor: visitor.description))
    }

    func laneClosed(_ stream: MuxStream) {
        shard.counters.streams.add(-1)
        shard.streamEnded()
    }

    func laneOpened(_ id: UInt32, _ message: Open) -> MuxStream? {
        lane.mux.refuse(id, .unknownMapping, "this server offers no mappings of its own")
        return nil
    }

    // MARK: Messages

    func laneReceived(_ type: FrameType, _ payload: Span<UInt8>) throws(ProtocolViolation) {
        switch (state, type) {
        case (.awaitsHello, .hello): try receive(Hello(payload: payload))
        case (.awaitsLogin(let proof), .login): try receive(Login(payload: payload), proof)
        case (.up, .map): try receive(Map(payload: payload))
        case (.up, .unmap): try receive(Unmap(payload: payload))
        case (.up, .goAway): lane.lose(.closed)
        case (.over, _): break
        default:
            guard type.mayBeIgnored else { throw ProtocolViolation("frame of type \(type.rawValue) at the wrong time") }
        }
    }

    private func receive(_ hello: Hello) throws(ProtocolViolation) {
        guard let nonce = Digest.random(32) else { return fail("no random numbers") }
        let credential = shard.core.options.credential
        agent = hello.agent.isEmpty ? "" : " (\(hello.agent))"
        identity = Identity(clientID: hello.clientID, principal: credential?.user ?? "")
        lane.mux.peerWindow = Int(hello.window)
        lane.mux.write(Challenge(nonce: nonce))
        guard let credential else {
            state = .awaitsLogin(nil)
            return
        }
        // A wrong user costs the same and fails the same way as a wrong secret: the proof is over the user as well.
        state = .awaitsLogin(
            LoginProof(
                user: credential.user, secret: credential.secret, clientNonce: hello.nonce, serverNonce: nonce,
                binding: lane.connection.channelBinding ?? []))
    }

    private func receive(_ login: Login, _ proof: LoginProof?) throws(ProtocolViolation) {
        if let proof {
            guard Digest.equal(proof.ofClient, login.proof) else {
                shard.counters.loginFailures.add(1)
                return fail("wrong secret or user", code: .loginFailed, told: "login failed: wrong secret or user")
            }
        } else if !login.proof.isEmpty {
            // The client wants a server that knows its secret; this one has none to compare with.
            shard.counters.loginFailures.add(1)
            return fail(
                "the client has a secret, this server has none", code: .loginFailed,
                told: "login failed: wrong secret or user")
        }
        guard shard.core.admitsSession() else {
            return fail("too many sessions", code: .tooMany, told: "the server has no room for more sessions")
        }
        loginTimer?.cancel()
        loginTimer = nil
        state = .up
        lane.mux.write(
            Welcome(
                proof: proof?.ofServer ?? [], window: UInt32(ProtocolLimits.initialWindow),
                serverID: "\(shard.core.options.serverID)"))
        lane.open(peerWindow: UInt32(clamping: lane.mux.peerWindow))
        shard.counters.sessions.add(1)
        shard.counters.sessionsTotal.add(1)
        let protection = connection.isSecure ? "by TLS" : "not encrypted"
        Log.info("client '\(identity.clientID)' from \(peer) is in, \(protection)\(agent)")
        shard.core.events.post(.sessionUp, clientID: identity.clientID, address: peer.description)
        shard.loggedIn(self)
    }

    private func receive(_ map: Map) throws(ProtocolViolation) {
        guard mappings[map.id] == nil else { throw ProtocolViolation("MAP of a number in use") }
        guard mappings.count < Self.maxMappings else {
            return refuse(map, Refusal(code: .tooMany, text: "a session has at most \(Self.maxMappings) mappings"))
        }
        switch shard.core.claim(of: map) {
        case .failure(let refusal): refuse(map, refusal)
        case .success(let claim):
            lastSerial += 1
            let serial = lastSerial
            mappings[map.id] = Mapping(map: map, serial: serial)
            let route = Route(session: id, mapping: map.id, name: map.name, mode: map.mode)
            shard.core.take(claim, route, for: identity) { [weak self] result in
                guard let self, self.isUp, self.mappings[map.id]?.serial == serial else { return }
                switch result {
                case .success: self.confirm(map)
                case .failure(let refusal):
                    self.mappings[map.id] = nil
                    self.refuse(map, refusal)
                }
            }
        }
    }

    private func confirm(_ map: Map) {
        guard mappings[map.id] != nil else { return }
        let addresses = shard.core.visitorAddresses(of: map)
        let all = addresses.joined(separator: " ")
        mappings[map.id]?.isUp = true
        shard.counters.mappings.add(1)
        lane.mux.write(Mapped(id: map.id, address: all))
        Log.info("client '\(identity.clientID)': mapping '\(map.name)' is at \(all)")
        shard.core.events.post(.mappingUp, clientID: identity.clientID, name: map.name, address: addresses.first ?? "")
    }

    private func refuse(_ map: Map, _ refusal: Refusal) {
        lane.mux.write(MapRefused(id: map.id, code: refusal.code, text: refusal.text))
        Log.warning("client '\(identity.clientID)': mapping '\(map.name)' refused: \(refusal.text)")
        shard.core.events.post(
            .mappingRefused, code: refusal.code == .taken ? .alreadyExists : .refused, clientID: identity.clientID,
            name: map.name, reason: refusal.text)
    }

    private func receive(_ unmap: Unmap) throws(ProtocolViolation) {
        guard let mapping = mappings.removeValue(forKey: unmap.id) else {
            // Refused, or taken over, while the client's word was on its way.
            return lane.mux.write(.unmapped, payload: unmap.payload)
        }
        let map = mapping.map
        if mapping.isUp { shard.counters.mappings.add(-1) }
        guard case .success(let claim) = shard.core.claim(of: map) else { return }
        shard.core.release(claim, by: id) { [weak self, core = shard.core, identity] in
            Log.info("client '\(identity.clientID)': mapping '\(map.name)' removed")
            core.events.post(.mappingDown, clientID: identity.clientID, name: map.name, reason: "removed by the client")
            guard let self, isUp else { return }
            lane.mux.write(.unmapped, payload: unmap.payload)
        }
    }

    /// A newer session of the same identity has taken `claim` over.
    func loseMapping(of claim: Claim) {
        let text = "taken over by a newer session of the same client"
        for (number, mapping) in mappings {
            guard case .success(claim) = shard.core.claim(of: mapping.map) else { continue }
            mappings[number] = nil
            if mapping.isUp { shard.counters.mappings.add(-1) }
            lane.mux.write(MapRefused(id: number, code: .taken, text: text))
            shard.core.events.post(.mappingDown, clientID: identity.clientID, name: mapping.map.name, reason: text)
        }
    }

    // MARK: The end

    /// Before the login is over: closes, and tells the stranger no more than `told`.
    private func fail(_ reason: String, code: SessionError = .loginFailed, told: String = "") {
        shard.core.logStranger(shard, "client at \(peer) turned away: \(reason)")
        lane.close(.reject, Refusal(code: code, text: told))
    }

    /// Ends the session with a farewell.
    func close(_ refusal: Refusal) { lane.close(isUp ? .goAway : .reject, refusal) }

    /// Tells the client to move, and lets its streams go on.
    func sayGoAway(_ refusal: Refusal) {
        guard isUp else { return }
        lane.mux.write(.goAway, payload: refusal.payload)
    }

    func resetStreams() { lane.mux.resetAll(.shuttingDown) }

    func laneLost(_ reason: LaneLoss) {
        let wasUp = isUp
        state = .over
        loginTimer?.cancel()
        loginTimer = nil
        if wasUp {
            shard.counters.sessions.add(-1)
            shard.counters.mappings.add(-mappings.values.count(where: \.isUp))
            Log.info("client '\(identity.clientID)' from \(peer) is gone: \(reason)")
            shard.core.vacate(id) { [core = shard.core, identity, peer] in
                core.events.post(
                    .sessionDown, code: reason.code, clientID: identity.clientID, address: peer.description,
                    reason: reason.description)
            }
        } else if case .stopped = reason {
        } else {
            shard.core.logStranger(shard, "connection from \(peer) closed before the login: \(reason)")
        }
        mappings.removeAll()
        shard.sessionEnded(self, wasUp: wasUp)
    }
}
