package import WMPWire

/// What a tunnel server is told.
package struct ServerOptions: Sendable, Equatable {
    /// Where tunnel clients connect. Port 0: the system chooses.
    package var bindAddr: Endpoint
    /// The public edges; nil: there is none.
    package var mapHTTPBind: Endpoint?
    package var mapHTTPSBind: Endpoint?
    package var mapTCPBind: Endpoint?
    /// The HTTPS edge's certificate; nil: one is made at start.
    package var mapCertificate: CertificateFiles?
    /// More of them, for the host names they are for.
    package var mapCertificates: [CertificateFiles]
    /// The tunnel's certificate; nil: one is made at start.
    package var certificate: CertificateFiles?
    /// `tc`: tunnel clients must use TLS.
    package var usesTLS: Bool
    /// Who signs the certificates that clients must show, a PEM file; nil: they need none.
    package var clientAuthorities: String?
    /// What clients must prove to know. Nil: nothing, which the checks allow on loopback or by `auth: none` only.
    package var credential: Credential?
    /// Several who may come in, in place of `credential`.
    package var users: [UserOptions]
    /// Who may visit.
    package var visitors: VisitorRule
    /// Whose word about the visitor is believed, and whether their connections begin with a PROXY header.
    package var trustedProxies: [Network]
    package var takesProxyHeaders: Bool
    package var serverID: UInt32
    /// Threads of an engine of the server's own; 0: the host drives it. Nil: one per core, at most 4.
    package var threads: Int?
    /// Most lanes of a session. Nil: one per thread, at most 4.
    package var lanes: Int?
    /// Most bytes of one stream that may wait for a slow reader.
    package var maxWindow: Int
    package var limits: Limits
    package var timeouts: Timeouts
    package var ping: PingOptions

    /// How many of each there may be at once.
    package struct Limits: Sendable, Equatable {
        package var sessions: Int
        /// In one session.
        package var streams: Int
        /// In one session.
        package var mappings: Int
        /// Ports of mappings' own, all sessions together.
        package var ports: Int
        /// Of one mapping of mode `udp`.
        package var udpVisitors: Int
        /// Of clients and visitors together.
        package var connections: Int
        /// Tunnel connections that have not logged in yet.
        package var handshakes: Int
        /// Bytes held for slow readers, all sessions together.
        package var queued: Int
        /// The same for one session.
        package var sessionQueued: Int
    }

    /// All in milliseconds; 0: for ever.
    package struct Timeouts: Sendable, Equatable {
        /// From accept to authenticated.
        package var login: Int
        /// A request's head, first to last byte.
        package var head: Int
        /// Until the local service begins its answer. May be 0.
        package var response: Int
        /// A visitor's HTTP connection between two requests. May be 0.
        package var idle: Int
    }

    /// Reads a server's configuration text: YAML or JSON, flat or under `proxy:`.
    package static func parse(_ text: String, file: String? = nil) throws(ConfigError) -> Configuration<ServerOptions> {
        try parse(bytes: Array(text.utf8), file: file)
    }

    /// Like `parse(_:file:)`, for bytes that may turn out not to be UTF-8.
    package static func parse(bytes: [UInt8], file: String? = nil) throws(ConfigError) -> Configuration<ServerOptions> {
        try Configuration(bytes, file: file)
    }
}

extension ServerOptions: Configurable {
    static let place = Option.Place.server

    init(_ settings: Settings, warnings: inout [ConfigWarning]) throws(ConfigError) {
        guard let bindAddr = settings.endpoint("bind_addr") else {
            throw settings.error("bind_addr", "a server needs 'bind_addr', where its tunnel clients connect")
        }
        self.bindAddr = bindAddr
        mapHTTPBind = settings.endpoint("map_http_bind")
        mapHTTPSBind = settings.endpoint("map_https_bind")
        mapTCPBind = settings.endpoint("map_tcp_bind")
        mapCertificate = try CertificateFiles(settings, "map_cert", "map_key")
        mapCertificates = []
        for entry in settings.list("certs") {
            guard let files = try CertificateFiles(entry, "cert", "key") else {
                throw ConfigError("an entry of 'certs' needs 'cert' and 'key'", at: entry.position)
            }
            mapCertificates.append(files)
        }
        certificate = try CertificateFiles(settings, "cert", "key")
        clientAuthorities = settings.isTrue("two_way_tls") ? settings.text("ca") : nil
        usesTLS = settings.isTrue("tc")
        credential = try Credential(settings)
        users = []
        for entry in settings.list("users") {
            let user = try UserOptions(entry, needsPassword: !settings.isTrue("two_way_tls"))
            guard !users.contains(where: { $0.name == user.name }) else {
                throw entry.error("username", "two users are called '\(user.name)'")
            }
            users.append(user)
        }
        visitors = VisitorRule(allow: settings.networks("allow"), deny: settings.networks("deny"))
        trustedProxies = settings.networks("trusted_proxies")
        takesProxyHeaders = settings.isTrue("proxy_protocol")
        if takesProxyHeaders, trustedProxies.isEmpty {
            throw settings.error("proxy_protocol", "'proxy_protocol' needs 'trusted_proxies', whose headers to believe")
        }
        serverID = UInt32(clamping: settings.number("server_id"))
        threads = settings.integer("threads")
        lanes = settings.integer("lanes")
        maxWindow = settings.number("max_window")
        limits = Limits(
            sessions: settings.number("max_sessions"), streams: settings.number("max_streams"),
            mappings: settings.number("max_mappings"), ports: settings.number("max_ports"),
            udpVisitors: settings.number("max_udp_visitors"),
            connections: settings.number("max_connections"), handshakes: settings.number("max_handshakes"),
            queued: settings.number("max_queued"), sessionQueued: settings.number("max_session_queued"))
        settings.warnOfSessionQueue(&warnings)
        timeouts = Timeouts(
            login: settings.number("login_timeout"), head: settings.number("head_timeout"),
            response: settings.number("response_timeout"), idle: settings.number("idle_timeout"))
        ping = try PingOptions(settings)
        try checkListeners(settings, &warnings)
        try checkTrust(settings, &warnings)
    }

