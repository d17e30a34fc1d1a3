import Testing

@testable import WMPEngine

private func serverProblem(_ text: String) -> ConfigError? {
    #expect(throws: ConfigError.self, "\(text)") { try ServerOptions.parse(text) }
}

private func clientProblem(_ text: String) -> ConfigError? {
    #expect(throws: ConfigError.self, "\(text)") { try ClientOptions.parse(text) }
}

private func warnings(ofServer text: String) throws -> [String] {
    try ServerOptions.parse(text).warnings.filter { $0.level == .warning }.map(\.message)
}

private func warnings(ofClient text: String) throws -> [String] {
    try ClientOptions.parse(text).warnings.filter { $0.level == .warning }.map(\.message)
}

private let pin = String(repeating: "ab", count: 32)
private let open = "bind_addr: 0.0.0.0:1\nmap_http_bind: 0.0.0.0:2\n"
private let closed = "bind_addr: 127.0.0.1:1\nmap_http_bind: 0.0.0.0:2\n"
private let far = "server: tunnel.example.org:1\n"
private let near = "server: 127.0.0.1:1\n"

@Suite struct ConfigServerRuleTests {
    @Test(arguments: [
        ("map_http_bind: 0.0.0.0:80\n", 1, 1, "needs 'bind_addr'"),
        ("bind_addr:\nmap_http_bind: :80\n", 1, 1, "needs 'bind_addr'"),
        ("", 1, 1, "needs 'bind_addr'"),
        (open + "tc: true\n", 1, 1, "needs a credential: set 'token'"),
        ("bind_addr: '[::]:1'\n", 1, 1, "needs a credential"),
        ("bind_addr: example.org:1\n", 1, 1, "needs a credential"),
        ("bind_addr: :1\n", 1, 1, "a server at 0.0.0.0:1 needs a credential"),
        (open + "auth: required\n", 1, 1, "needs a credential"),
        (open + "auth: none\ntoken: x\ntc: true\n", 3, 1, "contradicts the credential"),
        (open + "token: x\n", 1, 1, "unencrypted tunnel at 0.0.0.0:1: set 'tc: true'"),
        (open + "username: u\npassword: p\n", 1, 1, "unencrypted"),
        (closed + "token: x\nusername: u\npassword: p\n", 4, 1, "exclude each other"),
        (closed + "token: x\npassword: p\n", 4, 1, "exclude each other"),
        (closed + "username: u\n", 3, 1, "'username' needs 'password'"),
        (closed + "password: p\n", 3, 1, "'password' needs 'username'"),
        (closed + "cert: a\n", 3, 1, "'cert' needs 'key'"),
        (closed + "key: a\n", 3, 1, "'key' needs 'cert'"),
        (closed + "map_cert: a\nmap_key:\n", 3, 1, "'map_cert' needs 'map_key'"),
        (closed + "map_key: a\n", 3, 1, "'map_key' needs 'map_cert'"),
        (
            closed + "map_tcp_bind: 127.0.0.1:1\n", 3, 1,
            "'map_tcp_bind' and 'bind_addr' would both listen at 127.0.0.1:1"
        ),
        (closed + "map_tcp_bind: 127.0.0.1:2\n", 3, 1, "'map_tcp_bind' and 'map_http_bind'"),
        (closed + "ping_timeout: 5s\n", 3, 1, "'ping_timeout' (5s) must be longer than 'ping_interval' (5s)"),
        (closed + "ping_interval: 20s\n", 3, 1, "must be longer"),
        (closed + "mode: client\n", 3, 1, "configuration of a client, not of a server"),
    ])
    func whatCannotWorkOrIsNotSafeIsRefused(text: String, line: Int, column: Int, reason: String) {
        let error = serverProblem(text)
        #expect(error?.position == Position(line: line, column: column), "\(text)\(error as Any)")
        #expect(error?.reason.contains(reason) == true, "\(text)\(error as Any)")
    }

