/// Which end of a tunnel a configuration text describes.
package enum ConfigRole: String, Sendable {
    case server, client

    /// Tells the role of a text, by its `mode` or else by its keys.
    package static func detect(_ text: String, file: String? = nil) throws(ConfigError) -> ConfigRole {
        try detect(bytes: Array(text.utf8), file: file)
    }

    /// Like `detect(_:file:)`, for bytes that may turn out not to be UTF-8.
    package static func detect(bytes: [UInt8], file: String? = nil) throws(ConfigError) -> ConfigRole {
        do {
            return try ConfigRole(root: try Document.read(bytes).withoutProxyKey)
        } catch {
            throw ConfigError(error.reason, at: error.position, file: file)
        }
    }

    /// The role whose keys stand in `place`; nil for groups that are neither end.
    init?(_ place: Option.Place) { self.init(rawValue: place.rawValue) }

    /// Refuses a text whose `mode` says that it is for the other end.
    func check(_ root: Node) throws(ConfigError) {
        guard case .mapping(let entries) = root.content, let mode = entries.first(where: { $0.key == "mode" }) else {
            return
        }
        if let stated = try Self.stated(mode), stated != self {
            throw ConfigError(
                "this is the configuration of a \(stated.rawValue), not of a \(rawValue)", at: mode.position)
        }
    }

    private init(root: Node) throws(ConfigError) {
        guard case .mapping(let entries) = root.content else {
            throw ConfigError("expected the keys of a server or of a client, found \(root.shape)", at: root.position)
        }
        let keys = entries.map(\.key)
        if let mode = entries.first(where: { $0.key == "mode" }), let stated = try Self.stated(mode) {
            self = stated
        } else if keys.contains("server") || keys.contains("mappings") {
            self = .client
        } else if keys.contains("bind_addr") || keys.contains(where: { $0.hasPrefix("map_") }) {
            self = .server
        } else if let entry = entries.first(where: { !Self.knows($0.key) }) {
            // A misspelt key is likelier than a missing one.
            throw ConfigError(
                Option.unknown(entry.key, in: keys.contains("ts") ? .client : .server), at: entry.position)
        } else {
            throw ConfigError(
                "neither a server nor a client: 'bind_addr' makes it a server, 'server' makes it a client",
                at: root.position)
        }
    }

    private static func knows(_ key: String) -> Bool {
        Option.find(key, in: .server) != nil || Option.find(key, in: .client) != nil
    }

    private static func stated(_ mode: Node.Entry) throws(ConfigError) -> ConfigRole? {
        if mode.value.isEmpty { return nil }
        if case .scalar(let word, _) = mode.value.content, let role = ConfigRole(rawValue: word.lowercased()) {
            return role
        }
        throw ConfigError("'mode' must be 'server' or 'client', not \(mode.value.shown)", at: mode.value.position)
    }
}