    /// The listeners that are set, by the names of their options.
    var listeners: [(name: String, endpoint: Endpoint)] {
        let all = [
            ("bind_addr", bindAddr), ("map_http_bind", mapHTTPBind), ("map_https_bind", mapHTTPSBind),
            ("map_tcp_bind", mapTCPBind),
        ]
        return all.compactMap { name, endpoint in endpoint.map { (name, $0) } }
    }

    /// The first key that differs and cannot change while a server runs; nil: none does.
    func fixedKeyChanged(from earlier: ServerOptions) -> String? {
        let fixed: [(name: String, isSame: Bool)] = [
            ("bind_addr", bindAddr == earlier.bindAddr), ("map_http_bind", mapHTTPBind == earlier.mapHTTPBind),
            ("map_https_bind", mapHTTPSBind == earlier.mapHTTPSBind),
            ("map_tcp_bind", mapTCPBind == earlier.mapTCPBind), ("tc", usesTLS == earlier.usesTLS),
            ("threads", threads == earlier.threads), ("lanes", lanes == earlier.lanes),
            ("server_id", serverID == earlier.serverID), ("max_queued", limits.queued == earlier.limits.queued),
        ]
        return fixed.first { !$0.isSame }?.name
    }

    private func checkListeners(_ settings: Settings, _ warnings: inout [ConfigWarning]) throws(ConfigError) {
        let listeners = listeners
        for (index, later) in listeners.enumerated() {
            if let earlier = listeners[..<index].first(where: { $0.endpoint.collides(with: later.endpoint) }) {
                throw settings.error(
                    later.name, "'\(later.name)' and '\(earlier.name)' would both listen at \(later.endpoint)")
            }
        }
        if listeners.count == 1 {
            let names = "'map_http_bind', 'map_https_bind' or 'map_tcp_bind'"
            warnings.append(
                .init(
                    .warning,
                    "no visitor can come in but at ports of their own ('remote_addr'): none of \(names) is set",
                    at: settings.position))
        }
        if mapCertificate != nil, mapHTTPSBind == nil {
            warnings.append(
                .init(
                    .warning, "'map_cert' has no effect without 'map_https_bind'", at: settings.position(of: "map_cert")
                ))
        }
        if !mapCertificates.isEmpty, mapCertificate == nil {
            throw settings.error("certs", "'certs' adds to 'map_cert', which is for visitors that ask for no name")
        }
        if certificate != nil, !usesTLS {
            warnings.append(
                .init(.warning, "'cert' has no effect without 'tc: true'", at: settings.position(of: "cert")))
        }
    }

    private func checkTrust(_ settings: Settings, _ warnings: inout [ConfigWarning]) throws(ConfigError) {
        try checkClientCertificates(settings, &warnings)
        let isOpen = settings.text("auth") == "none"
        let position = settings.position(of: isOpen ? "auth" : "bind_addr")
        if credential != nil, !users.isEmpty {
            throw settings.error(
                "users", "'users' and '\(settings.isSet("token") ? "token" : "username")' exclude each other")
        }
        if credential != nil || !users.isEmpty {
            if isOpen {
                throw settings.error("auth", "'auth: none' contradicts the credential that is set: remove one of them")
            }
            if !usesTLS, !bindAddr.isLoopback, !settings.isTrue("insecure") {
                throw settings.error(
                    "bind_addr",
                    "a credential over an unencrypted tunnel at \(bindAddr): set 'tc: true', "
                        + "or 'insecure: true' to allow it"
                )
            }
            return
        }
        if clientAuthorities != nil { return }
        if bindAddr.isLoopback {
            warnings.append(
                .init(.warning, "no credential: every program on this machine may register mappings", at: position))
        } else if isOpen {
            warnings.append(
                .init(.warning, "no credential: everybody who reaches \(bindAddr) may register mappings", at: position))
        } else {
            throw settings.error(
                "bind_addr",
                "a server at \(bindAddr) needs a credential: set 'token', or 'username' and 'password', "
                    + "or 'users', or 'two_way_tls' and 'ca', or 'auth: none' to let everybody in")
        }
    }

    private func checkClientCertificates(
        _ settings: Settings, _ warnings: inout [ConfigWarning]
    ) throws(ConfigError) {
        guard settings.isTrue("two_way_tls") else {
            if settings.isSet("ca") {
                warnings.append(
                    .init(.warning, "'ca' has no effect without 'two_way_tls: true'", at: settings.position(of: "ca")))
            }
            return
        }
        guard usesTLS else { throw settings.error("two_way_tls", "'two_way_tls' needs 'tc: true'") }
        guard let authorities = settings.text("ca") else {
            throw settings.error("two_way_tls", "'two_way_tls' needs 'ca', who signs the certificates of clients")
        }
        guard authorities != "system" else {
            throw settings.error("ca", "'ca' of a server is a file: the system's authorities sign for everybody")
        }
    }
}
