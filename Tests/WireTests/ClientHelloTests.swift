import FuzzChecks
import Testing

@testable import WMPWire

@Suite("A ClientHello")
struct ClientHelloTests {
    private enum Answer: Equatable {
        case more
        case hello(String?, [String], length: Int)
        case refused(String)
    }

    private func read(_ bytes: some Sequence<UInt8>) -> Answer {
        let bytes = Array(bytes)
        do throws(PrologueViolation) {
            guard let hello = try ClientHelloReader.read(bytes.span) else { return .more }
            return .hello(
                hello.serverName?.description, hello.protocols.map { String(decoding: $0, as: UTF8.self) },
                length: hello.length)
        } catch { return .refused(error.reason.description) }
    }

    /// Every shorter beginning asks for more, what follows is no part of it.
    private func expectWhole(_ bytes: [UInt8], _ name: String?, _ protocols: [String] = []) {
        let hello = Answer.hello(name, protocols, length: bytes.count)
        for end in 0..<bytes.count where read(bytes[..<end]) != .more {
            Issue.record("the first \(end) bytes: \(read(bytes[..<end]))")
        }
        #expect(read(bytes) == hello)
        for payload: [UInt8] in [[0], [20, 3, 3, 0, 1, 1], pattern(5000), bytes] {
            #expect(read(bytes + payload) == hello)
        }
        checkClientHello(bytes)
    }

    /// It is refused for `reason` as soon as that can be told, and never taken.
    private func expectRefused(_ bytes: [UInt8], _ reason: String) {
        #expect(read(bytes) == .refused(reason))
        for end in 0..<bytes.count where ![.more, .refused(reason)].contains(read(bytes[..<end])) {
            Issue.record("\(reason): the first \(end) bytes: \(read(bytes[..<end]))")
        }
        checkClientHello(bytes)
    }

    @Test("of a program is understood")
    func captured() {
        expectWhole(CapturedHello.openssl, "shop.example.org", ["h2", "http/1.1"])
        expectWhole(CapturedHello.curl, "shop.example.org", ["h2", "http/1.1"])
        expectWhole(CapturedHello.old, nil)
    }

    @Test("of a program is understood however it is cut into records")
    func capturedInPieces() {
        for bytes in [CapturedHello.openssl, CapturedHello.curl] {
            let message = Array(bytes.dropFirst(5))
            for size in 1..<message.count {
                let cut = records(message, [size])
                #expect(read(cut) == .hello("shop.example.org", ["h2", "http/1.1"], length: cut.count), "\(size)")
            }
            expectWhole(records(message, [1, 1, 1, 1, 1]), "shop.example.org", ["h2", "http/1.1"])
            expectWhole(records(message, [3, 70, 7, 50]), "shop.example.org", ["h2", "http/1.1"])
            expectWhole(records(message, [Int](repeating: 2, count: 63)), "shop.example.org", ["h2", "http/1.1"])
        }
        var random = SeededRandom()
        print("hello: seed \(random.seed)")
        let message = Array(CapturedHello.curl.dropFirst(5))
        for _ in 0..<300 {
            let sizes = (0..<Int.random(in: 0...63, using: &random)).map { _ in Int.random(in: 1...40, using: &random) }
            let cut = records(message, sizes)
            #expect(read(cut) == .hello("shop.example.org", ["h2", "http/1.1"], length: cut.count), "\(sizes)")
            let end = Int.random(in: 0..<cut.count, using: &random)
            #expect(read(cut[..<end]) == .more, "\(sizes), \(end)")
        }
    }

    @Test("of a program is never understood otherwise, whatever byte is another")
    func flipped() {
        for place in CapturedHello.openssl.indices {
            var other = CapturedHello.openssl
            other[place] ^= 1 << UInt8(place % 8)
            checkClientHello(other)
        }
    }

