import FuzzChecks
import Testing

@testable import WMPWire

@Suite("A PROXY header")
struct ProxyHeaderTests {
    private enum Answer: Equatable {
        case more
        case header(ProxyHeader)
        case refused(String)
    }

    private func read(_ bytes: some Sequence<UInt8>) -> Answer {
        let bytes = Array(bytes)
        do throws(PrologueViolation) {
            guard let header = try ProxyHeaderReader.read(bytes.span) else { return .more }
            return .header(header)
        } catch { return .refused(error.reason.description) }
    }

    private func ends(_ source: String, _ sourcePort: UInt16, _ destination: String, _ destinationPort: UInt16) throws
        -> ProxyHeader.Ends
    {
        ProxyHeader.Ends(
            source: IPEndpoint(address: try #require(IPAddress(source)), port: sourcePort),
            destination: IPEndpoint(address: try #require(IPAddress(destination)), port: destinationPort))
    }

    private func written(_ version: ProxyHeader.Version, _ ends: ProxyHeader.Ends?) -> [UInt8] {
        var out = ByteBuffer()
        ProxyHeaderWriter.write(version, ends, into: &out)
        return Array(out.readable)
    }

    /// Every shorter beginning asks for more, what follows is no part of it.
    private func expectWhole(_ bytes: [UInt8], _ version: ProxyHeader.Version, _ ends: ProxyHeader.Ends?) {
        let header = Answer.header(ProxyHeader(version: version, ends: ends, length: bytes.count))
        for end in 0..<bytes.count { #expect(read(bytes[..<end]) == .more, "the first \(end) bytes") }
        #expect(read(bytes) == header)
        for payload: [UInt8] in [[0], [0x0D], Array("GET / HTTP/1.1\r\n\r\n".utf8), pattern(5000), bytes] {
            #expect(read(bytes + payload) == header)
        }
        checkProxyHeader(bytes)
    }

    // MARK: Version 1

    @Test("of version 1 is a line")
    func line() throws {
        let texts: [(String, ProxyHeader.Ends?)] = [
            ("TCP4 192.0.2.1 198.51.100.7 56324 443", try ends("192.0.2.1", 56324, "198.51.100.7", 443)),
            ("TCP4 0.0.0.0 255.255.255.255 0 65535", try ends("0.0.0.0", 0, "255.255.255.255", 65535)),
            ("TCP6 2001:db8::1 ::1 1 2", try ends("2001:db8::1", 1, "::1", 2)),
            ("TCP6 2001:DB8:0:0:0:0:0:1 :: 1 2", try ends("2001:db8::1", 1, "::", 2)),
            ("TCP6 ::ffff:192.0.2.1 2001:db8::1 1 2", try ends("192.0.2.1", 1, "2001:db8::1", 2)),
            (
                "TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535",
                try ends(
                    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535)
            ),
            ("UNKNOWN", nil), ("UNKNOWN ", nil), ("UNKNOWN whatever ~ this is", nil), ("UNKNOWN TCP4 1 2 3", nil),
            ("UNKNOWN" + String(repeating: " ", count: 92), nil),
            (
                "UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535",
                nil
            ),
        ]
        for (text, ends) in texts { expectWhole(Array("PROXY \(text)\r\n".utf8), .v1, ends) }
    }

    @Test("of version 1 is refused when it is not exactly that")
    func badLines() {
        for text in [
            "", " ", "TCP4", "TCP4 ", "TCP4 192.0.2.1", "TCP4 192.0.2.1 192.0.2.2 1", "TCP4 192.0.2.1 192.0.2.2 1 ",
            "TCP4 192.0.2.1 192.0.2.2 1 2 ", "TCP4 192.0.2.1 192.0.2.2 1 2 3", "TCP4  192.0.2.1 192.0.2.2 1 2",
            "TCP4 192.0.2.1  192.0.2.2 1 2", "TCP4 192.0.2.1 192.0.2.2 1  2", " TCP4 192.0.2.1 192.0.2.2 1 2",
            "TCP4\t192.0.2.1 192.0.2.2 1 2", "tcp4 192.0.2.1 192.0.2.2 1 2", "TCP5 192.0.2.1 192.0.2.2 1 2",
            "TCP 192.0.2.1 192.0.2.2 1 2", "UDP4 192.0.2.1 192.0.2.2 1 2", "UNKNOWN2", "unknown", "UNKNOW",
            "TCP4 192.0.2.1 192.0.2.2 01 2", "TCP4 192.0.2.1 192.0.2.2 1 00", "TCP4 192.0.2.1 192.0.2.2 +1 2",
            "TCP4 192.0.2.1 192.0.2.2 -1 2", "TCP4 192.0.2.1 192.0.2.2 65536 2", "TCP4 192.0.2.1 192.0.2.2 1 99999",
            "TCP4 192.0.2.1 192.0.2.2 1 100000", "TCP4 192.0.2.1 192.0.2.2 0x1 2", "TCP4 192.0.2.1 192.0.2.2 1 2a",
            "TCP4 192.0.2.01 192.0.2.2 1 2", "TCP4 192.0.2 192.0.2.2 1 2", "TCP4 192.0.2.256 192.0.2.2 1 2",
            "TCP4 ::1 192.0.2.2 1 2", "TCP4 ::ffff:192.0.2.1 192.0.2.2 1 2", "TCP6 192.0.2.1 ::1 1 2",
            "TCP6 ::1 192.0.2.1 1 2", "TCP6 [::1] ::1 1 2", "TCP6 ::1%1 ::1 1 2", "TCP6 ::1::2 ::1 1 2",
            "TCP6 1:2:3:4:5:6:7 ::1 1 2", "TCP4 localhost 192.0.2.2 1 2", "UNKNOWN \u{E9}", "UNKNOWN \u{7F}",
            "UNKNOWN \0", "UNKNOWN a\nb", "UNKNOWN a\rb", "UNKNOWN a\r\r",
        ] {
            let bytes = Array("PROXY \(text)\r\n".utf8)
            guard case .refused = read(bytes) else {
                Issue.record("taken: \(text.debugDescription)")
                continue
            }
            for end in 0..<bytes.count {
                if case .header = read(bytes[..<end]) { Issue.record("\(text.debugDescription) taken at \(end)") }
            }
            checkProxyHeader(bytes)
        }
    }

    @Test("of version 1 has 107 bytes at most")
    func longLine() {
        let longest = "PROXY UNKNOWN " + String(repeating: "x", count: 91)
        expectWhole(Array((longest + "\r\n").utf8), .v1, nil)
        let tooLong = "the PROXY line is longer than 107 bytes"
        #expect(read((longest + "x").utf8) == .more)
        #expect(read((longest + "x\r").utf8) == .refused(tooLong))
        #expect(read((longest + "xx").utf8) == .refused(tooLong))
        #expect(read((longest + "x\r\n").utf8) == .refused(tooLong))
        #expect(read((longest + String(repeating: "x", count: 5000)).utf8) == .refused(tooLong))
    }

    // MARK: Version 2

    private static let signature: [UInt8] = [13, 10, 13, 10, 0, 13, 10, 0x51, 0x55, 0x49, 0x54, 10]

    private func binary(_ command: UInt8, _ family: UInt8, _ rest: [UInt8], length: Int? = nil) -> [UInt8] {
        let length = length ?? rest.count
        return Self.signature + [command, family, UInt8(length >> 8), UInt8(length & 0xFF)] + rest
    }

    private static let inet: [UInt8] = [192, 0, 2, 1, 198, 51, 100, 7, 0xDC, 0x04, 0x01, 0xBB]
    private static let inet6: [UInt8] =
        [0x20, 0x01, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1] + [UInt8](repeating: 0, count: 15) + [
            1, 0, 1, 0, 2,
        ]

    private func extensions(_ all: [(UInt8, [UInt8])]) -> [UInt8] {
        all.flatMap { [$0.0, UInt8($0.1.count >> 8), UInt8($0.1.count & 0xFF)] + $0.1 }
    }

    @Test("of version 2 is binary")
    func binaries() throws {
        let four = try ends("192.0.2.1", 56324, "198.51.100.7", 443)
        let six = try ends("2001:db8::1", 1, "::1", 2)
        let mapped = [UInt8](repeating: 0, count: 10) + [0xFF, 0xFF, 192, 0, 2, 1]
        let some = extensions([
            (1, Array("h2".utf8)), (4, []), (5, pattern(128)), (0x20, [0, 0, 0, 0, 0]), (0xEF, [1]),
        ])
        let most = extensions([(4, pattern(2048 - 16 - 12 - 3))])
        let headers: [([UInt8], ProxyHeader.Ends?)] = [
            (binary(0x21, 0x11, Self.inet), four), (binary(0x21, 0x12, Self.inet), four),
            (binary(0x21, 0x11, Self.inet + some), four), (binary(0x21, 0x11, Self.inet + most), four),
            (binary(0x21, 0x21, Self.inet6), six), (binary(0x21, 0x22, Self.inet6 + some), six),
            (
                binary(0x21, 0x21, mapped + mapped + [0, 1, 0, 2]), try ends("192.0.2.1", 1, "192.0.2.1", 2)
            ),
            (binary(0x21, 0x10, Self.inet), nil), (binary(0x21, 0x20, Self.inet6 + some), nil),
            (binary(0x21, 0x31, pattern(216)), nil), (binary(0x21, 0x32, pattern(216) + some), nil),
            (binary(0x21, 0x00, []), nil), (binary(0x21, 0x01, pattern(9)), nil), (binary(0x20, 0x00, []), nil),
            (binary(0x20, 0x11, Self.inet), nil), (binary(0x20, 0xFF, pattern(300)), nil),
            (binary(0x20, 0x11, [1]), nil), (binary(0x20, 0x00, pattern(2032)), nil),
        ]
        for (bytes, ends) in headers { expectWhole(bytes, .v2, ends) }
    }

    @Test("of version 2 is refused when something in it is wrong")
    func badBinaries() {
        var wrong: [([UInt8], String)] = [
            (binary(0x21, 0x11, pattern(2033)), "the PROXY header is longer than 2 KiB"),
            (binary(0x20, 0x00, [], length: 2033), "the PROXY header is longer than 2 KiB"),
            (binary(0x21, 0x11, [], length: 65535), "the PROXY header is longer than 2 KiB"),
            (binary(0x21, 0x13, Self.inet), "the PROXY header names an unknown transport"),
            (binary(0x21, 0x1F, Self.inet), "the PROXY header names an unknown transport"),
        ]
        for version: UInt8 in [0x01, 0x11, 0x31, 0xF1] {
            wrong.append((binary(version, 0x11, Self.inet), "the PROXY header has an unknown version"))
        }
        for command: UInt8 in [0x22, 0x23, 0x2F] {
            wrong.append((binary(command, 0x11, Self.inet), "the PROXY header has an unknown command"))
        }
        for family: UInt8 in [0x41, 0x50, 0xF1] {
            wrong.append((binary(0x21, family, Self.inet), "the PROXY header names an unknown family"))
        }
        for (family, size) in [(0x11, 11), (0x12, 0), (0x10, 11), (0x21, 35), (0x20, 12), (0x31, 215), (0x30, 0)] {
            wrong.append(
                (
                    binary(0x21, UInt8(family), [UInt8](repeating: 0, count: size)),
                    "the PROXY header is too short for its addresses"
                ))
        }
        for rest: [UInt8] in [
            [4], [4, 0], [4, 0, 1], [4, 0, 2, 1], [4, 1, 0, 1], [4, 0xFF, 0xFF, 1], [4, 0, 0, 4], [4, 0, 1, 1, 9],
            [3, 0, 0], [3, 0, 3, 1, 2, 3], [3, 0, 5, 1, 2, 3, 4, 5],
        ] {
            let reason = "the PROXY header holds a malformed extension"
            wrong.append((binary(0x21, 0x11, Self.inet + rest), reason))
            wrong.append((binary(0x21, 0x21, Self.inet6 + rest), reason))
            wrong.append((binary(0x21, 0x31, pattern(216) + rest), reason))
        }
        for (bytes, reason) in wrong {
            #expect(read(bytes) == .refused(reason))
            for end in 0..<bytes.count {
                if case .header = read(bytes[..<end]) { Issue.record("\(reason): taken at \(end)") }
            }
            checkProxyHeader(bytes)
        }
    }

    @Test("with a checksum is taken only if that is right")
    func checksum() throws {
        // RFC 3720 §B.4.
        #expect(CRC32C.of(Array("123456789".utf8).span) == 0xE306_9283)
        #expect(CRC32C.of([UInt8](repeating: 0, count: 32).span) == 0x8A91_36AA)
        #expect(CRC32C.of([UInt8](repeating: 0xFF, count: 32).span) == 0x62A8_AB43)
        let before = extensions([(1, [1, 2])])
        let after = extensions([(4, [0, 0])])
        var bytes = binary(0x21, 0x11, Self.inet + before + [3, 0, 4, 0, 0, 0, 0] + after)
        let place = 16 + 12 + 5 + 3
        let sum = CRC32C.of(bytes.span)
        for index in 0..<4 { bytes[place + index] = UInt8(truncatingIfNeeded: sum >> UInt32((3 - index) * 8)) }
        expectWhole(bytes, .v2, try ends("192.0.2.1", 56324, "198.51.100.7", 443))
        for index in bytes.indices where index > 15 && ![28, 29, 30, 33, 34, 35, 40, 41, 42].contains(index) {
            var other = bytes
            other[index] ^= 0x10
            #expect(read(other) == .refused("the checksum of the PROXY header is wrong"), "byte \(index)")
        }
        let twice = binary(0x21, 0x11, Self.inet + [3, 0, 4, 0, 0, 0, 0] + [3, 0, 4, 0, 0, 0, 0])
        #expect(read(twice) == .refused("the PROXY header holds a malformed extension"))
    }

    // MARK: Neither

    @Test("is missed as soon as a byte tells")
    func missing() {
        let none = Answer.refused("there is no PROXY header")
        for text in ["GET / HTTP/1.1\r\n", "\u{16}\u{3}\u{1}", "SSH-2.0-x\r\n", "\n", "proxy TCP4", "\0"] {
            for end in 1...text.utf8.count { #expect(read(Array(text.utf8)[..<end]) == none) }
        }
        for known in [Array("PROXY ".utf8), Self.signature] {
            for place in known.indices {
                var other = known
                other[place] ^= 0x20
                #expect(read(other[...place]) == none && read(other) == none && read(other + pattern(300)) == none)
            }
        }
        #expect(read("PROXY\r\n".utf8) == none && read("PROXYTCP4".utf8) == none && read([]) == .more)
    }

    // MARK: Writing

    @Test("is written in the shortest form, both ends in one family")
    func writing() throws {
        let four = try ends("192.0.2.1", 56324, "198.51.100.7", 443)
        let six = try ends("2001:db8::1", 1, "::1", 2)
        let mixed = try ends("192.0.2.1", 80, "2001:db8::1", 65535)
        #expect(written(.v1, four) == Array("PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n".utf8))
        #expect(written(.v1, six) == Array("PROXY TCP6 2001:db8::1 ::1 1 2\r\n".utf8))
        #expect(written(.v1, mixed) == Array("PROXY TCP6 ::ffff:192.0.2.1 2001:db8::1 80 65535\r\n".utf8))
        #expect(written(.v1, nil) == Array("PROXY UNKNOWN\r\n".utf8))
        #expect(written(.v2, four) == binary(0x21, 0x11, Self.inet))
        #expect(written(.v2, six) == binary(0x21, 0x21, Self.inet6))
        #expect(written(.v2, nil) == binary(0x20, 0x00, []))
        let swapped = ProxyHeader.Ends(source: mixed.destination, destination: mixed.source)
        for ends in [four, six, mixed, swapped] {
            expectWhole(written(.v1, ends), .v1, ends)
            expectWhole(written(.v2, ends), .v2, ends)
        }
        expectWhole(written(.v1, nil), .v1, nil)
        expectWhole(written(.v2, nil), .v2, nil)
        let longest = try ends(
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", 65535)
        #expect(written(.v1, longest).count == 104)
    }

    @Test("of the fuzzer's corpus holds")
    func corpus() throws {
        let files = try TestFiles.contents(of: "Fuzz/Corpus/proxy-header")
        #expect(files.count >= 20)
        for file in files { checkProxyHeader(file) }
    }
}