    @Test(arguments: [
        (closed, ["no credential: every program on this machine"]),
        ("bind_addr: localhost:1\nmap_tcp_bind: :2", ["no credential"]),
        ("bind_addr: '[::1]:1'\nmap_tcp_bind: :2", ["no credential"]),
        ("bind_addr: 127.9.9.9:1\nmap_tcp_bind: :2", ["no credential"]),
        ("bind_addr: 127.0.0.1:1\ntoken: x", ["no visitor can come in"]),
        (open + "auth: none\n", ["everybody who reaches 0.0.0.0:1"]),
        (open + "token: x\ntc: true\n", []), (open + "token: x\ninsecure: true\n", []), (closed + "token: x", []),
        (closed + "username: u\npassword: p", []), (closed + "token: x\ntwo_way_tls: false\nallow:\n", []),
        (closed + "token: x\nmap_cert: a\nmap_key: b\n", ["'map_cert' has no effect"]),
        (closed + "token: x\ncert: a\nkey: b\n", ["'cert' has no effect"]),
        (closed + "token: x\nmap_tcp_bind: 127.0.0.2:1\n", []),
        (closed + "token: x\nca: a\n", ["'ca' has no effect"]),
        (open + "tc: true\ntwo_way_tls: true\nca: a\n", []),
        (open + "tc: true\nusers: [{username: a, password: b}]\n", []),
        (closed + "token: x\nproxy_deny: x\n", ["'proxy_deny' is not active"]),
        (closed + "token: x\nheaders: ['+ a b']\nflag: 7\n", ["'headers' is not active"]),
        ("bind_addr: 127.0.0.1:0\nmap_http_bind: 127.0.0.1:0\ntoken: x", []),
        (
            closed + "token: x\nmax_session_queued: 1GiB\n",
            ["'max_session_queued' (1GiB) has no effect beyond 'max_queued' (256MiB)"]
        ),
    ])
    func whatIsOddIsToldOf(text: String, expected: [String]) throws {
        let warnings = try warnings(ofServer: text)
        #expect(warnings.count == expected.count, "\(text)\(warnings)")
        for (warning, part) in zip(warnings, expected) { #expect(warning.contains(part)) }
    }

    @Test func everythingArrives() throws {
        let server = try ServerOptions.parse(
            """
            bind_addr: 0.0.0.0:7000
            map_http_bind: :80
            map_https_bind: "[::]:443"
            map_tcp_bind: 192.0.2.1:22
            map_cert: web.pem
            map_key: web.key
            cert: tunnel.pem
            key: tunnel.key
            tc: true
            username: ünder
            password: "p\\u00e4ss"
            server_id: 4294967295
            threads: 3
            lanes: 16
            max_window: 64KiB
            max_mappings: 5
            max_ports: 7
            max_udp_visitors: 6
            max_queued: 1GiB
            max_session_queued: 2MiB
            max_sessions: 1
            max_streams: 2
            max_connections: 3
            max_handshakes: 4
            login_timeout: 1s
            head_timeout: 2s
            response_timeout: 0
            idle_timeout: 5min
            ping_interval: 250ms
            ping_timeout: 1.5s
            """
        ).options
        #expect(server.bindAddr == Endpoint(host: "0.0.0.0", port: 7000))
        #expect(server.mapHTTPBind == Endpoint(host: "0.0.0.0", port: 80))
        #expect(server.mapHTTPSBind == Endpoint(host: "::", port: 443))
        #expect(server.mapTCPBind == Endpoint(host: "192.0.2.1", port: 22))
        #expect(server.mapCertificate?.certificate == "web.pem" && server.mapCertificate?.key == "web.key")
        #expect(server.certificate?.certificate == "tunnel.pem" && server.certificate?.key == "tunnel.key")
        #expect(server.usesTLS)
        #expect(server.credential == .password(username: "ünder", password: "päss"))
        #expect(server.serverID == .max)
        #expect(server.threads == 3)
        #expect(server.lanes == 16 && server.maxWindow == 65_536)
        #expect(
            server.limits
                == .init(
                    sessions: 1, streams: 2, mappings: 5, ports: 7, udpVisitors: 6, connections: 3,
                    handshakes: 4, queued: 1 << 30, sessionQueued: 2 << 20))
        #expect(server.timeouts == .init(login: 1000, head: 2000, response: 0, idle: 300_000))
        #expect(server.ping.interval == 250 && server.ping.timeout == 1500)
        #expect(server.listeners.map(\.name) == ["bind_addr", "map_http_bind", "map_https_bind", "map_tcp_bind"])
    }
}

