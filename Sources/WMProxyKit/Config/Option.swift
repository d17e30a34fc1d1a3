/// One key of the configuration: a row of the table that reads and checks texts and that writes the reference page.
struct Option: Sendable {
    /// The group of keys an option belongs to.
    enum Place: String, Sendable, CaseIterable {
        case server, client, mapping, engine, user, certificate

        /// "a server", "an engine", for messages.
        var phrase: String { self == .engine ? "an engine" : "a \(rawValue)" }

        /// What a list of these is a list of.
        var entries: String { "\(rawValue)s" }
    }

    /// Whether this version acts on an option.
    enum Status: Sendable, Equatable {
        case active
        /// Checked like any other, then reported as not active yet.
        case later
    }

    let name: String
    let place: Place
    let kind: Kind
    /// The value if none is set, in the form a file would have it; empty where "not set" is a meaning of its own.
    let defaultText: String
    let status: Status
    /// One sentence for the reference page, in Markdown.
    let summary: String

    init(_ place: Place, _ name: String, _ kind: Kind, _ defaultText: String, _ status: Status, _ summary: String) {
        self.name = name
        self.place = place
        self.kind = kind
        self.defaultText = defaultText
        self.status = status
        self.summary = summary
    }

    /// The value if none is set; nil where "not set" is a meaning of its own.
    var defaultValue: Value? { defaultText.isEmpty ? nil : kind.value(of: defaultText) }

    /// The rows of `place`, in the order of the reference page.
    static func all(in place: Place) -> [Option] { table.filter { $0.place == place } }

    /// The row of that name.
    static func find(_ name: String, in place: Place) -> Option? {
        table.first { $0.place == place && $0.name == name }
    }

    /// What to say of a key that `place` does not have.
    static func unknown(_ key: String, in place: Place) -> String {
        let others = table.filter { $0.name == key }.map(\.place.phrase)
        if !others.isEmpty {
            return "key \(key.quoted) belongs to \(others.joined(separator: " or ")), not to \(place.phrase)"
        }
        if let near = NearestKey.find(key, among: all(in: place).map(\.name)) {
            return "unknown key \(key.quoted), did you mean '\(near)'?"
        }
        if let near = NearestKey.find(key, among: table.map(\.name)),
            let other = table.first(where: { $0.name == near })
        {
            return "unknown key \(key.quoted), near '\(near)', which belongs to \(other.place.phrase)"
        }
        return "unknown key \(key.quoted)"
    }
}
