/// One of several who may come in.
package struct UserOptions: Sendable, Equatable {
    package var name: String
    /// In the clear, or salted as `wmproxy --hash-password` prints it; nil: the certificate of `two_way_tls` is enough.
    package var password: String?
    package var grant: Grant

    init(_ settings: Settings, needsPassword: Bool) throws(ConfigError) {
        guard let name = settings.text("username") else {
            throw ConfigError("an entry of 'users' needs 'username'", at: settings.position)
        }
        self.name = name
        password = settings.text("password")
        guard password != nil || !needsPassword else {
            throw settings.error("username", "user '\(name)' needs 'password', as there is no 'two_way_tls'")
        }
        grant = try Grant(settings)
    }
}

extension UserOptions: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Never the password: this may end in a log.
    package var description: String { "user \(name.quoted)" }
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: [:]) }
}

extension Grant {
    fileprivate init(_ settings: Settings) throws(ConfigError) {
        domains = try settings.patterns("domains", as: "a host name such as app.example.org or *.example.org") {
            DomainPattern($0)
        }
        ports = try settings.patterns("ports", as: "a port or a range such as tcp:2222, udp:5000-5999 or 20000-20099") {
            PortRange($0)
        }
        mappings = settings.integer("max_mappings")
        streams = settings.integer("max_streams")
        bandwidth = settings.integer("bandwidth")
    }
}

extension Settings {
    /// The option's texts, each as what `read` makes of it; nil if it is not set.
    fileprivate func patterns<Pattern>(
        _ name: String, as requirement: String, _ read: (String) -> Pattern?
    ) throws(ConfigError) -> [Pattern]? {
        guard isSet(name) else { return nil }
        var patterns: [Pattern] = []
        for text in texts(name) {
            guard let pattern = read(text) else {
                throw error(name, "'\(name)' must be a list of \(requirement), not \(text.quoted)")
            }
            patterns.append(pattern)
        }
        return patterns
    }
}
