import Glibc
import Testing

@testable import WMPIO

/// One end of a connection on a loop: echoes, or gathers what it reads.
private final class End: ConnectionHandler, @unchecked Sendable {
    var connection: Connection?
    let opened = Arrival()
    let failed = Arrival()
    let ended = Arrival()
    let received = Arrival()
    var error: ConnectionError?
    var readError: ConnectionError?
    var bytes: [UInt8] = []
    var wanted = Int.max
    private var output: ArraySlice<UInt8> = []
    private var wantsEnd = false

    func send(_ bytes: [UInt8], thenEnd: Bool = false) {
        output += bytes
        wantsEnd = thenEnd
        flush()
    }

    private func flush() {
        while !output.isEmpty {
            switch output.withUnsafeBytes({ connection?.write($0) ?? .taken(0) }) {
            case .taken(0): return
            case .taken(let count): output = output.dropFirst(count)
            case .failed: return
            }
        }
        if wantsEnd { connection?.shutdownWriting() }
    }

    func connectionOpened() { opened.mark() }
    func connectionFailed(_ error: ConnectionError) {
        self.error = error
        failed.mark()
    }
    func connectionWritable() { flush() }
    func connectionReadable() {
        while let connection {
            switch connection.read(into: connection.loop.scratch) {
            case .bytes(let count):
                bytes += connection.loop.scratch[..<count]
                if bytes.count >= wanted { received.mark() }
            case .wouldBlock: return
            case .end: return ended.mark()
            case .failed(let error):
                readError = error
                return ended.mark()
            }
        }
    }
}

/// Two ends joined by a real loopback connection, the server's with or without TLS.
private struct Pair {
    let loop: Loop
    let client = End()
    let server = End()

    init(server context: TLSContext? = nil, client clientContext: TLSContext? = nil) throws {
        let loop = try Loop(index: 0, name: "test-loop")
        self.loop = loop
        let address = try #require(SocketAddress(numeric: "127.0.0.1", port: 0))
        let listener = try Listener(address, on: loop)
        let accepted = Arrival()
        let (client, server) = (client, server)
        loop.submit {
            try? listener.start(
                onAccept: { fd, _ in
                    let connection = Connection(fd, on: loop)
                    server.connection = connection
                    try? connection.start(server)
                    if let context { try? connection.startTLS(context) }
                    listener.close()
                    accepted.mark()
                }, onExhausted: { _ in })
            guard let fd = try? System.socket(AF_INET) else { return }
            let connection = Connection(fd, on: loop, connecting: true)
            client.connection = connection
            try? System.connect(fd, listener.address)
            if let clientContext { try? connection.startTLS(clientContext) }
            try? connection.start(client)
        }
        #expect(accepted.reaches(1))
    }

    func stop() {
        let done = Arrival()
        loop.submit { [client, server] in
            client.connection?.close()
            server.connection?.close()
            done.mark()
        }
        #expect(done.reaches(1))
        #expect(loop.stop(within: 2000))
    }
}

private let payload = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 9) }

@Suite("A connection")
struct ConnectionTests {
    private func contexts() throws -> (server: TLSContext, client: TLSContext, fingerprint: String) {
        let certificate = try Certificate.selfSigned(name: "localhost")
        return (try .tunnelServer(certificate), try .tunnelClient(nil), certificate.fingerprint)
    }

