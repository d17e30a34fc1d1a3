/// What a program given a configuration text would do, in lines for a person: the answer to `--check`.
package struct CheckReport: Sendable {
    package let role: ConfigRole
    package let warnings: [ConfigWarning]
    /// Lines without secrets, each ended by a line feed, the warnings last.
    package let text: String

    /// Checks the configuration text of a server or of a client, and describes it.
    package static func check(_ text: String, file: String? = nil) throws(ConfigError) -> CheckReport {
        try check(bytes: Array(text.utf8), file: file)
    }

    /// Like `check(_:file:)`, for bytes that may turn out not to be UTF-8.
    package static func check(bytes: [UInt8], file: String? = nil) throws(ConfigError) -> CheckReport {
        switch try ConfigRole.detect(bytes: bytes, file: file) {
        case .server:
            let server = try ServerOptions.parse(bytes: bytes, file: file)
            return CheckReport(.server, server.options.report, server.warnings)
        case .client:
            let client = try ClientOptions.parse(bytes: bytes, file: file)
            return CheckReport(.client, client.options.report, client.warnings)
        }
    }

    private init(_ role: ConfigRole, _ facts: [(name: String, fact: String)], _ warnings: [ConfigWarning]) {
        let width = facts.map(\.name.count).max() ?? 0
        var lines = [role.rawValue]
        for (name, fact) in facts {
            lines.append("  " + name + String(repeating: " ", count: width - name.count + 2) + fact)
        }
        for warning in warnings { lines.append("\(warning.level == .info ? "note" : "warning"): \(warning)") }
        self.role = role
        self.warnings = warnings
        text = lines.map { $0 + "\n" }.joined()
    }
}

extension ServerOptions {
    /// Names and facts, in the order of interest.
    fileprivate var report: [(name: String, fact: String)] {
        var facts = [
            ("tunnel clients", "\(bindAddr), " + (usesTLS ? "TLS 1.3, \(shown(certificate))" : "not encrypted"))
        ]
        facts.append(("login", login.isEmpty ? "none" : login.joined(separator: ", ")))
        if let mapHTTPBind { facts.append(("http visitors", "\(mapHTTPBind)")) }
        if let mapHTTPSBind { facts.append(("https visitors", "\(mapHTTPSBind), \(shown(mapCertificate))")) }
        if let mapTCPBind { facts.append(("tcp visitors", "\(mapTCPBind)")) }
        facts.append(
            (
                "limits",
                "\(limits.sessions) sessions, \(limits.streams) streams in each, \(limits.connections) connections, "
                    + "\(limits.handshakes) logins at once"
            ))
        facts.append(("threads", threadCount(threads, default: "one per core, at most 4")))
        return facts
    }

    private var login: [String] {
        (credential.map { ["\($0)"] } ?? []) + users.map(\.description)
            + (clientAuthorities.map { ["a certificate signed by one in \($0.quoted)"] } ?? [])
    }

    private func shown(_ files: CertificateFiles?) -> String {
        files.map { "certificate \($0.certificate.quoted), key \($0.key.quoted)" } ?? "a certificate made at start"
    }
}

extension ClientOptions {
    /// Names and facts, in the order of interest.
    fileprivate var report: [(name: String, fact: String)] {
        var facts = [("server", "\(server), " + (usesTLS ? "TLS 1.3" : "not encrypted"))]
        facts.append(("trust", trust.isEmpty ? "the server is not verified" : trust.joined(separator: "; ")))
        facts.append(("login", credential.map { "\($0)" } ?? "none"))
        facts.append(("client id", clientID ?? "made at start"))
        for mapping in mappings { facts.append(("mapping \(mapping.name)", mapping.shown)) }
        if mappings.isEmpty { facts.append(("mappings", "none yet")) }
        facts.append(("threads", threadCount(threads, default: "1")))
        return facts
    }

    private var trust: [String] {
        guard usesTLS else { return [] }
        var reasons: [String] = []
        switch authority {
        case .system: reasons.append("the system's authorities, name \(domain ?? server.host)")
        case .file(let path): reasons.append("authorities in \(path.quoted), name \(domain ?? server.host)")
        case nil: break
        }
        if fingerprint != nil { reasons.append("the certificate's fingerprint") }
        if credential != nil { reasons.append("the shared secret") }
        return reasons
    }
}

extension MappingOptions {
    /// From the visitor to the local service.
    fileprivate var shown: String {
        let local = localAddr.map { "\($0)" } ?? "this program"
        return switch mode {
        case .http: "http://\(domain ?? "") and https://\(domain ?? "") on the server's edges -> \(local)"
        case .https: "https://\(domain ?? "") on the server's https edge -> \(local)"
        case .tcp, .udp: "\(port) -> \(local)"
        }
    }

    private var port: String {
        guard let remoteAddr else { return "the server's tcp edge" }
        guard remoteAddr.port == 0 else { return "the server's \(mode.rawValue) port \(remoteAddr)" }
        return "a \(mode.rawValue) port of the server's choice at \(remoteAddr.host)"
    }
}

private func threadCount(_ threads: Int?, default text: String) -> String {
    switch threads {
    case nil: text
    case 0?: "none, the host drives the engine"
    case let count?: "\(count)"
    }
}
