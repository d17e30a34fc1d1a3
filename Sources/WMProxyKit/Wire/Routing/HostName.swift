/// The host that a Host field or an authority names (RFC 9110 §7.2, RFC 3986 §3.2.2), in the one form that routing
/// compares: lower case, without the trailing dot of an absolute name, and with the port split off.
///
/// Equality and hash are those of the host alone: `Example.com.:8080` equals `example.com`. It owns its octets, in
/// place up to 64 of them, so that looking up a route takes no allocation.
package struct HostName: Hashable, Sendable {
    /// Longest host, the brackets of an IPv6 literal included (RFC 1035 §2.3.4).
    package static let maximumLength = 255
    private static let maximumLabelLength = 63
    private static let inlineLength = 64

    private var words = InlineArray<8, UInt64>(repeating: 0)
    /// Octets beyond the first 64.
    private var rest: [UInt8] = []
    private var length: UInt8 = 0
    /// The port that followed, if one did.
    package let port: UInt16?

    /// Parses `host[:port]`; nil when it is empty or holds anything a host cannot hold: userinfo, percent-encoding,
    /// blanks, empty labels, an octet outside letters, digits, `-`, `.`, `_`, an IPv6 literal that is none, a port
    /// above 65535.
    package init?(_ bytes: Span<UInt8>) {
        guard let colon = HostName.endOfHost(bytes), let port = HostName.port(bytes, after: colon) else { return nil }
        self.port = port.number
        if bytes[0] == Octet.openBracket {
            guard IPAddressReader.ipv6(bytes.extracting(1..<(colon - 1))) != nil else { return nil }
            for index in 0..<colon { append(Octet.lowercased(bytes[index])) }
            return
        }
        var end = colon
        if end > 1, bytes[end - 1] == UInt8(ascii: ".") { end -= 1 }
        guard end <= HostName.maximumLength else { return nil }
        var label = 0
        for index in 0..<end {
            let octet = bytes[index]
            guard Octet.isHost(octet) else { return nil }
            if octet == UInt8(ascii: ".") {
                guard label > 0 else { return nil }
                label = 0
            } else {
                label += 1
                guard label <= HostName.maximumLabelLength else { return nil }
            }
            append(Octet.lowercased(octet))
        }
        guard label > 0 else { return nil }
    }

    /// No host at all; it equals no host that was parsed.
    init() {
        port = nil
    }

    package init?(_ text: String) {
        self.init(text.utf8.span)
    }

    /// Octets of the host.
    package var count: Int { Int(length) }

    /// The octet at `index`, which is below `count`.
    package subscript(index: Int) -> UInt8 {
        if index < HostName.inlineLength {
            return UInt8(truncatingIfNeeded: words[index >> 3] &>> UInt64((index & 7) << 3))
        }
        return rest[index - HostName.inlineLength]
    }

    /// Appends `host`, or `host:port` where there was a port.
    package func write(into out: inout ByteBuffer) {
        for index in 0..<count { out.append(self[index]) }
        guard let port else { return }
        out.append(Octet.colon)
        out.appendDecimal(UInt64(port))
    }

    package static func == (left: HostName, right: HostName) -> Bool {
        guard left.length == right.length else { return false }
        for index in 0..<8 where left.words[index] != right.words[index] { return false }
        return left.length <= inlineLength || left.rest == right.rest
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(length)
        for index in 0..<min((count + 7) >> 3, 8) { hasher.combine(words[index]) }
        if count > HostName.inlineLength { hasher.combine(rest) }
    }

    private mutating func append(_ octet: UInt8) {
        let index = count
        if index < HostName.inlineLength {
            words[index >> 3] |= UInt64(octet) &<< UInt64((index & 7) << 3)
        } else {
            rest.append(octet)
        }
        length += 1
    }

    /// Where the host ends: at the colon before the port, or at the end. Nil when it is empty or an unclosed bracket.
    private static func endOfHost(_ bytes: Span<UInt8>) -> Int? {
        guard bytes.count > 0 else { return nil }
        var end = 0
        if bytes[0] == Octet.openBracket {
            while end < bytes.count, bytes[end] != Octet.closeBracket { end += 1 }
            // The longest literal is 45 octets: eight groups, the last two as IPv4.
            guard end < bytes.count, end < 48 else { return nil }
            return end + 1
        }
        // One octet more than the longest host, for the trailing dot.
        while end < bytes.count, end <= maximumLength + 1, bytes[end] != Octet.colon { end += 1 }
        return end > 0 ? end : nil
    }

    private struct Port { var number: UInt16? }

    /// `[":" port]` at `start`, up to the end; the port may be empty (RFC 3986 §3.2.3).
    private static func port(_ bytes: Span<UInt8>, after start: Int) -> Port? {
        guard start < bytes.count else { return Port(number: nil) }
        guard bytes[start] == Octet.colon, bytes.count - start <= 6 else { return nil }
        guard start + 1 < bytes.count else { return Port(number: nil) }
        var number: UInt32 = 0  // at most five digits
        for index in (start + 1)..<bytes.count {
            guard Octet.isDigit(bytes[index]) else { return nil }
            number = number &* 10 &+ UInt32(bytes[index] &- 0x30)
        }
        guard let port = UInt16(exactly: number) else { return nil }
        return Port(number: port)
    }
}

extension HostName: CustomStringConvertible {
    /// The host without the port, as logs and error pages show it.
    package var description: String {
        String(unsafeUninitializedCapacity: count) { buffer in
            for index in 0..<count { buffer[index] = self[index] }
            return count
        }
    }
}
