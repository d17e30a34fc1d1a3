import WMPIO
import WMPWire

/// One client at the server: its lanes and its mappings.
///
/// @unchecked Sendable: confined to the server's first loop, but for `shared`, which never changes.
final class ServerSession: @unchecked Sendable {
    /// What a client asks for, over any of its lanes.
    enum Request: Sendable {
        case map(Map)
        case unmap(Unmap)
    }

    private struct Mapping {
        let map: Map
        let claim: Claim
        let addresses: [String]
    }

    let shared: SharedSession
    private(set) var lanes: [ServerLane] = []
    /// Shards that were chosen for lanes which have not logged in yet.
    var placed: [Int] = []
    /// Mappings whose ports are not free yet, and on which lane to answer.
    private var awaited: [UInt32: (map: Map, lane: ServerLane)] = [:]
    private let peer: SocketAddress
    private unowned let home: ServerHome
    private var mappings: [UInt32: Mapping] = [:]

    init(_ shared: SharedSession, peer: SocketAddress, home: ServerHome) {
        (self.shared, self.peer, self.home) = (shared, peer, home)
    }

    var claims: [Claim] { mappings.values.map(\.claim) }

    private var clientID: String { shared.identity.clientID }
    private var events: EventQueue { home.core.events }

    // MARK: Lanes

    func begin(with lane: ServerLane, _ agent: String) {
        lanes.append(lane)
        home.counters.sessions.add(1)
        home.counters.sessionsTotal.add(1)
        let protection = home.policy.tunnelContext != nil ? "by TLS" : "not encrypted"
        home.logComing("client '\(clientID)' from \(peer) is in, \(protection)\(agent)")
        events.post(.sessionUp, clientID: clientID, address: peer.description)
    }

    func join(_ lane: ServerLane) {
        lanes.append(lane)
        forgetPlace(lane.shard.index)
        Log.debug("client '\(clientID)': \(lanes.count) lanes")
    }

    func forgetPlace(_ index: Int) {
        if let found = placed.firstIndex(of: index) { placed.remove(at: found) }
    }

    /// A lane is gone, and what was under way on it. The session goes with the last one.
    func lost(_ lane: ServerLane, _ reason: LaneLoss) {
        lanes.removeAll { $0 === lane }
        guard lanes.isEmpty else {
            if reason.code != nil {
                home.logComing(
                    "client '\(clientID)': a lane from \(lane.peer) is gone, \(lanes.count) left: \(reason)")
            }
            return home.lanesChanged(of: shared)
        }
        let claims = claims
        home.counters.sessions.add(-1)
        home.counters.mappings.add(-mappings.count)
        mappings.removeAll()
        awaited.removeAll()
        home.logComing("client '\(clientID)' from \(peer) is gone: \(reason)")
        home.end(self, claims)
        events.post(
            .sessionDown, code: reason.code, clientID: clientID, address: peer.description,
            reason: reason.description)
    }

    // MARK: Mappings

    func receive(_ request: Request, on lane: ServerLane) {
        guard !lanes.isEmpty else { return }
        switch request {
        case .map(let map): receive(map, on: lane)
        case .unmap(let unmap): receive(unmap, on: lane)
        }
    }

    private func receive(_ map: Map, on lane: ServerLane) {
        if let mapping = mappings[map.id] {
            // Asked again, since the lane of the first answer was lost. Meanwhile the client may have heard its port.
            var first = mapping.map
            first.lastPort = map.lastPort
            guard first == map else { return lane.fail(ProtocolViolation("MAP of a number in use")) }
            return lane.say(Mapped(id: map.id, address: mapping.addresses.joined(separator: " ")))
        }
        let most = min(shared.grant.mappings ?? .max, home.policy.options.limits.mappings)
        guard mappings.count < most else {
            return refuse(
                map, Refusal(code: .tooMany, text: "a session of this client has at most \(most) mappings"), on: lane)
        }
        let isFirst = awaited.updateValue((map, lane), forKey: map.id) == nil
        guard isFirst else { return }
        home.whenFree(map) { [self] in
            guard let (map, lane) = awaited.removeValue(forKey: map.id) else { return }
            take(map, on: lane)
        }
    }

    private func take(_ map: Map, on lane: ServerLane) {
        switch home.take(map, for: self) {
        case .failure(let refusal): refuse(map, refusal, on: lane)
        case .success(let (claim, addresses)):
            mappings[map.id] = Mapping(map: map, claim: claim, addresses: addresses)
            home.counters.mappings.add(1)
            let all = addresses.joined(separator: " ")
            lane.say(Mapped(id: map.id, address: all))
            home.logComing("client '\(clientID)': mapping '\(map.name)' is at \(all)")
            events.post(.mappingUp, clientID: clientID, name: map.name, address: addresses.first ?? "")
        }
    }

    private func refuse(_ map: Map, _ refusal: Refusal, on lane: ServerLane) {
        lane.say(MapRefused(id: map.id, code: refusal.code, text: refusal.text))
        home.logRefusal("client '\(clientID)': mapping '\(map.name)' refused: \(refusal.text)")
        events.post(
            .mappingRefused, code: refusal.code == .taken ? .alreadyExists : .refused, clientID: clientID,
            name: map.name, reason: refusal.text)
    }

    private func receive(_ unmap: Unmap, on lane: ServerLane) {
        awaited[unmap.id] = nil
        guard let mapping = mappings.removeValue(forKey: unmap.id) else {
            // Refused, or taken over, while the client's word was on its way: it is gone all the same.
            return lane.say(.unmapped, unmap.payload)
        }
        home.counters.mappings.add(-1)
        home.release(mapping.claim, by: self) { lane.say(.unmapped, unmap.payload) }
        home.logComing("client '\(clientID)': mapping '\(mapping.map.name)' removed")
        events.post(
            .mappingDown, clientID: clientID, name: mapping.map.name, reason: "removed by the client")
    }

    /// The configuration no longer allows it: ends it at once.
    func revoke() {
        shared.revoke()
        let refusal = Refusal(code: .notOffered, text: "the server's configuration no longer allows this session")
        for lane in lanes { home.core.on(lane.shard) { _ in lane.revoke(refusal) } }
    }

    /// The claim is another's now, or its port is gone.
    func lose(_ claim: Claim, _ code: SessionError, _ reason: String) {
        for (number, mapping) in mappings where mapping.claim == claim {
            mappings[number] = nil
            home.counters.mappings.add(-1)
            lanes.last?.say(MapRefused(id: number, code: code, text: reason))
            events.post(.mappingDown, clientID: clientID, name: mapping.map.name, reason: reason)
        }
    }
}