@Suite struct ConfigClientRuleTests {
    @Test(arguments: [
        ("mappings: []\n", 1, 1, "needs 'server'"), ("server:\n", 1, 1, "needs 'server'"),
        ("server: localhost:0\n", 1, 1, "must not be 0"),
        (far + "ts: true\n", 1, 1, "set 'ca', 'fingerprint', or the server's 'token'"),
        ("server: 10.0.0.1:1\nts: true\n", 1, 1, "nothing tells that the server at 10.0.0.1:1 is the right one"),
        ("server: localhost.example.org:1\nts: true\n", 1, 1, "nothing tells"),
        (far + "ts: true\ndomain: tunnel.example.org\n", 1, 1, "nothing tells"),
        (far + "token: x\n", 1, 1, "an unencrypted tunnel to"),
        (near + "token: x\nusername: u\npassword: x\n", 3, 1, "exclude each other"),
        (near + "mode: server\n", 2, 1, "configuration of a server, not of a client"),
        (near + "mappings:\n  - mode: http\n    local_addr: 1\n", 3, 5, "needs 'domain'"),
        (near + "mappings:\n  - mode: https\n    domain:\n    local_addr: 1\n", 4, 5, "needs 'domain'"),
        (near + "mappings:\n  - mode: tcp\n", 3, 5, "needs 'local_addr'"),
        (near + "mappings:\n  - mode: tcp\n    local_addr: 0\n", 4, 5, "must not be 0"),
        (near + "mappings:\n  - name: x\n    local_addr: 1\n", 3, 5, "needs 'mode'"),
        (
            near + "mappings:\n  - {mode: file, local_addr: 1}\n", 3, 6,
            "mode 'file' is not available in this version yet"
        ),
        (
            near + "mappings:\n  - {mode: udp, local_addr: 1}\n", 3, 5,
            "a mapping of mode 'udp' needs 'remote_addr', its public port; 0 for any"
        ),
        (near + "mappings:\n  - {mode: udp, local_addr: 1, remote_addr: ''}\n", 3, 32, "needs 'remote_addr'"),
        (near + "mappings:\n  - {mode: udp, remote_addr: 1}\n", 3, 5, "needs 'local_addr'"),
        (near + "mappings:\n  - {mode: udp, remote_addr: 1, local_addr: 0}\n", 3, 33, "must not be 0"),
        (
            near
                + "mappings:\n- {name: a, mode: tcp, local_addr: 1, remote_addr: 22}\n"
                + "- {name: b, mode: tcp, local_addr: 2, remote_addr: 22}\n",
            4, 39, "mappings 'a' and 'b' would both listen at 0.0.0.0:22"
        ),
        (
            near
                + "mappings:\n- {mode: udp, local_addr: 1, remote_addr: 53}\n"
                + "- {mode: tcp, local_addr: 1, remote_addr: 53}\n"
                + "- {mode: udp, local_addr: 2, remote_addr: '192.0.2.1:53'}\n",
            5, 30, "mappings 'udp-1' and 'udp-3' would both listen at 192.0.2.1:53"
        ),
        (near + "mappings:\n  - {mode: tls, local_addr: 1}\n", 3, 6, "mode 'tls' is not available"),
        (near + "mappings:\n  - {mode: gopher, local_addr: 1}\n", 3, 12, "must be 'http' or 'https' or 'tcp'"),
        (
            near
                + "mappings:\n- {name: a, mode: tcp, local_addr: 1}\n- {name: a, mode: tcp, local_addr: 2}\n",
            4, 4, "two mappings are called 'a'"
        ),
        (
            near
                + "mappings:\n- {mode: http, domain: D.x, local_addr: 1}\n- {mode: http, domain: d.x., local_addr: 1}",
            4, 16, "mappings 'http-1' and 'http-2' both take the visitors of d.x"
        ),
    ])
    func whatCannotWorkOrIsNotSafeIsRefused(text: String, line: Int, column: Int, reason: String) {
        let error = clientProblem(text)
        #expect(error?.position == Position(line: line, column: column), "\(text)\(error as Any)")
        #expect(error?.reason.contains(reason) == true, "\(text)\(error as Any)")
    }

