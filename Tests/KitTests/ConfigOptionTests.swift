import Testing

@testable import WMPEngine

extension Option.Kind {
    /// Values that are of the kind and that no default has, as YAML flow text.
    var goodValues: [String] {
        switch self {
        case .text: ["word", "two words", "'é'", "12", "yes"]
        case .secret: ["0123", "'p: w#d'", "\"\\U0001F600\"", "no"]
        case .name: ["a", "A-b_c.9", "12"]
        case .boolean: ["true", "yes", "on", "True", "\"true\""]
        case .integer(let range): ["\(range.upperBound)", "'\(range.upperBound)'"]
        case .duration: ["11s", "11000ms", "11", "'11.0s'"]
        case .size: ["1024KiB", "1m", "1200000", "8.5 MiB"]
        case .listener: ["127.0.0.1:1", "'[::1]:0'", "':81'", "localhost:65535", "0.0.0.0:80"]
        case .endpoint: ["127.0.0.1:2", "'[2001:db8::1]:9'", "Example.org:443", "my_service:80"]
        case .endpointOrPort: ["127.0.0.1:2", "8080", "':8080'", "db.internal:5432"]
        case .address: ["127.0.0.1", "'::'"]
        case .hostName: ["localhost", "a.example.org", "A.EXAMPLE.", "192.0.2.1", "xn--bcher-kva.example"]
        case .path: ["a.pem", "/etc/ssl/é.pem"]
        case .fingerprint:
            [
                String(repeating: "aB", count: 32),
                "'sha256:" + Array(repeating: "0f", count: 32).joined(separator: ":") + "'",
            ]
        case .choice(let words): [words[0], words[0].uppercased()]
        case .flags(let words):
            ["0", "'3'", words[0], "'\(words[0]), \(words[1])'", "[\(words[1])]", "'\(words[0]) \(words[1])'"]
        case .texts: ["[a, b]", "a", "'a, b'"]
        case .networks: ["[10.0.0.0/8, '::1']", "'192.0.2.7'", "'10.0.0.0/8, 2001:db8::/32'", "[]"]
        case .headers:
            ["['proxy + from {url}']", "[[proxy, +, from, '{url}'], [-, etag], [a, b]]", "[\"'?' x 'a b'\", '- x']"]
        case .list(.mapping): ["[{name: m, mode: tcp, local_addr: 1}]", "[]"]
        case .list(.user): ["[{username: u, password: p, domains: ['*.x']}]"]
        case .list: ["[{cert: a, key: b}]"]
        }
    }

    /// Values that are not of the kind.
    var badValues: [String] {
        switch self {
        case .text(let maximum): ["[a]", "{a: b}", "\"a\\nb\"", String(repeating: "x", count: maximum + 1)]
        case .secret: ["[a]", "{a: b}", "\"a\\x7Fb\"", String(repeating: "x", count: 1025)]
        case .name: ["a b", "é", "a/b", "[a]", String(repeating: "x", count: 65)]
        case .boolean: ["maybe", "1", "[true]", "{}", "y"]
        case .integer(let range):
            ["\(range.upperBound + 1)", "-1", "1.5", "x", "0x1", "1e3", "[1]", "99999999999999999999", "٣"]
                + (range.lowerBound > 0 ? ["0"] : [])
        case .duration(let range):
            ["1 day", "-1s", "s", "1.2345s", "999999h", ".5s", "[1s]", "1s2"] + (range.lowerBound > 0 ? ["0"] : [])
        case .size(let range):
            [
                "\(range.upperBound + 1)", "\(range.lowerBound - 1)", "1TiB", "-1", "99999999999999999999",
                "999999999999GiB", "x", "[1]",
            ]
        case .listener:
            [
                "127.0.0.1", "80", "1.2.3:80", "a:b", "'::1:80'", "'[::1]'", "x:65536", "x:-1", "x:+1", "/run/x.sock",
                "'[::g]:1'", "'*:80'",
            ]
        case .endpoint: ["127.0.0.1", "':80'", "80", "a b:80", "x:", "'[1.2.3.4]:80'", "-a:80", "a..b:80", "127.1:80"]
        case .endpointOrPort: ["65536", "x", "a:b:1", "[80]", "''' '''"]
        case .address: ["localhost", "1.2.3", "'::1/8'", "[]"]
        case .hostName:
            [
                "a_b", "-a", "a-", "a..b", "é.example", "'*.a'", "1.2.3", "a:1", String(repeating: "a", count: 64),
                "[a]", "a.1",
            ]
        case .path: ["[a]", "{a: b}", String(repeating: "x", count: 4096)]
        case .fingerprint: [String(repeating: "a", count: 63), String(repeating: "g", count: 64), "[a]", "'sha1:00'"]
        case .choice: ["other", "[x]", "{}"]
        case .flags: ["8", "-1", "ftp", "[http, ftp]", "{}"]
        case .texts: ["[[a]]", "{a: b}", "[\"\\n\"]", "['']"]
        case .networks: ["[10.0.0.1/8]", "10.0.0.0/33", "x", "[[1]]", "{}", "1.2.3.4/", "'::/129'"]
        case .headers:
            [
                "a b", "[a]", "[[a, b, c, d, e]]", "[[]]", "[{a: b}]", "[[a b, c]]", "[\"a 'b\"]", "[[a, \"x\\ny\"]]",
                "[[[a], b]]",
            ]
        case .list: ["x", "{}", "[x]", "[[]]", "[null]", "[{nokey: 1}]"]
        }
    }
}

