import Glibc
import Testing

@testable import WMPWire

@Suite("An IP address")
struct IPAddressTests {
    @Test(
        "is written in its one form (RFC 5952)",
        arguments: [
            ("192.0.2.1", "192.0.2.1"), ("0.0.0.0", "0.0.0.0"), ("255.255.255.255", "255.255.255.255"),
            ("10.20.109.200", "10.20.109.200"), ("::", "::"), ("::1", "::1"), ("1::", "1::"),
            ("2001:DB8::1", "2001:db8::1"), ("2001:0db8:0:0:0:0:0:0001", "2001:db8::1"),
            ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"), ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"),
            ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"), ("0:0:1:2:3:4:5:6", "::1:2:3:4:5:6"),
            ("1:2:3:4:5:6:0:0", "1:2:3:4:5:6::"), ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
            ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"), ("1:2:3:4:5:6:192.0.2.1", "1:2:3:4:5:6:c000:201"),
            ("::ffff:192.0.2.1", "192.0.2.1"), ("::FFFF:c000:0201", "192.0.2.1"),
            ("::ffff:0:1.2.3.4", "::ffff:0:102:304"), ("::1.2.3.4", "::102:304"),
            ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff0", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff0"),
            ("fedc:ba98:7654:3210:fedc:ba98:7654:3210", "fedc:ba98:7654:3210:fedc:ba98:7654:3210"),
        ])
    func forms(text: String, written: String) throws {
        let address = try #require(IPAddress(text))
        #expect(address.description == written)
        #expect(IPAddress(written) == address)
        var out = ByteBuffer()
        AddressText(address).write(into: &out)
        #expect(String(decoding: out.readable, as: UTF8.self) == written)
    }

    @Test("is refused when it is none")
    func refused() {
        for text in [
            "", " ", ".", ":", "1", "1.2.3", "1.2.3.", ".1.2.3", "1.2.3.4.", "1.2.3.4.5", "1..2.3", "1.2.3.256",
            "1.2.3.1000", "01.2.3.4", "1.2.3.04", "1.2.3.00", "+1.2.3.4", "1.2.3.-4", " 1.2.3.4", "1.2.3.4 ",
            "0x1.2.3.4",
            "1.2.3.4\0", "1.2.3.4/8", "1.2.3.4:80", "\u{661}.2.3.4", "localhost",
            ":1", "1:", ":::", "::1::", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::",
            "::1:2:3:4:5:6:7:8", "1:2:3:4::5:6:7:8", "12345::", "00001::", "g::", "::1%eth0", "[::1]", "::1/64", "::-1",
            "::1.2.3", "::1.2.3.4.5", "::1.2.3.256", "::01.2.3.4", "::1.2.3.4:5", "1.2.3.4::", "::1.2.3.4::",
            "1:2:3:4:5:6:7:1.2.3.4", "1:2:3:4:5:6::1.2.3.4:", "1:2:3:4:5:1.2.3.4", "::ffff:1.2.3.4 ",
        ] {
            #expect(IPAddress(text) == nil, "\(text.debugDescription)")
        }
    }

    @Test("of IPv4 inside IPv6 is the IPv4 address")
    func mapped() throws {
        let address = try #require(IPAddress("192.0.2.1"))
        #expect(IPAddress("::ffff:192.0.2.1") == address && IPAddress("::ffff:c000:201") == address)
        #expect(IPAddress(ipv4: 0xC000_0201) == address && IPAddress(high: 0, low: 0xFFFF_C000_0201) == address)
        #expect(address.isIPv4 && address.ipv4 == 0xC000_0201)
        for other in ["::192.0.2.1", "::ffff:0:192.0.2.1", "::fffe:192.0.2.1", "1::ffff:192.0.2.1", "::"] {
            let other = try #require(IPAddress(other))
            #expect(other != address && !other.isIPv4 && other.ipv4 == nil)
        }
        #expect(MemoryLayout<IPAddress>.size == 16 && _isPOD(IPAddress.self))
    }

    @Test(
        "is of a kind",
        arguments: [
            ("127.0.0.1", "loopback"), ("127.255.0.9", "loopback"), ("::1", "loopback"),
            ("::ffff:127.0.0.1", "loopback"),
            ("0.0.0.0", "wildcard"), ("::", "wildcard"), ("224.0.0.1", "multicast"), ("255.255.255.255", "multicast"),
            ("ff02::1", "multicast"), ("126.255.255.255", "plain"), ("128.0.0.1", "plain"),
            ("223.255.255.255", "plain"),
            ("::2", "plain"), ("1::1", "plain"), ("::127.0.0.1", "plain"), ("0.0.0.1", "plain"), ("1::", "plain"),
            ("fe80::1", "plain"), ("feff::", "plain"),
        ])
    func kinds(text: String, kind: String) throws {
        let address = try #require(IPAddress(text))
        #expect(address.isLoopback == (kind == "loopback"))
        #expect(address.isWildcard == (kind == "wildcard"))
        #expect(address.isUnicast == (kind != "multicast"))
    }

    @Test("has its port behind it, in brackets if it is IPv6")
    func ports() throws {
        let texts: [(String, UInt16, String)] = [
            ("192.0.2.1", 80, "192.0.2.1:80"), ("::1", 0, "[::1]:0"), ("::ffff:1.2.3.4", 10_010, "1.2.3.4:10010"),
            (
                "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535, "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"
            ),
        ]
        for (host, port, text) in texts {
            #expect(IPEndpoint(address: try #require(IPAddress(host)), port: port).description == text)
        }
    }

    @Test("is the one that the system reads, and written as the system writes it")
    func system() {
        var random = SeededRandom()
        print("addresses: seed \(random.seed)")
        let pieces = [
            ":", ":", ":", "::", "::", ".", ".", "0", "1", "ff", "fFfF", "12", "255", "256", "10", "00", "a0", "g",
        ]
        var good = 0
        for _ in 0..<40_000 {
            let text =
                Bool.random(using: &random)
                ? (0..<Int.random(in: 1...16, using: &random)).map { _ in pieces.randomElement(using: &random) ?? "" }
                    .joined()
                : likely(using: &random)
            let address = IPAddress(text)
            #expect(address == system(text), "\(text)")
            guard let address else { continue }
            good += 1
            // The deprecated IPv4-compatible addresses are written as any other here (RFC 5952 §5).
            guard address.high > 0 || address.isIPv4 || address.low >> 32 > 0 else { continue }
            #expect(address.description == written(address), "\(text)")
        }
        #expect(good > 1000)
    }

    /// Groups with zeros among them, sometimes with a gap or an IPv4 address.
    private func likely(using random: inout SeededRandom) -> String {
        var groups = (0..<8).map { _ in
            Bool.random(using: &random) ? "0" : String(UInt16.random(in: 0...0xFFFF, using: &random), radix: 16)
        }
        if Int.random(in: 0..<4, using: &random) == 0 { groups[6...] = ["1.20.\(Int.random(in: 0...260)).0"] }
        if Bool.random(using: &random) {
            let start = Int.random(in: 0..<groups.count, using: &random)
            groups[start...Int.random(in: start..<groups.count, using: &random)] = [""]
            if groups.first == "" { groups.insert("", at: 0) }
            if groups.last == "" { groups.append("") }
        }
        return groups.joined(separator: ":")
    }

    private func system(_ text: String) -> IPAddress? {
        var four = in_addr()
        if inet_pton(AF_INET, text, &four) == 1 { return IPAddress(ipv4: UInt32(bigEndian: four.s_addr)) }
        var six = in6_addr()
        guard inet_pton(AF_INET6, text, &six) == 1 else { return nil }
        return withUnsafeBytes(of: six) {
            IPAddress(
                high: UInt64(bigEndian: $0.loadUnaligned(as: UInt64.self)),
                low: UInt64(bigEndian: $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self)))
        }
    }

    private func written(_ address: IPAddress) -> String {
        var room = [CChar](repeating: 0, count: 64)
        if let four = address.ipv4 {
            var number = four.bigEndian
            inet_ntop(AF_INET, &number, &room, 64)
        } else {
            var numbers = (address.high.bigEndian, address.low.bigEndian)
            inet_ntop(AF_INET6, &numbers, &room, 64)
        }
        return String(decoding: room.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