    @Test(arguments: [
        (near, []), (near + "ts: true\n", ["certificate is not verified"]), (near + "ts: true\ntoken: x\n", []),
        (near + "token: x\n", []), (far + "ts: true\ntoken: x\n", []), (far + "ts: true\nca: a.pem\ndomain: d\n", []),
        (far + "ts: true\nca: system\n", []), (far + "ts: true\nusername: u\npassword: p\n", []),
        (far + "ts: true\nfingerprint: \(pin)\n", []), (far + "ts: true\ninsecure: true\n", ["not verified"]),
        (far + "insecure: true\n", ["not encrypted"]), (far + "token: x\ninsecure: true\n", ["not encrypted"]),
        (near + "ca: a.pem\n", ["'ca' has no effect"]),
        (near + "fingerprint: \(pin)\n", ["'fingerprint' has no effect"]),
        (near + "ts: true\ntoken: x\ndomain: d\n", ["'domain' is checked only"]),
        (near + "mappings: [{mode: tcp, local_addr: 1, domain: d}]", ["'domain' has no meaning"]),
        (
            near + "mappings: [{mode: tcp, local_addr: 1}, {mode: tcp, local_addr: 2}]",
            ["mapping 'tcp-2' has no visitors: the TCP edge serves 'tcp-1'"]
        ),
        (near + "mappings: [{mode: tcp, local_addr: 1, remote_addr: 2}]", []),
        (near + "mappings: [{mode: udp, local_addr: 1, remote_addr: 0, udp_timeout: 5s}]", []),
        (
            near + "mappings: [{mode: udp, local_addr: 1, remote_addr: 1, domain: d}]",
            ["'domain' has no meaning for a mapping of mode 'udp'"]
        ),
        (
            near + "mappings: [{mode: http, domain: d, local_addr: 1, remote_addr: 1}]",
            ["'remote_addr' has no meaning for a mapping of mode 'http'"]
        ),
        (
            near + "mappings: [{mode: https, domain: d, local_addr: 1, remote_addr: 1, udp_timeout: 5s}]",
            ["'remote_addr' has no meaning for a mapping of mode 'https'", "'udp_timeout' has no meaning"]
        ),
        (near + "mappings: [{mode: tcp, local_addr: 1, udp_timeout: 60s}]", ["'udp_timeout' has no meaning"]),
        (
            near + "mappings: [{mode: tcp, local_addr: 1}, {mode: tcp, local_addr: 2, remote_addr: 1}, "
                + "{mode: tcp, local_addr: 3, remote_addr: 2}, {mode: tcp, local_addr: 4, remote_addr: 0}, "
                + "{mode: tcp, local_addr: 5, remote_addr: 0}, {mode: udp, local_addr: 6, remote_addr: 1}]", []
        ),
        (
            near + "mappings: [{mode: tcp, local_addr: 1, remote_addr: '127.0.0.1:1'}, "
                + "{mode: tcp, local_addr: 2, remote_addr: '127.0.0.2:1'}, {mode: tcp, local_addr: 3}, "
                + "{mode: tcp, local_addr: 4}]",
            ["mapping 'tcp-4' has no visitors: the TCP edge serves 'tcp-3'"]
        ),
        (
            near + "max_queued: 1MiB\nmax_session_queued: 2MiB\n",
            ["'max_session_queued' (2MiB) has no effect beyond 'max_queued' (1MiB)"]
        ),
        (near + "max_queued: 1MiB\n", []), (near + "max_queued: 2GiB\nmax_session_queued: 2GiB\n", []),
        (
            near + "mappings: [{mode: http, domain: a, local_addr: 1, host_header: x}]",
            ["'host_header' is not active"]
        ),
        (near + "cert: a\nkey: b\n", ["'cert' has no effect"]),
    ])
    func whatIsOddIsToldOf(text: String, expected: [String]) throws {
        let warnings = try warnings(ofClient: text)
        #expect(warnings.count == expected.count, "\(text)\(warnings)")
        for (warning, part) in zip(warnings, expected) { #expect(warning.contains(part)) }
    }

    @Test func everythingArrives() throws {
        let client = try ClientOptions.parse(
            """
            {"server": "[2001:db8::1]:443", "ts": true, "client_id": "c.1", "token": "\\ud83d\\ude00",
             "ca": "roots.pem", "fingerprint": "SHA256:\(pin)", "domain": "Tunnel.Example.org",
             "insecure": true, "threads": 0,
             "lanes": 2, "max_window": "1MiB", "max_queued": "64GiB", "max_session_queued": 1048576,
             "dial_timeout": "2s", "ping_interval": 1, "ping_timeout": 3.5,
             "mappings": [{"name": "a", "mode": "http", "domain": "A.localhost", "local_addr": 8080},
                          {"name": null, "mode": "HTTPS", "domain": "b", "local_addr": "[::1]:9"},
                          {"mode": "tcp", "domain": "", "local_addr": "db.internal:5432"},
                          {"mode": "tcp", "local_addr": 22, "remote_addr": 2222, "udp_timeout": null},
                          {"mode": "udp", "local_addr": 53, "remote_addr": "[::]:0"},
                          {"mode": "udp", "local_addr": 53, "remote_addr": ":53", "udp_timeout": 5}]}
            """
        ).options
        #expect(client.server == Endpoint(host: "2001:db8::1", port: 443))
        #expect(client.usesTLS && client.isInsecure)
        #expect(client.clientID == "c.1")
        #expect(client.credential == .token("😀"))
        #expect(client.authority == .file("roots.pem"))
        #expect(client.fingerprint == Array(repeating: 0xAB, count: 32))
        #expect(client.domain == "tunnel.example.org")
        #expect(client.threads == 0)
        #expect(client.lanes == 2 && client.maxWindow == 1 << 20)
        #expect(client.limits == .init(queued: 64 << 30, sessionQueued: 1 << 20))
        #expect(client.dialTimeout == 2000)
        #expect(client.ping.interval == 1000 && client.ping.timeout == 3500)
        #expect(
            client.mappings == [
                .init(name: "a", mode: .http, domain: "a.localhost", localAddr: .init(host: "127.0.0.1", port: 8080)),
                .init(name: "https-2", mode: .https, domain: "b", localAddr: .init(host: "::1", port: 9)),
                .init(name: "tcp-3", mode: .tcp, domain: nil, localAddr: .init(host: "db.internal", port: 5432)),
                .init(
                    name: "tcp-4", mode: .tcp, localAddr: .init(host: "127.0.0.1", port: 22),
                    remoteAddr: .init(host: "0.0.0.0", port: 2222)),
                .init(
                    name: "udp-5", mode: .udp, localAddr: .init(host: "127.0.0.1", port: 53),
                    remoteAddr: .init(host: "::", port: 0), udpTimeout: 60_000),
                .init(
                    name: "udp-6", mode: .udp, localAddr: .init(host: "127.0.0.1", port: 53),
                    remoteAddr: .init(host: "0.0.0.0", port: 53), udpTimeout: 5000),
            ])
    }

