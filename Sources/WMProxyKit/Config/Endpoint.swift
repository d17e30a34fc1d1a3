import WMPWire

/// A host and a port: where to listen or where to connect.
package struct Endpoint: Sendable, Hashable, CustomStringConvertible {
    /// A host name in lower case or an IP address, IPv6 without brackets.
    package var host: String
    package var port: UInt16

    package init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// Reads `127.0.0.1:8091`, `[::1]:80` or `localhost:80`; with `emptyHost` also `:80`, with `barePort` as well `80`,
    /// which then stand for that host. Nil for anything else; unix socket paths are not supported.
    init?(_ text: String, emptyHost: String? = nil, barePort: Bool = false) {
        let hostText: Substring
        let portText: Substring
        if let colon = text.lastIndex(of: ":") {
            hostText = text[..<colon]
            portText = text[text.index(after: colon)...]
        } else if barePort {
            hostText = ""
            portText = text[...]
        } else {
            return nil
        }
        guard (1...5).contains(portText.utf8.count),
            portText.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }),
            let port = UInt16(portText)
        else { return nil }
        self.port = port
        if hostText.isEmpty {
            guard let emptyHost else { return nil }
            host = emptyHost
        } else if hostText.hasPrefix("["), hostText.hasSuffix("]") {
            let inner = String(hostText.dropFirst().dropLast())
            guard inner.contains(":"), IPAddress(inner) != nil else { return nil }
            host = inner.lowercased()
        } else {
            guard let name = DomainName.normalizedTarget(String(hostText)) else { return nil }
            host = name
        }
    }

    /// Whether only this machine can be at the host: 127.0.0.0/8, ::1 or `localhost`. Other names are not looked up.
    package var isLoopback: Bool { IPAddress(host)?.isLoopback ?? (host == "localhost") }

    /// Whether listening at both would fail: the same port on the same address, or on one address and on all of them.
    func collides(with other: Endpoint) -> Bool {
        guard port == other.port, port != 0 else { return false }
        guard let mine = IPAddress(host), let theirs = IPAddress(other.host) else { return host == other.host }
        return mine == theirs || mine.isIPv4 == theirs.isIPv4 && (mine.isWildcard || theirs.isWildcard)
    }

    /// `host:port`, an IPv6 host in brackets.
    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