    private func exchange(_ pair: Pair, isSealed: Bool = true) {
        #expect(pair.client.opened.reaches(1))
        // A TLS client is done before its server is; an accepted connection without TLS is open from the start.
        if isSealed { #expect(pair.server.opened.reaches(1)) }
        pair.loop.submit { [pair] in
            pair.client.send(payload, thenEnd: true)
            pair.server.send(payload.reversed(), thenEnd: true)
        }
        #expect(pair.client.ended.reaches(1))
        #expect(pair.server.ended.reaches(1))
        pair.stop()
        #expect(pair.server.bytes == payload)
        #expect(pair.client.bytes == payload.reversed())
        #expect(pair.client.readError == nil)
        #expect(pair.server.readError == nil)
    }

    @Test("carries bytes both ways and ends each direction by itself")
    func plain() throws { exchange(try Pair(), isSealed: false) }

    @Test("does the same inside TLS")
    func sealed() throws {
        let (server, client, _) = try contexts()
        exchange(try Pair(server: server, client: client))
    }

    @Test("takes a server whose key has the pinned fingerprint")
    func pinned() throws {
        let (server, _, fingerprint) = try contexts()
        exchange(try Pair(server: server, client: try .tunnelClient(.init(fingerprint: fingerprint))))
    }

    @Test("refuses a server with another key than the pinned one, and both sides know why")
    func wrongPin() throws {
        let (server, _, fingerprint) = try contexts()
        let wrong = TLSContext.Trust(fingerprint: "sha256:" + String(repeating: "0", count: 64))
        let pair = try Pair(server: server, client: try .tunnelClient(wrong))
        #expect(pair.client.failed.reaches(1))
        #expect(pair.server.failed.reaches(1))
        pair.stop()
        #expect(pair.client.error?.cause == .wrongFingerprint)
        #expect(pair.client.error?.description.contains(fingerprint) == true)
        #expect(pair.server.error?.cause == .other)
    }

    @Test("refuses a certificate that no authority of ours has signed, and both sides know why")
    func untrusted() throws {
        let (server, _, _) = try contexts()
        let trust = TLSContext.Trust(authorities: "", host: "localhost")
        let pair = try Pair(server: server, client: try .tunnelClient(trust))
        #expect(pair.client.failed.reaches(1))
        #expect(pair.server.failed.reaches(1))
        pair.stop()
        #expect(pair.client.error?.cause == .unknownAuthority)
        #expect(pair.server.error?.cause == .unknownAuthority)
    }

    @Test("reports TCP's end without TLS's end as an error, not as an end")
    func truncated() throws {
        let (server, client, _) = try contexts()
        let pair = try Pair(server: server, client: client)
        #expect(pair.client.opened.reaches(1))
        #expect(pair.server.opened.reaches(1))
        pair.loop.submit { [pair] in pair.server.connection?.close() }
        #expect(pair.client.ended.reaches(1))
        pair.stop()
        #expect(pair.client.readError == .truncated)
    }

    @Test("gives both ends of TLS the same channel binding, and another to each connection")
    func binding() throws {
        let (server, client, _) = try contexts()
        var seen: Set<[UInt8]> = []
        for _ in 0..<2 {
            let pair = try Pair(server: server, client: client)
            #expect(pair.client.opened.reaches(1))
            #expect(pair.server.opened.reaches(1))
            let binding = try #require(pair.client.connection?.channelBinding)
            #expect(binding.count == 32)
            #expect(binding == pair.server.connection?.channelBinding)
            seen.insert(binding)
            pair.stop()
        }
        #expect(seen.count == 2)
    }

    @Test("that is reset is an error at the other end")
    func reset() throws {
        let pair = try Pair()
        #expect(pair.client.opened.reaches(1))
        pair.loop.submit { [pair] in pair.client.connection?.reset() }
        #expect(pair.server.ended.reaches(1))
        pair.stop()
        #expect(pair.server.readError == .system(SystemError("recv", ECONNRESET)))
    }
}

@Suite("A listener")
struct ListenerTests {
    @Test("says that its port is taken")
    func taken() throws {
        let loop = try Loop(index: 0, name: "test-loop")
        let first = try Listener(try #require(SocketAddress(numeric: "127.0.0.1", port: 0)), on: loop)
        #expect(throws: SystemError("bind", EADDRINUSE)) { try Listener(first.address, on: loop) }
        #expect(loop.stop(within: 2000))
    }

    @Test("hands its options on to what it accepts")
    func inheritance() throws {
        let pair = try Pair()
        #expect(pair.client.opened.reaches(1))
        func option(_ level: Int32, _ name: Int32) -> [Int32?] {
            [pair.client, pair.server].map { end in
                var value: Int32 = -1
                var length = socklen_t(MemoryLayout<Int32>.size)
                guard let fd = end.connection?.fd, getsockopt(fd, level, name, &value, &length) == 0 else { return nil }
                return value
            }
        }
        #expect(option(Int32(IPPROTO_TCP), TCP_NODELAY) == [1, 1])
        #expect(option(SOL_SOCKET, SO_OOBINLINE) == [1, 1])
        #expect(option(Int32(IPPROTO_TCP), TCP_NOTSENT_LOWAT) == [262_144, 262_144])
        pair.stop()
    }
}

@Suite("A certificate")
struct CertificateTests {
    @Test("that is missing is an error which names its file")
    func missing() {
        let error = #expect(throws: TLSError.self) {
            try Certificate.load(chain: "/nowhere/cert.pem", key: "/nowhere/key.pem")
        }
        #expect(error?.description.hasPrefix("/nowhere/cert.pem: ") == true)
    }

    @Test("made here has a fingerprint of 64 hex digits, each another")
    func made() throws {
        let (one, other) = (
            try Certificate.selfSigned(name: "a.example"), try Certificate.selfSigned(name: "a.example")
        )
        #expect(one.fingerprint.count == 7 + 64)
        #expect(one.fingerprint != other.fingerprint)
    }
}

extension ConnectionError {
    fileprivate var cause: TLSError.Cause? { if case .tls(let error) = self { error.cause } else { nil } }
}
