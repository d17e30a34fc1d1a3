import WMPWire

/// Which claim belongs to whom, for one server. Lives on the server's first loop; the shards have copies of the routes.
struct Registry {
    struct Entry {
        let identity: Identity
        let route: Route
    }

    private var entries: [Claim: Entry] = [:]
    /// Names whose client is away, the longest first.
    private var vacant: [Claim] = []

    /// Names kept for clients that are away.
    static let maxVacant = 1000

    var vacantCount: Int { vacant.count }

    subscript(claim: Claim) -> Route? { entries[claim]?.route }

    /// It could be taken over from an earlier session of the same identity.
    func canTakeOver(_ claim: Claim, _ session: SharedSession) -> Bool {
        guard let holder = entries[claim], holder.identity == session.identity else { return false }
        return (holder.route.session?.number ?? 0) < session.number
    }

    /// Takes `claim`, or takes it over from an earlier session of the same identity.
    /// - Returns: the session that has lost it, if any.
    mutating func take(_ claim: Claim, _ route: Route, for identity: Identity) -> Result<SharedSession?, Refusal> {
        let holder = entries[claim]
        if let holder, holder.route.session != nil {
            guard holder.identity == identity else {
                return .failure(Refusal(code: .taken, text: "\(claim) is taken by another client"))
            }
            if let session = holder.route.session, let other = route.session, session.number > other.number {
                return .failure(Refusal(code: .taken, text: "\(claim) is with a newer session of the same client"))
            }
            guard holder.route.session !== route.session else {
                let text = "mapping '\(holder.route.name)' of the same client has \(claim) already"
                return .failure(Refusal(code: .taken, text: text))
            }
        }
        entries[claim] = Entry(identity: identity, route: route)
        vacant.removeAll { $0 == claim }
        return .success(holder?.route.session)
    }

    /// Gives `claim` up for good. false: `session` does not hold it any more.
    mutating func release(_ claim: Claim, by session: SharedSession) -> Bool {
        guard entries[claim]?.route.session === session else { return false }
        entries[claim] = nil
        return true
    }

    /// The session is lost: of its `claims` the names are kept, the ports are free.
    /// - Returns: each claim that changes, with its vacant route, or nil to forget it.
    mutating func vacate(_ session: SharedSession, _ claims: [Claim]) -> [(Claim, Route?)] {
        var changes: [(Claim, Route?)] = []
        for claim in claims {
            guard let entry = entries[claim], entry.route.session === session else { continue }
            guard case .host = claim else {
                entries[claim] = nil
                changes.append((claim, nil))
                continue
            }
            let route = Route(
                session: nil, mapping: entry.route.mapping, name: entry.route.name, mode: entry.route.mode)
            entries[claim] = Entry(identity: entry.identity, route: route)
            vacant.append(claim)
            changes.append((claim, route))
        }
        while vacant.count > Self.maxVacant {
            let oldest = vacant.removeFirst()
            entries[oldest] = nil
            changes.append((oldest, nil))
        }
        return changes
    }
}

extension Refusal: Error {}

extension Claim: CustomStringConvertible {
    var description: String {
        switch self {
        case .host(let name): "the domain '\(name)'"
        case .tcpEdge: "the TCP edge"
        case .port(let transport, let address): "\(transport.rawValue) port \(address)"
        }
    }
}