    @Test("may have no name, no protocols, no extensions, the fewest and the most of everything")
    func sizes() {
        expectWhole(records(HelloParts().message), nil)
        var parts = HelloParts()
        parts.extensions = nil
        expectWhole(records(parts.message), nil)
        parts.session = [0]
        parts.version = [3, 0]
        parts.compression = vector(pattern(255), 1)
        expectWhole(records(parts.message), nil)
        expectWhole(records(HelloParts("a", ["x"]).message), "a", ["x"])
        let label = String(repeating: "a", count: 63)
        let name = [label, label, label, label].joined(separator: ".")
        let long = String(repeating: "p", count: 255)
        expectWhole(records(HelloParts(name, [long, "h2", long]).message), name, [long, "h2", long])
        var big = HelloParts("a.example", ["h2"])
        big.extensions?.insert((0xFFFF, []), at: 0)
        let room = ClientHelloReader.maximumMessage - big.message.count
        big.extensions?[0].data = pattern(room)
        #expect(big.message.count == 16_384)
        #expect(read(records(big.message)) == .hello("a.example", ["h2"], length: 16_389))
        let most = records(big.message, [Int](repeating: 100, count: 63))
        #expect(most.count == ClientHelloReader.maximumLength)
        #expect(read(most) == .hello("a.example", ["h2"], length: most.count))
        #expect(read(most.dropLast()) == .more)
        checkClientHello(most)
        big.extensions?[0].data = pattern(room + 1)
        let tooLong = records(big.message, [9])
        #expect(read(tooLong) == .refused("the ClientHello is longer than 16 KiB"))
        #expect(read(tooLong[..<8]) == .more)
        #expect(read(tooLong[..<9]) == .refused("the ClientHello is longer than 16 KiB"))
    }

    @Test("names a host as a Host field does, without a port and not in brackets")
    func names() {
        for (text, name) in [
            ("A.Example.ORG", "a.example.org"), ("a.example.", "a.example"), ("a_b-c.1", "a_b-c.1"),
            ("192.0.2.1", "192.0.2.1"), ("xn--bcher-kva.example", "xn--bcher-kva.example"), ("localhost", "localhost"),
        ] {
            expectWhole(records(HelloParts(text).message), name)
        }
        for text in [
            "", ".", "..", "a..b", ".a", "a..", "a b", "a:80", "a:", "[::1]", "::1", "[", "a/b", "a\0",
            "\u{E9}.example",
            "*.example", "a@b", String(repeating: "a", count: 64), String(repeating: "a.", count: 128) + "b",
            String(repeating: "a", count: 5000),
        ] {
            expectRefused(records(HelloParts(text).message), "the server name in the ClientHello is malformed")
        }
    }

    @Test("with a malformed list of names is refused")
    func nameLists() {
        let good = [0] + vector(Array("a.example".utf8), 2)
        for data: [UInt8] in [
            [], [0], [0, 0], vector([], 2), vector([0], 2), vector([0, 0], 2), vector([0, 0, 0], 2),
            vector([1] + good.dropFirst(), 2), vector(good + good, 2), vector(good + [0], 2), vector(good, 2) + [0],
            vector(Array(good.dropLast()), 2), good, [0, 0] + good, vector(good, 1),
        ] {
            expectRefused(
                records(HelloParts(serverName: data).message), "the server name in the ClientHello is malformed")
        }
    }

    @Test("with a malformed list of protocols is refused")
    func protocolLists() {
        for data: [UInt8] in [
            [], [0], [0, 0], vector([0], 2), vector([1], 2), vector([0, 1, 7], 2), vector([1, 7, 0], 2),
            vector([2, 7], 2), vector([1, 7, 9], 2), vector([1, 7], 2) + [0], [0, 3, 1, 7], [0, 1, 1, 7],
            vector([1, 7], 1),
        ] {
            expectRefused(
                records(HelloParts(protocols: data).message), "the list of protocols in the ClientHello is malformed")
        }
    }

    @Test("offers what is in its list, whatever octets that are")
    func offers() throws {
        let list = vector([2, 0x68, 0x32] + [2, 0x8A, 0x8A] + [1, 0] + vector(Array("acme-tls/1".utf8), 1), 2)
        let bytes = records(HelloParts(protocols: list).message)
        let hello = try #require(try ClientHelloReader.read(bytes.span))
        #expect(hello.offers("h2") && hello.offers("acme-tls/1") && hello.offers("\0"))
        #expect(!hello.offers("") && !hello.offers("h") && !hello.offers("h22") && !hello.offers("http/1.1"))
        #expect(hello.protocols == [[0x68, 0x32], [0x8A, 0x8A], [0], Array("acme-tls/1".utf8)])
        checkClientHello(bytes)
    }

