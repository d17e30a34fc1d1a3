import Testing

@testable import WMPWire

@Suite("A network")
struct NetworkTests {
    @Test(
        "is an address and a prefix, or an address alone",
        arguments: [
            ("10.0.0.0/8", "10.0.0.0/8", 8), ("192.0.2.7", "192.0.2.7", 32), ("192.0.2.7/32", "192.0.2.7", 32),
            ("0.0.0.0/0", "0.0.0.0/0", 0), ("192.0.2.254/31", "192.0.2.254/31", 31), ("::/0", "::/0", 0),
            ("2001:DB8::/32", "2001:db8::/32", 32), ("::1", "::1", 128), ("::1/128", "::1", 128),
            ("8000::/1", "8000::/1", 1), ("1:2:3:4::/64", "1:2:3:4::/64", 64),
            ("1:2:3:4:8000::/65", "1:2:3:4:8000::/65", 65),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8", 8), ("::ffff:0:0/96", "0.0.0.0/0", 0),
            ("10.0.0.0/08", "10.0.0.0/8", 8),
        ])
    func forms(text: String, written: String, prefix: Int) throws {
        let network = try #require(Network(text))
        #expect(network.description == written && network.prefix == prefix)
        #expect(Network(written) == network && Network(network.address, prefix: prefix) == network)
    }

    @Test("is refused when it is none, or when bits behind the prefix are set")
    func refused() throws {
        for text in [
            "", "/", "/8", "10.0.0.0/", "10.0.0.0/x", "10.0.0.0/+8", "10.0.0.0/-1", "10.0.0.0/ 8", "10.0.0.0/8 ",
            "10.0.0.0/33", "10.0.0.0/0008", "10.0.0.0/8/8", "10.0.0.0//8", "10.0.0/8", "10.0.0.1/31", "10.0.0.1/8",
            "128.0.0.0/0", "::/129", "::1/127", "1::/0", "2001:db8::/28", "::ffff:10.0.0.0/8", "::ffff:10.0.0.0/95",
            "1:2:3:4:8000::/64", "example.org", "10.0.0.0/999", "10.0.0.0/9223372036854775808",
        ] {
            #expect(Network(text) == nil, "\(text)")
        }
        let (four, six) = (try #require(IPAddress("10.0.0.0")), try #require(IPAddress("1::")))
        for prefix in [-1, 33, 104, 128, Int.max, Int.min] { #expect(Network(four, prefix: prefix) == nil) }
        for prefix in [-1, 129, 15, Int.max, Int.min] { #expect(Network(six, prefix: prefix) == nil) }
    }

    @Test(
        "contains the addresses that begin with its bits, of its own kind",
        arguments: [
            (
                "10.0.0.0/8", ["10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3"],
                ["9.255.255.255", "11.0.0.0", "::10.0.0.0"]
            ),
            ("192.0.2.7", ["192.0.2.7", "::ffff:192.0.2.7"], ["192.0.2.6", "192.0.2.8", "::c000:207"]),
            ("192.0.2.254/31", ["192.0.2.254", "192.0.2.255"], ["192.0.2.253", "192.0.3.0"]),
            ("0.0.0.0/0", ["0.0.0.0", "255.255.255.255"], ["::", "::1", "2001:db8::1", "::fffe:1.2.3.4"]),
            ("::/0", ["::", "::1", "ffff::", "::1.2.3.4"], ["0.0.0.0", "1.2.3.4", "::ffff:1.2.3.4"]),
            ("::fffe:0:0/95", ["::fffe:1.2.3.4"], ["1.2.3.4"]),
            ("::ffff:10.0.0.0/104", ["10.1.2.3"], ["11.0.0.0", "::"]),
            ("2001:db8::/32", ["2001:db8::", "2001:db8:ffff::1"], ["2001:db7:ffff::", "2001:db9::", "32.1.13.184"]),
            ("1:2:3:4::/64", ["1:2:3:4::", "1:2:3:4:ffff::1"], ["1:2:3:5::", "1:2:3:3::"]),
            ("1:2:3:4:8000::/65", ["1:2:3:4:8000::1"], ["1:2:3:4:7fff::", "1:2:3:4::"]),
            ("::1", ["::1"], ["::", "::2", "127.0.0.1"]),
        ])
    func contents(text: String, inside: [String], outside: [String]) throws {
        let network = try #require(Network(text))
        for address in inside { #expect(network.contains(try #require(IPAddress(address))), "\(address)") }
        for address in outside { #expect(!network.contains(try #require(IPAddress(address))), "\(address)") }
        let list = [try #require(Network("203.0.113.0/24")), network]
        for address in inside { #expect(list.contains(try #require(IPAddress(address))), "\(address)") }
        for address in outside { #expect(!list.contains(try #require(IPAddress(address))), "\(address)") }
        #expect(list.contains(try #require(IPAddress("203.0.113.9"))))
    }

    @Test("of every length contains what is within it and nothing beside it")
    func everyPrefix() throws {
        for (text, most) in [("255.255.255.255", 32), ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 128)] {
            let last = try #require(IPAddress(text))
            for prefix in 0...most {
                let network = try #require(Network(last.masked(to: 128 - most + prefix), prefix: prefix))
                #expect(network.prefix == prefix && network.contains(last) && network.contains(network.address))
                #expect(Network(network.description) == network)
                guard prefix > 0 else { continue }
                // The neighbour: the last of the bits that count is another.
                let place = most - prefix
                let neighbour = IPAddress(
                    high: place < 64 ? last.high : last.high ^ 1 << UInt64(place - 64),
                    low: place < 64 ? last.low ^ 1 << UInt64(place) : last.low)
                #expect(!network.contains(neighbour))
            }
        }
    }

    @Test(
        "decides who is let in: deny first, then allow, and without allow all",
        arguments: [
            ([], [], ["192.0.2.1", "::1"], []),
            (["10.0.0.0/8"], [], ["10.1.1.1", "::ffff:10.1.1.1"], ["192.0.2.1", "::1"]),
            ([], ["10.0.0.0/8", "::1"], ["192.0.2.1", "::2"], ["10.1.1.1", "::ffff:10.1.1.1", "::1"]),
            (
                ["10.0.0.0/8", "2001:db8::/32"], ["10.9.0.0/16"], ["10.1.1.1", "2001:db8::1"],
                ["10.9.1.1", "2001:db9::"]
            ),
            (["10.9.9.9"], ["10.0.0.0/8"], [], ["10.9.9.9", "192.0.2.1"]),
            (["0.0.0.0/0"], ["0.0.0.0/0"], [], ["192.0.2.1", "::1"]),
            ([], ["0.0.0.0/0"], ["::1"], ["192.0.2.1"]),
        ] as [([String], [String], [String], [String])])
    func rule(allow: [String], deny: [String], admitted: [String], refused: [String]) throws {
        let rule = VisitorRule(allow: try allow.map(network), deny: try deny.map(network))
        for address in admitted { #expect(rule.admits(try #require(IPAddress(address))), "\(address)") }
        for address in refused { #expect(!rule.admits(try #require(IPAddress(address))), "\(address)") }
    }

    private func network(_ text: String) throws -> Network { try #require(Network(text)) }
}
