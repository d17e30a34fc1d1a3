import Testing

@testable import WMPEngine

@Suite struct ConfigMessageTests {
    @Test func anErrorNamesFileLineColumnAndTheNearestKey() {
        let text = "# a server\nmode: server\n\nbind_adr: 127.0.0.1:8091\n"
        let named = #expect(throws: ConfigError.self) { try ServerOptions.parse(text, file: "config/server.yaml") }
        #expect(named?.description == "config/server.yaml:4:1: unknown key 'bind_adr', did you mean 'bind_addr'?")
        let unnamed = #expect(throws: ConfigError.self) { try ServerOptions.parse(text) }
        #expect(unnamed?.description == "line 4, column 1: unknown key 'bind_adr', did you mean 'bind_addr'?")
        let nested = #expect(throws: ConfigError.self) { try ServerOptions.parse("proxy:\n  bind_adr: x", file: "f") }
        #expect(nested?.description == "f:2:3: unknown key 'bind_adr', did you mean 'bind_addr'?")
    }

    @Test(arguments: [
        (Option.Place.server, "bind", "did you mean 'bind_addr'?"), (.server, "bindAddr", "did you mean 'bind_addr'?"),
        (.server, "BIND-ADDR", "did you mean 'bind_addr'?"), (.server, "map_htp_bind", "did you mean 'map_http_bind'?"),
        (.server, "map_htpts_bind", "did you mean 'map_https_bind'?"), (.server, "tokn", "did you mean 'token'?"),
        (.server, "ct", "did you mean 'tc'?"), (.client, "mapings", "did you mean 'mappings'?"),
        (.client, "sever", "did you mean 'server'?"), (.mapping, "localaddr", "did you mean 'local_addr'?"),
        (.engine, "thread", "did you mean 'threads'?"),
        (.server, "mappings", "belongs to a client, not to a server"),
        (.client, "map_http_bind", "belongs to a server, not to a client"),
        (.client, "local_addr", "belongs to a mapping, not to a client"),
        (.mapping, "token", "belongs to a server or a client, not to a mapping"),
        (.engine, "bind_addr", "belongs to a server or a client, not to an engine"),
        (.server, "mapings", "near 'mappings', which belongs to a client"),
        (.server, "control", "unknown key 'control'"), (.server, "x", "unknown key 'x'"),
        (.server, "", "unknown key ''"),
        (.server, "\u{1B}[31m", "unknown key '\\u{1b}[31m'"),
        (.server, String(repeating: "é", count: 5000), "unknown key '" + String(repeating: "é", count: 60) + "…'"),
    ])
    func anUnknownKeyIsAnswered(place: Option.Place, key: String, answer: String) {
        #expect(Option.unknown(key, in: place).hasSuffix(answer), "\(Option.unknown(key, in: place))")
    }

    @Test func onlyProxyMayStandAtTheTop() {
        let error = #expect(throws: ConfigError.self) { try ServerOptions.parse("proxy:\n  bind_addr: :1\nflag: 7\n") }
        #expect(error?.description == "line 3, column 1: key 'flag' stands beside 'proxy', not under it")
        #expect(throws: ConfigError.self) { try ServerOptions.parse("proxy: [1]") }
        #expect(throws: ConfigError.self) { try ServerOptions.parse("proxy:\n  proxy:\n    bind_addr: 127.0.0.1:1\n") }
    }

    @Test(arguments: [
        "token s3cret", "- s3cret", "token: [s3cret]", "token: {a: s3cret}", "password: s3cret",
        "token: s3cret\npassword: s3cret",
        "username: u\npassword: \"s3cret\\n\"", "token: s3cret\nauth: none", "token: s3cret\nbind_addr: 0.0.0.0:1",
        "bind_addr: 127.0.0.1:1\ntoken: s3cret", "mode: server\ntoken: s3cret", "s3cret", "[s3cret]",
    ])
    func noMessageShowsASecret(text: String) {
        do {
            let report = try CheckReport.check(text + "\n")
            #expect(!report.text.contains("s3cret"))
        } catch {
            #expect(!"\(error)".contains("s3cret"))
        }
    }

    @Test func noDescriptionShowsASecret() throws {
        var shown = ""
        for credential in ["token: s3cret", "username: u\npassword: s3cret"] {
            let server = try ServerOptions.parse("bind_addr: 127.0.0.1:1\n" + credential)
            dump(server, to: &shown)
            shown += "\(server) \(String(reflecting: server))"
        }
        #expect(shown.contains("token") && !shown.contains("s3cret"))
    }

    @Test(arguments: [
        ("mode: server", ConfigRole.server), ("mode: Client", .client), ("server: a:1", .client),
        ("mappings: []", .client),
        ("bind_addr: x", .server), ("map_cert: x", .server), ("proxy:\n  server: a:1", .client),
        ("server: a:1\nbind_addr: :1", .client), ("mode:\nbind_addr: :1", .server),
        ("mode: server\nserver: a:1", .server),
    ])
    func theRoleIsTold(text: String, role: ConfigRole) throws {
        #expect(try ConfigRole.detect(text) == role)
    }

    @Test(arguments: [
        ("", "f:1:1: neither a server nor a client: 'bind_addr' makes it a server, 'server' makes it a client"),
        ("token: x", "f:1:1: neither a server nor a client: 'bind_addr' makes it a server, 'server' makes it a client"),
        ("mode: both", "f:1:7: 'mode' must be 'server' or 'client', not 'both'"),
        ("mode: [server]", "f:1:7: 'mode' must be 'server' or 'client', not a list"),
        ("proxy: 1", "f:1:8: expected the keys of a server or of a client, found a single value"),
    ])
    func aTextWithoutARoleIsRefused(text: String, message: String) {
        let error = #expect(throws: ConfigError.self) { try ConfigRole.detect(text, file: "f") }
        #expect(error?.description == message)
    }
}