/// A valid text of `place` that sets `option` to `value`, all that it needs beside it, and the position of the value.
private func text(setting option: Option, to value: String) -> String {
    var lines = ["\(option.name): \(value)"]
    func need(_ name: String, _ value: String) {
        if !lines.contains(where: { $0.hasPrefix("\(name):") }) { lines.append("\(name): \(value)") }
    }
    switch option.place {
    case .server where option.name == "bind_addr": need("auth", "none")
    case .server: need("bind_addr", "127.0.0.1:0")
    case .client where option.name == "server": need("insecure", "true")
    case .client: need("server", "127.0.0.1:8091")
    case .mapping where ["remote_addr", "udp_timeout"].contains(option.name):
        need("name", "m")
        need("mode", option.name == "udp_timeout" ? "udp" : "tcp")
        if option.name == "udp_timeout" { need("remote_addr", "0") }
        need("local_addr", "1")
    case .mapping:
        need("name", "m")
        need("mode", "http")
        need("domain", "d")
        need("local_addr", "1")
    case .engine: break
    case .user:
        need("username", "u")
        need("password", "p")
    case .certificate:
        need("cert", "c")
        need("key", "k")
    }
    switch (option.place, option.name) {
    case (.server, "certs"):
        need("map_cert", "c")
        need("map_key", "k")
        need("map_https_bind", "127.0.0.1:3")
    case (.server, "proxy_protocol"): need("trusted_proxies", "10.0.0.1")
    case (.server, "two_way_tls"):
        need("tc", "true")
        need("ca", "a")
    case (.server, "ca"):
        need("tc", "true")
        need("two_way_tls", "true")
    case (.client, "two_way_tls"), (.client, "cert"), (.client, "key"):
        need("ts", "true")
        need("two_way_tls", "true")
        need("cert", "c")
        need("key", "k")
    default: break
    }
    let partners = [
        "username": "password", "password": "username", "cert": "key", "key": "cert", "map_cert": "map_key",
        "map_key": "map_cert",
    ]
    if option.status == .active, let partner = partners[option.name] { need(partner, "x") }
    return lines.joined(separator: "\n") + "\n"
}

/// What reading `text` as `place` gives, described so that two results can be compared; with the warnings.
private func outcome(_ text: String, of place: Option.Place) throws(ConfigError) -> (
    options: String, warnings: [ConfigWarning]
) {
    switch place {
    case .server:
        let server = try ServerOptions.parse(text)
        // Secrets are not described: they are added by hand.
        return ("\(server.options) \(secret(server.options.credential))", server.warnings)
    case .client:
        let client = try ClientOptions.parse(text)
        return ("\(client.options) \(secret(client.options.credential))", client.warnings)
    case .mapping:
        let mapping = try MappingOptions.parse(text)
        return ("\(mapping.options)", mapping.warnings)
    case .engine:
        let engine = try EngineOptions.parse(text)
        return ("\(engine.options)", engine.warnings)
    case .user:
        let settings = try Settings(try Document.read(Array(text.utf8)), in: place)
        let user = try UserOptions(settings, needsPassword: true)
        return ("\(user.name) \(user.password ?? "none") \(user.grant)", settings.warnings)
    case .certificate:
        let settings = try Settings(try Document.read(Array(text.utf8)), in: place)
        return ("\(try CertificateFiles(settings, "cert", "key") as Any)", settings.warnings)
    }
}

private func secret(_ credential: Credential?) -> String {
    switch credential {
    case .token(let token): token
    case .password(let username, let password): "\(username) \(password)"
    case nil: "none"
    }
}

private func indented(_ text: String) -> String {
    "proxy:\n" + text.split(separator: "\n").map { "  \($0)\n" }.joined()
}

