/// What a configuration text says, and what its author should know about it.
package struct Configuration<Options: Sendable & Equatable>: Sendable, Equatable {
    package var options: Options
    /// In the order of the text.
    package var warnings: [ConfigWarning]
}

/// Options that can be read from a text.
protocol Configurable: Sendable, Equatable {
    /// Whose keys the text has.
    static var place: Option.Place { get }

    /// Takes checked values, and checks what depends on several of them.
    init(_ settings: Settings, warnings: inout [ConfigWarning]) throws(ConfigError)
}

extension Configuration where Options: Configurable {
    /// Reads and checks a whole text; errors and warnings carry `file`.
    init(_ bytes: [UInt8], file: String?) throws(ConfigError) {
        do {
            let root = try Document.read(bytes).withoutProxyKey
            try self.init(root)
        } catch {
            throw ConfigError(error.reason, at: error.position, file: file)
        }
        for index in warnings.indices { warnings[index].file = file }
    }

    private init(_ root: Node) throws(ConfigError) {
        if let role = ConfigRole(Options.place) { try role.check(root) }
        let settings = try Settings(root, in: Options.place)
        var warnings = settings.warnings
        options = try Options(settings, warnings: &warnings)
        self.warnings = warnings.sorted { $0.position < $1.position }
    }
}

extension Node {
    /// The group that holds the keys: the mapping under a top-level `proxy`, or the text itself if it has none.
    var withoutProxyKey: Node {
        get throws(ConfigError) {
            guard case .mapping(let entries) = content, let proxy = entries.first(where: { $0.key == "proxy" }) else {
                return self
            }
            if let other = entries.first(where: { $0.key != "proxy" }) {
                throw ConfigError("key \(other.key.quoted) stands beside 'proxy', not under it", at: other.position)
            }
            guard !proxy.value.isEmpty else { return Node(position: proxy.position, content: .mapping([])) }
            return proxy.value
        }
    }
}
