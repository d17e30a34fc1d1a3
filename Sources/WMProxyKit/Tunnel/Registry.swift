import WMPWire

/// Which claim belongs to whom, for one server. Lives on the server's first loop; the shards have copies of the routes.
struct Registry {
    struct Entry {
        let identity: Identity
        /// nil: the client is away; its name stays known, so that visitors hear 503 and not 404.
        var session: SessionID?
        let route: Route
    }

    private var entries: [Claim: Entry] = [:]
    /// Claims whose client is away, the longest first.
    private var vacant: [Claim] = []

    /// Names kept for clients that are away.
    static let maxVacant = 1000

    /// Takes `claim`, or takes it over from an earlier session of the same identity.
    /// - Returns: the session that has lost it, if any.
    mutating func take(_ claim: Claim, _ route: Route, for identity: Identity) -> Result<SessionID?, Refusal> {
        if let entry = entries[claim], entry.session != nil, entry.identity != identity {
            let what =
                switch claim {
                case .host(let name): "the domain '\(name)'"
                case .tcp: "the TCP edge"
                }
            return .failure(Refusal(code: .taken, text: "\(what) is taken by another client"))
        }
        if let entry = entries[claim], entry.session == route.session {
            return .failure(
                Refusal(code: .taken, text: "mapping '\(entry.route.name)' of the same client has it already"))
        }
        let loser = entries[claim]?.session
        entries[claim] = Entry(identity: identity, session: route.session, route: route)
        vacant.removeAll { $0 == claim }
        return .success(loser)
    }

    /// Gives `claim` up for good. false: `session` does not hold it any more.
    mutating func release(_ claim: Claim, by session: SessionID) -> Bool {
        guard entries[claim]?.session == session else { return false }
        entries[claim] = nil
        return true
    }

    /// The session is lost: its names are kept, the TCP edge is free.
    /// - Returns: what the shards have to be told: each claim with its vacant route, or nil to forget it.
    mutating func vacate(_ session: SessionID) -> [(Claim, Route?)] {
        var changes: [(Claim, Route?)] = []
        for (claim, entry) in entries where entry.session == session {
            guard case .host = claim else {
                entries[claim] = nil
                changes.append((claim, nil))
                continue
            }
            let route = Route(
                session: nil, mapping: entry.route.mapping, name: entry.route.name, mode: entry.route.mode)
            entries[claim] = Entry(identity: entry.identity, session: nil, route: route)
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