@Suite struct ConfigOptionTests {
    @Test(arguments: Option.table.indices)
    func everyOptionTakesItsValuesFlatAndNested(row: Int) throws {
        let option = Option.table[row]
        for value in option.goodValues where !(option.name == "mode" && option.place == .client) {
            let text = text(setting: option, to: value)
            let flat = try outcome(text, of: option.place)
            let mark = flat.warnings.first { $0.message.contains("'\(option.name)' is not active") }
            #expect((mark != nil) == (option.status == .later), "\(text)")
            if mark != nil { #expect(mark?.position == .start) }
            switch option.place {
            case .server, .client, .engine:
                let nested = try outcome(indented(text), of: option.place)
                #expect(nested.options == flat.options)
                #expect(nested.warnings.count == flat.warnings.count)
            case .mapping, .user, .certificate: break
            }
        }
    }

    @Test(arguments: Option.table.indices)
    func everyIllTypedValueIsRefusedWhereItStands(row: Int) {
        let option = Option.table[row]
        for value in option.kind.badValues {
            let text = text(setting: option, to: value)
            let error = #expect(throws: ConfigError.self, "\(text)") { try outcome(text, of: option.place) }
            #expect(error?.position.line == 1, "\(text)\(error as Any)")
            #expect(
                (error?.position.column ?? 0) > (option.name == "mode" ? 0 : option.name.count),
                "\(text)\(error as Any)")
            if option.kind == .secret {
                #expect(error?.reason.contains("not '") == false, "a secret shows: \(error as Any)")
            }
        }
    }

    @Test(arguments: Option.table.indices)
    func anEmptyValueIsTheDefault(row: Int) throws {
        let option = Option.table[row]
        let required = ["bind_addr", "server", "name", "mode", "domain", "local_addr"]
        guard option.status != .active || !required.contains(option.name) else { return }
        // Those need each other, as `text(setting:to:)` has them together.
        let together: [Option.Place: [String]] = [
            .server: ["ca"], .client: ["cert", "key"], .user: ["username", "password"], .certificate: ["cert", "key"],
        ]
        guard together[option.place]?.contains(option.name) != true else { return }
        func base(_ value: String) -> [Substring] {
            text(setting: option, to: value).split(separator: "\n").filter { !$0.hasSuffix(": x") }
        }
        let without = try outcome(base("~").dropFirst().joined(separator: "\n"), of: option.place)
        for value in ["", "~", "null", "\"\"", "''"] {
            let with = try outcome(base(value).joined(separator: "\n"), of: option.place)
            #expect(with.options == without.options)
            #expect(with.warnings.map(\.message) == without.warnings.map(\.message))
        }
    }

    @Test(arguments: Option.table.indices)
    func everyActiveOptionChangesTheResult(row: Int) throws {
        let option = Option.table[row]
        // These only steer the checks.
        guard option.status == .active, !["mode", "auth", "insecure"].contains(option.name) || option.place == .mapping
        else { return }
        let results = Set(
            try option.twoValues.map { try outcome(text(setting: option, to: $0), of: option.place).options })
        #expect(results.count == 2, "'\(option.name)' of \(option.place) changes nothing")
    }

    @Test func everyDefaultIsOfItsKind() {
        for option in Option.table {
            #expect(option.defaultText.isEmpty || option.defaultValue != nil, "\(option.name)")
        }
    }

    @Test func noPlaceHasAKeyTwice() {
        for place in Option.Place.allCases {
            let names = Option.all(in: place).map(\.name)
            #expect(Set(names).count == names.count)
        }
    }
}

extension Option {
    fileprivate var goodValues: [String] {
        (place, name) == (.user, "ports") ? ["[tcp:1, udp:2-3, 4-5]", "6", "'7-8, tcp:9'"] : kind.goodValues
    }

    /// Two values that mean different things.
    fileprivate var twoValues: [String] {
        switch (place, name) {
        case (.server, "certs"): ["[]", "[{cert: a, key: b}]"]
        case (.server, "users"): ["[]", "[{username: a, password: b}]"]
        case (.user, "domains"): ["[a.example]", "[\"*.example\"]"]
        case (.user, "ports"): ["[tcp:1-2]", "[\"3\"]"]
        default: kind.twoValues
        }
    }
}

extension Option.Kind {
    /// Two values that mean different things.
    fileprivate var twoValues: [String] {
        switch self {
        case .text, .secret, .name, .path: ["one", "other"]
        case .boolean: ["false", "true"]
        case .integer(let range): ["\(range.lowerBound)", "\(range.upperBound)"]
        case .duration: ["12s", "14s"]
        case .listener, .endpoint, .endpointOrPort: ["127.0.0.1:2", "127.0.0.1:3"]
        case .hostName: ["a.example", "b.example"]
        case .fingerprint: [String(repeating: "a", count: 64), String(repeating: "b", count: 64)]
        case .choice(let words): [words[0], words[1]]
        case .list: ["[]", "[{mode: tcp, local_addr: 1}]"]
        case .size: ["2MiB", "3MiB"]
        case .networks: ["10.0.0.0/8", "'::1'"]
        case .address, .flags, .texts, .headers: []
        }
    }
}
