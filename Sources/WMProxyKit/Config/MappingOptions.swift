package import WMPWire

/// One thing that visitors reach through the tunnel.
package struct MappingOptions: Sendable, Equatable {
    /// Unique among a client's mappings; letters, digits, `.`, `_` and `-`, at most 64.
    package var name: String
    package var mode: Mode
    /// The host name visitors ask for, in lower case; nil for `tcp` and `udp`.
    package var domain: String?
    /// The local service; nil where the program itself accepts the visitors.
    package var localAddr: Endpoint?
    /// A public port of the mapping's own, at an address of the server; port 0: the server chooses. Nil: the server's
    /// edge, and always for `http` and `https`, never for `udp`.
    package var remoteAddr: Endpoint?
    /// Milliseconds until a silent visitor is forgotten; nil for other modes than `udp`.
    package var udpTimeout: Int?
    /// Who may visit it.
    package var visitorRule = VisitorRule()
    /// How the local service is told of the visitor's address, before anything else; nil: not at all.
    package var proxyProtocol: ProxyHeader.Version?

    /// How visitors come to a mapping.
    package enum Mode: String, Sendable, CaseIterable {
        /// By host name, on the HTTP and on the HTTPS edge.
        case http
        /// By host name, on the HTTPS edge only.
        case https
        /// On the TCP edge or on a port of its own, bytes as they come.
        case tcp
        /// On a UDP port of its own, datagrams as they come.
        case udp

        /// Every mode a configuration may name, those included that this version does not have yet.
        static let allWords = allCases.map(\.rawValue) + ["tls", "proxy", "file"]
    }

    /// Who takes the visitors in.
    package enum Visitors: Sendable, Equatable {
        /// The service at `local_addr`, which then must be set.
        case localAddress
        /// The program itself, on a listening socket: `local_addr` must not be set.
        case listener
    }

    /// Reads one mapping, as it would stand in the list `mappings`. Alone it needs a name, since later calls refer to
    /// it.
    package static func parse(
        _ text: String, visitors: Visitors = .localAddress, file: String? = nil
    ) throws(ConfigError) -> Configuration<MappingOptions> {
        try parse(bytes: Array(text.utf8), visitors: visitors, file: file)
    }

    /// Like `parse(_:visitors:file:)`, for bytes that may turn out not to be UTF-8.
    package static func parse(
        bytes: [UInt8], visitors: Visitors = .localAddress, file: String? = nil
    ) throws(ConfigError) -> Configuration<MappingOptions> {
        do {
            let settings = try Settings(try Document.read(bytes), in: .mapping)
            var warnings = settings.warnings
            let mapping = try MappingOptions(settings, defaultName: nil, visitors: visitors, warnings: &warnings)
            for index in warnings.indices { warnings[index].file = file }
            return Configuration(options: mapping, warnings: warnings)
        } catch {
            throw ConfigError(error.reason, at: error.position, file: file)
        }
    }
}

extension MappingOptions {
    /// Takes checked values, and checks what depends on several of them. `defaultName` is the mapping's position in its
    /// list, from 1, of which a name is made if it has none; nil: it must have one.
    init(
        _ settings: Settings, defaultName: Int?, visitors: Visitors, warnings: inout [ConfigWarning]
    ) throws(ConfigError) {
        guard let word = settings.text("mode") else {
            throw settings.error("mode", "a mapping needs 'mode': http, https, tcp or udp")
        }
        guard let mode = Mode(rawValue: word) else {
            throw settings.error("mode", "mode '\(word)' is not available in this version yet")
        }
        guard let name = settings.text("name") ?? defaultName.map({ "\(mode.rawValue)-\($0)" }) else {
            throw settings.error("name", "a mapping needs 'name'")
        }
        self.mode = mode
        self.name = name
        switch mode {
        case .http, .https:
            domain = settings.text("domain")
            if domain == nil {
                throw settings.error(
                    "domain", "a mapping of mode '\(mode.rawValue)' needs 'domain', the host name visitors ask for")
            }
        case .tcp, .udp:
            remoteAddr = settings.endpoint("remote_addr")
            if mode == .udp, remoteAddr == nil {
                throw settings.error(
                    "remote_addr", "a mapping of mode 'udp' needs 'remote_addr', its public port; 0 for any")
            }
        }
        if mode == .udp { udpTimeout = settings.number("udp_timeout") }
        for (name, isUsed) in [
            ("domain", domain != nil), ("remote_addr", remoteAddr != nil), ("udp_timeout", udpTimeout != nil),
        ] where settings.isSet(name) && !isUsed {
            let message = "'\(name)' has no meaning for a mapping of mode '\(mode.rawValue)'"
            warnings.append(.init(.warning, message, at: settings.position(of: name)))
        }
        visitorRule = VisitorRule(allow: settings.networks("allow"), deny: settings.networks("deny"))
        if let version = settings.text("proxy_protocol") {
            guard mode != .udp else { throw settings.error("proxy_protocol", "'proxy_protocol' is not for mode 'udp'") }
            proxyProtocol = version == "v1" ? .v1 : .v2
        }
        localAddr = settings.endpoint("local_addr")
        switch visitors {
        case .localAddress:
            guard let localAddr else {
                throw settings.error("local_addr", "a mapping needs 'local_addr', the local service")
            }
            guard localAddr.port != 0 else {
                throw settings.error("local_addr", "the port of 'local_addr' must not be 0")
            }
        case .listener:
            if localAddr != nil {
                throw settings.error(
                    "local_addr", "'local_addr' has no place here: the program itself accepts the visitors")
            }
        }
    }
}
