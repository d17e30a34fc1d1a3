/// What a user may claim of a server, and how much of it.
package struct Grant: Sendable, Equatable {
    /// Host names that mappings may have; nil: any.
    package var domains: [DomainPattern]?
    /// Public ports that mappings may have; nil: those from 1024 on, and the server's own edge.
    package var ports: [PortRange]?
    /// Most mappings in a session, and most streams; nil: as many as the server allows everybody.
    package var mappings: Int?
    package var streams: Int?
    /// Bytes a second, in each direction, all sessions of the user together; nil: as many as there are.
    package var bandwidth: Int?

    /// What everybody may who shares one secret: all but the ports of the system's services.
    package static let all = Grant()

    /// Whether a mapping may be called `name`, which is in lower case.
    func permits(domain name: String) -> Bool { domains?.contains { $0.matches(name) } ?? true }

    /// Whether a mapping may have this public port.
    func permits(_ transport: Transport, port: UInt16) -> Bool {
        ports?.contains { $0.contains(transport, port) } ?? (port >= Self.lowestPort)
    }

    /// One of the ports that were named for it which `isFree` says is; nil if there is none, or any port will do.
    func freePort(_ transport: Transport, isFree: (UInt16) -> Bool) -> UInt16? {
        let ranges = (ports ?? []).filter { $0.transport == nil || $0.transport == transport }.map(\.ports)
        guard !ranges.isEmpty else { return nil }
        // From a port chosen at random, going round: some may be other programs', and are not tried again first.
        let all = ranges.joined()
        let begin = Int.random(in: 0..<all.count)
        return (Array(all.dropFirst(begin)) + Array(all.prefix(begin))).first(where: isFree)
    }

    /// Those below are the system's services (RFC 6335 §6).
    static let lowestPort: UInt16 = 1024
}

/// A host name, or all names below one: `*.example.org` is for `a.example.org` and `a.b.example.org`, not for
/// `example.org`.
package struct DomainPattern: Sendable, Equatable {
    private let name: String
    private let isWildcard: Bool

    /// Nil if it is neither.
    init?(_ text: String) {
        isWildcard = text.hasPrefix("*.")
        guard let name = DomainName.normalized(isWildcard ? String(text.dropFirst(2)) : text) else { return nil }
        self.name = name
    }

    func matches(_ other: String) -> Bool {
        isWildcard ? other.hasSuffix("." + name) && other.utf8.count > name.utf8.count + 1 : other == name
    }
}

/// What carries visitors to a public port.
package enum Transport: String, Sendable { case tcp, udp }

/// Ports of one transport, or of both: `tcp:2222`, `udp:5000-5999`, `20000-20099`.
package struct PortRange: Sendable, Equatable {
    /// nil: both.
    let transport: Transport?
    let ports: ClosedRange<UInt16>

    /// Nil if it is none.
    init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count <= 2, let numbers = parts.last else { return nil }
        transport = parts.count == 2 ? Transport(rawValue: String(parts[0])) : nil
        guard parts.count == 1 || transport != nil else { return nil }
        let bounds = numbers.split(separator: "-", omittingEmptySubsequences: false).map { Int(decimal: $0) ?? 0 }
        guard let first = bounds.first, let last = bounds.last, bounds.count <= 2 else { return nil }
        guard first >= 1, first <= last, last <= 65535 else { return nil }
        ports = UInt16(first)...UInt16(last)
    }

    func contains(_ transport: Transport, _ port: UInt16) -> Bool {
        (self.transport == nil || self.transport == transport) && ports.contains(port)
    }
}
