/// What a tunnel client is told.
package struct ClientOptions: Sendable, Equatable {
    /// Where the server takes tunnel clients.
    package var server: Endpoint
    /// `ts`: use TLS to the server, and never anything else.
    package var usesTLS: Bool
    package var mappings: [MappingOptions]
    /// Who this client is to the server; nil: made at start.
    package var clientID: String?
    package var credential: Credential?
    /// What is shown to a server that asks for a certificate.
    package var certificate: CertificateFiles?
    /// SHA-256 of the SubjectPublicKeyInfo of the server's certificate, 32 bytes.
    package var fingerprint: [UInt8]?
    /// Who may have signed the server's certificate; nil: that is not what decides.
    package var authority: CertificateAuthority?
    /// The name in the server's certificate; nil: the host of `server`.
    package var domain: String?
    /// Whether a server that cannot be verified is accepted all the same.
    package var isInsecure: Bool
    /// Threads of an engine of the client's own; 0: the host drives it. Nil: 1.
    package var threads: Int?
    /// Most lanes to the server. Nil: as many as it offers.
    package var lanes: Int?
    /// Most bytes of one stream that may wait for a slow reader.
    package var maxWindow: Int
    package var limits: Limits
    /// Milliseconds for connecting, to the server and to a local service.
    package var dialTimeout: Int
    package var ping: PingOptions

    /// How much there may be at once.
    package struct Limits: Sendable, Equatable {
        /// Bytes held for slow readers, all sessions together: there are two while the server goes away.
        package var queued: Int
        /// The same for one session.
        package var sessionQueued: Int
    }

    /// Roots of trust.
    package enum CertificateAuthority: Sendable, Hashable {
        /// Those of the operating system.
        case system
        /// Those in a PEM file.
        case file(String)
    }

    /// Reads a client's configuration text: YAML or JSON, flat or under `proxy:`.
    package static func parse(_ text: String, file: String? = nil) throws(ConfigError) -> Configuration<ClientOptions> {
        try parse(bytes: Array(text.utf8), file: file)
    }

    /// Like `parse(_:file:)`, for bytes that may turn out not to be UTF-8.
    package static func parse(bytes: [UInt8], file: String? = nil) throws(ConfigError) -> Configuration<ClientOptions> {
        try Configuration(bytes, file: file)
    }
}

extension ClientOptions: Configurable {
    static let place = Option.Place.client

    init(_ settings: Settings, warnings: inout [ConfigWarning]) throws(ConfigError) {
        guard let server = settings.endpoint("server") else {
            throw settings.error("server", "a client needs 'server', the address of its server's 'bind_addr'")
        }
        guard server.port != 0 else { throw settings.error("server", "the port of 'server' must not be 0") }
        self.server = server
        usesTLS = settings.isTrue("ts")
        mappings = []
        clientID = settings.text("client_id")
        credential = try Credential(settings)
        certificate = try Self.certificate(settings, &warnings)
        fingerprint = settings.fingerprint("fingerprint")
        authority = settings.text("ca").map { $0 == "system" ? .system : .file($0) }
        domain = settings.text("domain")
        isInsecure = settings.isTrue("insecure")
        threads = settings.integer("threads")
        lanes = settings.integer("lanes")
        maxWindow = settings.number("max_window")
        limits = Limits(queued: settings.number("max_queued"), sessionQueued: settings.number("max_session_queued"))
        settings.warnOfSessionQueue(&warnings)
        dialTimeout = settings.number("dial_timeout")
        ping = try PingOptions(settings)
        try checkTrust(settings, &warnings)
        try readMappings(settings, &warnings)
    }

    private static func certificate(
        _ settings: Settings, _ warnings: inout [ConfigWarning]
    ) throws(ConfigError) -> CertificateFiles? {
        let files = try CertificateFiles(settings, "cert", "key")
        guard settings.isTrue("two_way_tls") else {
            if files != nil {
                let message = "'cert' has no effect without 'two_way_tls: true'"
                warnings.append(.init(.warning, message, at: settings.position(of: "cert")))
            }
            return nil
        }
        guard settings.isTrue("ts") else { throw settings.error("two_way_tls", "'two_way_tls' needs 'ts: true'") }
        guard files != nil else { throw settings.error("two_way_tls", "'two_way_tls' needs 'cert' and 'key'") }
        return files
    }

    /// Whether anything but hope tells that the server is the right one.
    var verifiesServer: Bool { usesTLS && (authority != nil || fingerprint != nil || credential != nil) }

    private func checkTrust(_ settings: Settings, _ warnings: inout [ConfigWarning]) throws(ConfigError) {
        let position = settings.position(of: "server")
        if !usesTLS {
            for name in ["ca", "fingerprint", "domain"] where settings.isSet(name) {
                warnings.append(
                    .init(.warning, "'\(name)' has no effect without 'ts: true'", at: settings.position(of: name)))
            }
        } else if domain != nil, authority == nil {
            warnings.append(
                .init(.warning, "'domain' is checked only together with 'ca'", at: settings.position(of: "domain")))
        }
        if usesTLS, !verifiesServer {
            if !server.isLoopback, !isInsecure {
                throw settings.error(
                    "server",
                    "nothing tells that the server at \(server) is the right one: set 'ca', 'fingerprint', or the "
                        + "server's 'token' (or 'username' and 'password'); 'insecure: true' goes without")
            }
            warnings.append(.init(.warning, "the server's certificate is not verified", at: position))
        }
        if !usesTLS, !server.isLoopback {
            if !isInsecure {
                throw settings.error(
                    "server",
                    "an unencrypted tunnel to \(server), with nothing to tell that it is the right server: set "
                        + "'ts: true', or 'insecure: true' to allow it"
                )
            }
            warnings.append(.init(.warning, "the tunnel to \(server) is not encrypted", at: position))
        }
    }

    /// Takes the mappings in, and refuses those that cannot be together in one client.
    private mutating func readMappings(_ settings: Settings, _ warnings: inout [ConfigWarning]) throws(ConfigError) {
        var names: Set<String> = []
        var ownerOfDomain: [String: String] = [:]
        var ownerOfTCP: String?
        var ports: [MappingOptions] = []
        for (index, entry) in settings.list("mappings").enumerated() {
            let mapping = try MappingOptions(
                entry, defaultName: index + 1, visitors: .localAddress, warnings: &warnings)
            guard names.insert(mapping.name).inserted else {
                throw entry.error("name", "two mappings are called '\(mapping.name)'")
            }
            if let domain = mapping.domain {
                let edge = "\(mapping.mode.rawValue) \(domain)"
                if let owner = ownerOfDomain.updateValue(mapping.name, forKey: edge) {
                    throw entry.error(
                        "domain", "mappings '\(owner)' and '\(mapping.name)' both take the visitors of \(domain)")
                }
            }
            if let remote = mapping.remoteAddr {
                // TCP and UDP have ports of their own.
                let ofMode = ports.filter { $0.mode == mapping.mode }
                for owner in ofMode where owner.remoteAddr?.collides(with: remote) == true {
                    throw entry.error(
                        "remote_addr", "mappings '\(owner.name)' and '\(mapping.name)' would both listen at \(remote)")
                }
                ports.append(mapping)
            } else if mapping.mode == .tcp {
                if let owner = ownerOfTCP {
                    let message = "mapping '\(mapping.name)' has no visitors: the TCP edge serves '\(owner)'"
                    warnings.append(.init(.warning, message, at: entry.position(of: "mode")))
                } else {
                    ownerOfTCP = mapping.name
                }
            }
            mappings.append(mapping)
        }
    }
}