    @Test func whatIsNotSetHasItsDefault() throws {
        let client = try ClientOptions.parse(near).options
        #expect(client.lanes == nil && client.maxWindow == 16 << 20)
        #expect(client.limits == .init(queued: 256 << 20, sessionQueued: 64 << 20))
        let server = try ServerOptions.parse(closed + "token: x").options
        #expect(server.lanes == nil && server.maxWindow == 16 << 20)
        #expect(server.limits.mappings == 1000 && server.limits.udpVisitors == 4096)
        #expect(server.limits.queued == 256 << 20 && server.limits.sessionQueued == 64 << 20)
    }
}

@Suite struct ConfigMappingRuleTests {
    @Test func aMappingAloneNeedsAName() throws {
        let error = #expect(throws: ConfigError.self) {
            try MappingOptions.parse("mode: tcp\nlocal_addr: 1", file: "m")
        }
        #expect(error?.description == "m:1:1: a mapping needs 'name'")
        let mapping = try MappingOptions.parse(#"{"name": "m", "mode": "tcp", "local_addr": "localhost:1"}"#)
        #expect(mapping.options.localAddr == Endpoint(host: "localhost", port: 1))
    }

    @Test func aMappingOfTheProgramsOwnHasNoLocalAddress() throws {
        let mapping = try MappingOptions.parse("{name: m, mode: http, domain: d}", visitors: .listener)
        #expect(mapping.options.localAddr == nil)
        let error = #expect(throws: ConfigError.self) {
            try MappingOptions.parse("{name: m, mode: http, domain: d, local_addr: 1}", visitors: .listener)
        }
        #expect(error?.reason.contains("no place here") == true)
        #expect(error?.position == Position(line: 1, column: 34))
    }

    @Test func anEngineIsContentWithNothing() throws {
        #expect(try EngineOptions.parse("").options.threads == nil)
        #expect(try EngineOptions.parse("threads: 0").options.threads == 0)
        #expect(try EngineOptions.parse("{\"proxy\": {\"threads\": 2}}").options.threads == 2)
        #expect(throws: ConfigError.self) { try EngineOptions.parse("threads: 65") }
        #expect(throws: ConfigError.self) { try EngineOptions.parse("bind_addr: :1") }
    }
}
