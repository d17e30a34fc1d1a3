import Glibc
import Testing

@testable import WMPEngine

/// The path of a file of this repository.
private func repository(_ path: String) -> String {
    let parts = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3)
    return (parts + [Substring(path)]).joined(separator: "/")
}

private func read(_ path: String) throws -> String {
    guard let file = fopen(repository(path), "r") else { throw ConfigError("cannot open", at: .start, file: path) }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 65536)
    while case let count = fread(&block, 1, block.count, file), count > 0 { bytes += block[..<count] }
    return String(decoding: bytes, as: UTF8.self)
}

private func write(_ text: String, to path: String) throws {
    guard let file = fopen(repository(path), "w") else { throw ConfigError("cannot open", at: .start, file: path) }
    defer { fclose(file) }
    let bytes = Array(text.utf8)
    try #require(fwrite(bytes, 1, bytes.count, file) == bytes.count)
}

@Suite struct ConfigReferenceTests {
    /// `WMP_WRITE_DOCS=1 swift test --filter ConfigReferenceTests` writes the page anew.
    @Test func theReferencePageIsTheTables() throws {
        let page = Option.referencePage()
        if getenv("WMP_WRITE_DOCS") != nil { try write(page, to: "docs/CONFIG.md") }
        let message: Comment = "docs/CONFIG.md is not what the option table says: run this test with WMP_WRITE_DOCS=1"
        #expect(try read("docs/CONFIG.md") == page, message)
    }

    @Test func thePageShowsTheSampleFiles() throws {
        #expect(try read("config/server.yaml") == Option.sampleServer)
        #expect(try read("config/client.yaml") == Option.sampleClient)
    }

    @Test func theSampleServerParses() throws {
        let server = try ServerOptions.parse(try read("config/server.yaml"), file: "config/server.yaml")
        #expect(server.options.bindAddr == Endpoint(host: "127.0.0.1", port: 8091))
        #expect(server.options.mapHTTPBind?.port == 8001 && server.options.mapTCPBind?.port == 8002)
        #expect(server.options.mapHTTPSBind?.port == 8003 && server.options.usesTLS)
        #expect(server.options.mapCertificate == nil && server.options.credential == nil)
        #expect(
            server.warnings.map(\.description) == [
                "config/server.yaml:1:1: no credential: every program on this machine may register mappings",
                "config/server.yaml:2:1: 'flag' is not active in this version yet",
            ])
        #expect(server.warnings.map(\.level) == [.warning, .info])
    }

    @Test func theSampleClientParses() throws {
        let client = try ClientOptions.parse(try read("config/client.yaml"), file: "config/client.yaml")
        let local = Endpoint(host: "127.0.0.1", port: 8080)
        #expect(
            client.options.mappings == [
                .init(name: "web", mode: .http, domain: "localhost", localAddr: local),
                .init(name: "tcp", mode: .tcp, domain: nil, localAddr: local),
            ])
        #expect(client.options.server.port == 8091 && client.options.usesTLS)
        #expect(client.warnings.map(\.message) == ["the server's certificate is not verified"])
    }

    @Test func aReportSaysWhatWouldBeDone() throws {
        #expect(
            try CheckReport.check(Option.sampleServer, file: "s.yaml").text == """
                server
                  tunnel clients  127.0.0.1:8091, TLS 1.3, a certificate made at start
                  login           none
                  http visitors   127.0.0.1:8001
                  https visitors  127.0.0.1:8003, a certificate made at start
                  tcp visitors    127.0.0.1:8002
                  limits          1024 sessions, 16384 streams in each, 65536 connections, 64 logins at once
                  threads         one per core, at most 4
                warning: s.yaml:1:1: no credential: every program on this machine may register mappings
                note: s.yaml:2:1: 'flag' is not active in this version yet

                """)
        #expect(
            try CheckReport.check(Option.sampleClient + "token: x\n").text == """
                client
                  server       127.0.0.1:8091, TLS 1.3
                  trust        the shared secret
                  login        token
                  client id    made at start
                  mapping web  http://localhost and https://localhost on the server's edges -> 127.0.0.1:8080
                  mapping tcp  the server's tcp edge -> 127.0.0.1:8080
                  threads      1

                """)
        let ports = """
            server: localhost:1
            mappings:
            - {name: ssh, mode: tcp, local_addr: 22, remote_addr: 2222}
            - {name: dns, mode: udp, local_addr: 53, remote_addr: "[::]:53"}
            - {name: any, mode: udp, local_addr: 54, remote_addr: 0}
            """
        let shown = try CheckReport.check(ports).text
        #expect(shown.contains("mapping ssh  the server's tcp port 0.0.0.0:2222 -> 127.0.0.1:22\n"))
        #expect(shown.contains("mapping dns  the server's udp port [::]:53 -> 127.0.0.1:53\n"))
        #expect(shown.contains("mapping any  a udp port of the server's choice at 0.0.0.0 -> 127.0.0.1:54\n"))
        #expect(try CheckReport.check("server: localhost:1").text.contains("mappings   none yet\n"))
        #expect(throws: ConfigError.self) { try CheckReport.check("bind_addr: 0.0.0.0:1") }
    }
}
