import Glibc
import Testing
import WMPWire

@testable import WMPIO

@Suite("A socket address")
struct SocketAddressTests {
    @Test(
        "is written as it is read",
        arguments: ["127.0.0.1", "0.0.0.0", "::1", "::", "2001:db8::1"])
    func text(host: String) throws {
        let address = try #require(SocketAddress(numeric: host, port: 4711))
        #expect(address.host == host)
        #expect(address.port == 4711)
        #expect(address.description == (host.contains(":") ? "[\(host)]:4711" : "\(host):4711"))
    }

    @Test(
        "is written with its port, IPv6 in brackets",
        arguments: [
            ("127.0.0.1", 80, "127.0.0.1:80"), ("0.0.0.0", 0, "0.0.0.0:0"), ("10.20.109.200", 9, "10.20.109.200:9"),
            ("255.255.255.255", 65535, "255.255.255.255:65535"), ("1.2.3.4", 10010, "1.2.3.4:10010"),
            ("::1", 80, "[::1]:80"), ("::", 0, "[::]:0"), ("2001:db8::7f00:1", 443, "[2001:db8::7f00:1]:443"),
            ("::ffff:0:1.2.3.4", 1, "[::ffff:0:102:304]:1"),
        ] as [(String, UInt16, String)])
    func written(host: String, port: UInt16, text: String) throws {
        #expect(try #require(SocketAddress(numeric: host, port: port)).description == text)
    }

    @Test("of IPv4 inside IPv6 is written as IPv4")
    func mapped() throws {
        #expect(try #require(SocketAddress(numeric: "::ffff:192.0.2.1", port: 1)).description == "192.0.2.1:1")
    }

    @Test(
        "is an IP address and a port",
        arguments: ["127.0.0.1", "0.0.0.0", "255.1.2.3", "::1", "::", "2001:db8::7f00:1", "::ffff:192.0.2.1"])
    func parts(host: String) throws {
        let ip = try #require(IPAddress(host))
        let numeric = try #require(SocketAddress(numeric: host, port: 4711))
        #expect(numeric.ip == ip && numeric.endpoint == IPEndpoint(address: ip, port: 4711))
        let made = SocketAddress(ip, port: 4711)
        #expect(made.ip == ip && made.port == 4711 && made == SocketAddress(IPEndpoint(address: ip, port: 4711)))
        #expect(made.family == (ip.isIPv4 ? AF_INET : AF_INET6) && made.description == numeric.description)
        made.withSockAddr { #expect(Int($1) == (ip.isIPv4 ? 16 : 28) && Int32($0.pointee.sa_family) == made.family) }
        // IPv4 inside IPv6 is another family to the system, and the same address.
        #expect((made == numeric) == !host.hasPrefix("::ffff:"))
    }

    @Test("of neither family has no IP address")
    func neither() {
        #expect(SocketAddress.unspecified.ip == nil && SocketAddress.unspecified.endpoint == nil)
        #expect(SocketAddress.unspecified.host == "?" && SocketAddress.unspecified.description == "?:0")
    }

    @Test("is not made from a name", arguments: ["localhost", "", "1.2.3", "[::1]", "::1%eth9"])
    func names(host: String) { #expect(SocketAddress(numeric: host, port: 1) == nil) }

    private func address(_ host: String, _ port: UInt16) throws -> SocketAddress {
        try #require(SocketAddress(numeric: host, port: port))
    }

    @Test("is the same as another with the same family, address and port, and keys a table")
    func equality() throws {
        let texts = [
            ("127.0.0.1", 1), ("127.0.0.1", 2), ("127.0.0.2", 1), ("::1", 1), ("::1", 2), ("::2", 1), ("1::1", 1),
            ("::ffff:127.0.0.1", 1), ("0.0.0.0", 0), ("::", 0),
        ]
        var table: [SocketAddress: Int] = [.unspecified: -1]
        for (index, text) in texts.enumerated() { table[try address(text.0, UInt16(text.1))] = index }
        #expect(table.count == texts.count + 1 && table[.unspecified] == -1)
        for (index, text) in texts.enumerated() { #expect(table[try address(text.0, UInt16(text.1))] == index) }
    }

    @Test("has a scope but no flow label")
    func sixth() {
        func six(flow: UInt32, scope: UInt32) -> SocketAddress {
            var bytes = sockaddr_in6()
            bytes.sin6_family = sa_family_t(AF_INET6)
            bytes.sin6_addr.__in6_u.__u6_addr8.15 = 1
            bytes.sin6_flowinfo = flow
            bytes.sin6_scope_id = scope
            return withUnsafePointer(to: &bytes) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    SocketAddress($0, socklen_t(MemoryLayout<sockaddr_in6>.size))
                }
            }
        }
        #expect(six(flow: 1, scope: 0) == six(flow: 2, scope: 0))
        #expect(six(flow: 1, scope: 0).hashValue == six(flow: 2, scope: 0).hashValue)
        #expect(six(flow: 0, scope: 1) != six(flow: 0, scope: 2))
    }
}
