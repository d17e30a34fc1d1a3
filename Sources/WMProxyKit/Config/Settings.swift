import WMPWire

/// What an option was set to, checked and converted by its kind.
enum Value: Sendable, Equatable {
    case text(String)
    case boolean(Bool)
    /// A count, milliseconds, bytes or a sum of flags, by the option's kind.
    case integer(Int)
    case endpoint(Endpoint)
    case fingerprint([UInt8])
    case address(IPAddress)
    case texts([String])
    case networks([Network])
    case headers([HeaderRule])
    /// The entries of a list such as `mappings`.
    case list([Settings])
}

/// The values of one group of keys, each checked against the option table; what is not set has the table's default.
struct Settings: Sendable, Equatable {
    let place: Option.Place
    /// Where the group begins.
    let position: Position
    /// What the author should know, in the order of the text.
    private(set) var warnings: [ConfigWarning] = []
    private var values: [String: Value] = [:]
    private var positions: [String: Position] = [:]

    /// Reads the mapping `node` as keys of `place`.
    init(_ node: Node, in place: Option.Place) throws(ConfigError) {
        self.place = place
        position = node.position
        guard case .mapping(let entries) = node.content else {
            throw ConfigError("expected the keys of \(place.phrase), found \(node.shape)", at: node.position)
        }
        for entry in entries {
            guard let option = Option.find(entry.key, in: place) else {
                throw ConfigError(Option.unknown(entry.key, in: place), at: entry.position)
            }
            positions[entry.key] = entry.position
            guard !entry.value.isEmpty else { continue }
            let value = try option.read(entry.value)
            values[entry.key] = value
            try judge(option, value, at: entry.position)
            if option.status == .active, case .list(let entries) = value { warnings += entries.flatMap(\.warnings) }
        }
    }

    /// Whether the text gives the option a value.
    func isSet(_ name: String) -> Bool { values[name] != nil }

    /// Where the option is set, or where the group begins.
    func position(of name: String) -> Position { positions[name] ?? position }

    /// The option's text, path, name or choice.
    func text(_ name: String) -> String? {
        if case .text(let text)? = value(name) { text } else { nil }
    }

    /// The option's number, milliseconds or bytes; nil if it is not set and has no default.
    func integer(_ name: String) -> Int? {
        if case .integer(let number)? = value(name) { number } else { nil }
    }

    /// Like `integer` for an option that has a default.
    func number(_ name: String) -> Int { integer(name) ?? 0 }

    /// The option's truth; not set and without default is false.
    func isTrue(_ name: String) -> Bool { value(name) == .boolean(true) }

    /// The option's endpoint.
    func endpoint(_ name: String) -> Endpoint? {
        if case .endpoint(let endpoint)? = value(name) { endpoint } else { nil }
    }

    /// The option's digest.
    func fingerprint(_ name: String) -> [UInt8]? {
        if case .fingerprint(let digest)? = value(name) { digest } else { nil }
    }

    /// The option's list of texts.
    func texts(_ name: String) -> [String] {
        if case .texts(let texts)? = value(name) { texts } else { [] }
    }

    /// The option's networks.
    func networks(_ name: String) -> [Network] {
        if case .networks(let networks)? = value(name) { networks } else { [] }
    }

    /// The option's groups of keys.
    func list(_ name: String) -> [Settings] {
        if case .list(let entries)? = value(name) { entries } else { [] }
    }

    /// Tells of a session that may hold more than all of them together.
    func warnOfSessionQueue(_ warnings: inout [ConfigWarning]) {
        let (all, one) = (number("max_queued"), number("max_session_queued"))
        guard isSet("max_session_queued"), one > all else { return }
        let message =
            "'max_session_queued' (\(Quantity.size(one))) has no effect beyond 'max_queued' (\(Quantity.size(all)))"
        warnings.append(.init(.warning, message, at: position(of: "max_session_queued")))
    }

    /// An error about an option, where it is set.
    func error(_ name: String, _ reason: String) -> ConfigError { ConfigError(reason, at: position(of: name)) }

    private func value(_ name: String) -> Value? { values[name] ?? Option.find(name, in: place)?.defaultValue }

    private mutating func judge(_ option: Option, _ value: Value, at position: Position) throws(ConfigError) {
        let asksForNothing = value == option.defaultValue
        switch option.status {
        case .active: break
        case .later:
            warnings.append(
                .init(
                    asksForNothing ? .info : .warning, "'\(option.name)' is not active in this version yet",
                    at: position))
        }
    }
}

extension Option {
    /// Reads a value that is not empty.
    fileprivate func read(_ node: Node) throws(ConfigError) -> Value {
        let value: Value?
        switch (node.content, kind) {
        case (.sequence(let items), .list(let place)):
            var entries: [Settings] = []
            for item in items { entries.append(try Settings(item, in: place)) }
            value = .list(entries)
        case (.sequence(let items), _): value = kind.value(of: items)
        case (.scalar(let text, _), _): value = kind.value(of: text)
        case (.mapping, _): value = nil
        }
        guard let value else {
            let found = kind.isSecret ? "" : ", not \(node.shown)"
            throw ConfigError("'\(name)' must be \(kind.requirement)\(found)", at: node.position)
        }
        return value
    }
}
