import Testing

@testable import WMPWire

@Suite("Host name")
struct HTTPHostNameTests {
    @Test(
        "has one form: lower case, no trailing dot, no port",
        arguments: [
            ("example.com", "example.com", nil), ("EXAMPLE.com.", "example.com", nil), ("a:80", "a", 80),
            ("a.:80", "a", 80), ("a:", "a", nil),
            ("A_b-c.1", "a_b-c.1", nil), ("192.0.2.1:8080", "192.0.2.1", 8080), ("[2001:DB8::1]", "[2001:db8::1]", nil),
            ("[::1]:65535", "[::1]", 65535),
            ("a:00080", "a", 80),
        ] as [(String, String, UInt16?)])
    func forms(text: String, host: String, port: UInt16?) throws {
        let name = try #require(HostName(text))
        #expect(name.description == host)
        #expect(name.count == host.utf8.count)
        #expect(name.port == port)
        #expect(written { name.write(into: &$0) } == host + (port.map { ":\($0)" } ?? ""))
    }

    @Test("is refused when it is none")
    func refused() {
        for text in [
            "", ":", ":80", ".", "..", "a..b", ".a", "a..", "a b", "a,b", "a@b", "a/b", "a\\b", "a?b", "a#b", "a%20",
            "a*", "(a)", "\u{E9}",
            "a:x", "a:80x", "a:-1", "a:65536", "a:000080", "a:80:80", "[]", "[", "]", "[]:80", "[::1", "::1", "[::1]x",
            "[::1]:x", "a[::1]",
            "[:1]", "[1:]", "[1:2:3:4:5:6:7]", "[1:2:3:4:5:6:7:8:9]", "[1:2:3:4:5:6:7:8::]", "[::1::2]", "[12345::]",
            "[g::]", "[:::]",
            "[::1.2.3]", "[::1.2.3.4.5]", "[::1.2.3.256]", "[::01.2.3.4]", "[1.2.3.4]", "[::1%25eth0]", "[v1.a]",
            "[::1.2.3.4:5]",
            String(repeating: "a", count: 64), String(repeating: "[", count: 300),
        ] {
            #expect(HostName(text) == nil, "\(text.debugDescription)")
        }
    }

    @Test(
        "may be any IPv6 literal",
        arguments: [
            "[::]", "[::1]", "[1::]", "[1:2:3:4:5:6:7:8]", "[1:2:3:4:5:6:7::]", "[::2:3:4:5:6:7:8]",
            "[::ffff:192.0.2.1]", "[1:2:3:4:5:6:192.0.2.1]",
            "[fe80::1:0:2]",
        ])
    func literals(text: String) {
        #expect(HostName(text)?.description == text)
    }

    @Test("may have 255 octets and labels of 63, and is compared in full")
    func lengths() throws {
        let label = String(repeating: "a", count: 63)
        let longest = [label, label, label, label].joined(separator: ".")
        #expect(longest.utf8.count == 255)
        let name = try #require(HostName(longest + ".:80"))
        #expect(name.description == longest)
        #expect(name == HostName(longest.uppercased()))
        #expect(name != HostName(String(longest.dropLast()) + "b"))
        #expect(HostName("b." + longest) == nil)
        #expect(HostName(String(repeating: "a", count: 64)) == nil)
        for count in [63, 64, 65, 66, 128] {
            let text = String((label + "." + label + "." + label).prefix(count)).trimmingDot
            #expect(HostName(text)?.description == text)
        }
    }

    @Test("equals and hashes as the host alone")
    func equality() throws {
        let names: Set<HostName> = [try #require(HostName("a.example")), try #require(HostName("b.example:80"))]
        #expect(names.contains(try #require(HostName("A.Example.:8080"))))
        #expect(names.contains(try #require(HostName("b.example"))))
        #expect(!names.contains(try #require(HostName("a.exampl"))))
        #expect(!names.contains(try #require(HostName("a.example.b"))))
    }
}

extension String {
    fileprivate var trimmingDot: String { hasSuffix(".") ? String(dropLast()) : self }
}
