import WMPIO
import WMPWire

/// The mappings of a client: what it offers, and what the server said to each.
///
/// Confined to the client's first loop.
struct ClientOffers {
    private struct Offer {
        enum State { case pending, up, refused, removing }
        let options: MappingOptions
        var state = State.pending
        /// The port that the server chose.
        var port: UInt16 = 0
        /// What was said of its refusal, while that lasts.
        var refusal = ""
    }

    private let board: ClientBoard
    private let events: EventQueue
    private let clientID: String
    private let counters: Counters
    private var offers: [UInt32: Offer] = [:]
    private var lastID: UInt32 = 0

    init(board: ClientBoard, events: EventQueue, clientID: String, counters: Counters) {
        (self.board, self.events, self.clientID, self.counters) = (board, events, clientID, counters)
    }

    // MARK: What to say

    /// Everything that is to be offered in a new session, or again on another lane, in the order it was added.
    mutating func askAll() -> [Map] { ask { $0 != .removing } }

    /// What was refused, since there may be room now.
    mutating func askRefused() -> [Map] { ask { $0 == .refused } }

    private mutating func ask(_ isWanted: (Offer.State) -> Bool) -> [Map] {
        let ids = ids(isWanted)
        for id in ids where offers[id]?.state == .refused { offers[id]?.state = .pending }
        return ids.compactMap(map)
    }

    /// What was taken back, and the server has not confirmed yet.
    var removed: [Unmap] { ids { $0 == .removing }.map { Unmap(id: $0) } }
    var names: [String] { offers.values.map(\.options.name) }

    private func ids(_ isWanted: (Offer.State) -> Bool) -> [UInt32] {
        offers.filter { isWanted($0.value.state) }.keys.sorted()
    }

    func map(_ id: UInt32) -> Map? {
        guard let offer = offers[id] else { return nil }
        let options = offer.options
        let mode: Map.Mode =
            switch options.mode {
            case .http: .http
            case .https: .https
            case .tcp: .tcp
            case .udp: .udp
            }
        return Map(
            id: id, name: options.name, mode: mode, domain: options.domain ?? "",
            remote: options.remoteAddr?.description ?? "", idle: UInt32(clamping: options.udpTimeout ?? 0),
            lastPort: offer.port)
    }

    /// The services that streams are for.
    var targets: [UInt32: ClientLane.Target] { offers.compactMapValues(Self.target) }

    func target(_ id: UInt32) -> ClientLane.Target? { offers[id].flatMap(Self.target) }

    private static func target(_ offer: Offer) -> ClientLane.Target? {
        offer.options.localAddr.map {
            ClientLane.Target(
                name: offer.options.name, address: $0, isUDP: offer.options.mode == .udp,
                rule: offer.options.visitorRule, proxyProtocol: offer.options.proxyProtocol)
        }
    }

    // MARK: What the host wants

    mutating func add(_ options: MappingOptions) -> UInt32 {
        lastID += 1
        offers[lastID] = Offer(options: options)
        return lastID
    }

    /// Returns the mapping's number if it is gone at once, or else what to tell the server; nothing if there is none.
    mutating func remove(_ name: String, isUp: Bool) -> (gone: UInt32?, unmap: Unmap?) {
        guard let (id, offer) = offers.first(where: { $0.value.options.name == name }) else {
            board.set(name, nil)
            return (nil, nil)
        }
        guard offer.state != .removing else { return (nil, nil) }
        // Also while the server's answer to the MAP is on its way.
        guard isUp, offer.state != .refused else {
            forget(id)
            return (id, nil)
        }
        if offer.state == .up { counters.mappings.add(-1) }
        offers[id]?.state = .removing
        return (nil, Unmap(id: id))
    }

    // MARK: What the server says

    mutating func receive(_ mapped: Mapped) {
        guard let offer = offers[mapped.id], offer.state == .pending else { return }
        // All are for people, the first is for programs.
        let address = String(mapped.address.prefix { $0 != " " })
        offers[mapped.id]?.state = .up
        offers[mapped.id]?.refusal = ""
        offers[mapped.id]?.port = Endpoint(address)?.port ?? 0
        counters.mappings.add(1)
        let name = offer.options.name
        Log.info("mapping '\(name)': \(mapped.address) → \(offer.options.localAddr.map { "\($0)" } ?? "")")
        board.set(name, .up(address: address))
        events.post(.mappingUp, clientID: clientID, name: name, address: address)
    }

    mutating func receive(_ refusal: MapRefused) {
        guard let offer = offers[refusal.id], offer.state == .pending || offer.state == .up else { return }
        if offer.state == .up { counters.mappings.add(-1) }
        offers[refusal.id]?.state = .refused
        // Asked again and refused again, it is no news.
        guard offer.refusal != refusal.text else { return }
        offers[refusal.id]?.refusal = refusal.text
        let name = offer.options.name
        let error = TunnelError(
            refusal.code == .taken ? .alreadyExists : .refused, "the server refused mapping '\(name)': \(refusal.text)")
        Log.error(error.message)
        board.set(name, .refused(error))
        events.post(.mappingRefused, code: error.code, clientID: clientID, name: name, reason: refusal.text)
    }

    mutating func unmapped(_ id: UInt32) { forget(id) }

    private mutating func forget(_ id: UInt32) {
        guard let offer = offers.removeValue(forKey: id) else { return }
        let name = offer.options.name
        board.set(name, nil)
        if offer.state == .up { counters.mappings.add(-1) }
        guard offer.state == .up || offer.state == .removing else { return }
        events.post(.mappingDown, clientID: clientID, name: name, reason: "removed")
    }

    /// The server has forgotten everything. Returns the mappings that are gone.
    mutating func sessionEnded() -> [UInt32] {
        let removed = removed.map(\.id)
        for (id, offer) in offers {
            if offer.state == .up { counters.mappings.add(-1) }
            // What the host has taken back is not offered again.
            if offer.state == .removing { forget(id) } else { offers[id]?.state = .pending }
        }
        return removed
    }
}