    @Test("whose parts do not fit into each other is refused")
    func malformed() {
        func refused(_ change: (inout HelloParts) -> Void) {
            var parts = HelloParts("a.example", ["h2"])
            change(&parts)
            expectRefused(records(parts.message), "the ClientHello is malformed")
        }
        refused { $0.version = [2, 3] }
        refused { $0.session = vector(pattern(33), 1) }
        refused { $0.session = [255] }
        refused { $0.suites = vector([], 2) }
        refused { $0.suites = vector([0x13], 2) }
        refused { $0.suites = vector([0x13, 1, 0x13], 2) }
        refused { $0.suites = [0xFF, 0xFE, 0x13, 1] }
        refused { $0.compression = [0] }
        refused { $0.compression = [255, 0] }
        refused { $0.trailer = [0] }
        refused {
            $0.extensions = nil
            $0.trailer = [0]
        }
        for trailer: [UInt8] in [[0, 1], [0, 1, 0], [0, 3, 0, 43, 0], [0, 4, 0, 43, 0, 1], [0, 5, 0, 43, 0, 2, 0]] {
            refused {
                $0.extensions = nil
                $0.trailer = trailer
            }
        }
        for size in 0...37 {
            expectRefused(records([1] + vector(pattern(size, seed: 3), 3)), "the ClientHello is malformed")
        }
    }

    @Test("with an extension twice is refused")
    func twice() {
        for type in [0, 16] {
            var parts = HelloParts("a.example", ["h2"])
            if let data = parts.extensions?.first(where: { $0.type == type })?.data {
                parts.extensions?.append((type, data))
            }
            expectRefused(records(parts.message), "an extension stands twice in the ClientHello")
        }
    }

    @Test("is missed as soon as a byte tells")
    func missing() {
        for text in ["GET / HTTP/1.1\r\n\r\n", "PROXY TCP4", "SSH-2.0-x\r\n", "\0", "\u{15}\u{3}\u{1}"] {
            for end in 1...text.utf8.count { #expect(read(text.utf8.prefix(end)) == .refused("this is not TLS")) }
        }
        expectRefused([22, 2, 0, 0, 1, 1], "this is not TLS")
        expectRefused([0x80, 46, 1, 3, 1], "this is not TLS")
        for type: UInt8 in [0, 2, 11, 20, 255] {
            expectRefused([22, 3, 1, 0, 4, type, 0, 0, 0], "TLS does not begin with a ClientHello")
        }
        #expect(read([]) == .more && read([22]) == .more && read([22, 3, 0xFF]) == .more)
    }

    @Test("in records that are none is refused")
    func badRecords() {
        let message = HelloParts("a.example").message
        expectRefused([22, 3, 1, 0, 0] + records(message), "a TLS record has an impossible length")
        expectRefused([22, 3, 1, 0x40, 0x01], "a TLS record has an impossible length")
        expectRefused([22, 3, 1, 0xFF, 0xFF], "a TLS record has an impossible length")
        expectRefused(records(message + [0]), "something follows the ClientHello in its record")
        expectRefused(records(message + message), "something follows the ClientHello in its record")
        expectRefused(records(message + [0], [40]), "something follows the ClientHello in its record")
        let first = Array(records(message, [40]).prefix(45))
        for type: UInt8 in [20, 21, 23] {
            expectRefused(first + [type, 3, 3, 0, 1, 0], "TLS does not begin with a ClientHello")
        }
        expectRefused(first + [22, 4], "TLS does not begin with a ClientHello")
        expectRefused(first + [22, 3, 3, 0, 0], "a TLS record has an impossible length")
        let many = records(message, [Int](repeating: 1, count: 64))
        expectRefused(many, "the ClientHello is in more than 64 records")
        #expect(read(many[..<(64 * 6)]) == .refused("the ClientHello is in more than 64 records"))
        #expect(read(many[..<(64 * 6 - 1)]) == .more)
    }

    @Test("of the fuzzer's corpus holds")
    func corpus() throws {
        let files = try TestFiles.contents(of: "Fuzz/Corpus/client-hello")
        #expect(files.count >= 20)
        for file in files { checkClientHello(file) }
    }
}
