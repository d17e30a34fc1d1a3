/// An address in text, with or without a port, in place: what a log or a header takes it from allots nothing. IPv6 is
/// written as RFC 5952 §4 says, an IPv4 address inside IPv6 as IPv4.
///
/// By hand: every visitor's address is told to the client, and `inet_ntop` with the strings around it was a tenth of
/// what a server does for a connection.
package struct AddressText: Sendable {
    /// The longest is 47: `[ffff:…:ffff]:65535`, eight groups of four.
    private var octets = InlineArray<48, UInt8>(repeating: 0)
    package private(set) var count = 0

    /// `192.0.2.1` or `2001:db8::1`.
    package init(_ address: IPAddress) {
        if let ipv4 = address.ipv4 { put(ipv4: ipv4) } else { put(ipv6: address) }
    }

    /// `192.0.2.1:80` or `[2001:db8::1]:80`.
    package init(_ address: IPAddress, port: UInt16) {
        if let ipv4 = address.ipv4 {
            put(ipv4: ipv4)
        } else {
            put(Octet.openBracket)
            put(ipv6: address)
            put(Octet.closeBracket)
        }
        put(Octet.colon)
        put(decimal: port)
    }

    /// As IPv6, whatever the address is: `::ffff:192.0.2.1` (RFC 5952 §5) where a field allows IPv6 alone.
    init(asIPv6 address: IPAddress) {
        if let ipv4 = address.ipv4 {
            for octet in "::ffff:".utf8 { put(octet) }
            put(ipv4: ipv4)
        } else {
            put(ipv6: address)
        }
    }

    /// The octet at `index`, which is below `count`.
    package subscript(index: Int) -> UInt8 { octets[index] }

    /// Appends the text.
    package func write(into out: inout ByteBuffer) {
        for index in 0..<count { out.append(octets[index]) }
    }

    private mutating func put(_ octet: UInt8) {
        guard count < octets.count else { return }
        octets[count] = octet
        count += 1
    }

    private mutating func put(decimal number: UInt16) {
        var unit: UInt16 = 10_000
        while unit > 1, unit > number { unit /= 10 }
        while unit > 0 {
            put(UInt8(truncatingIfNeeded: number / unit % 10) | 0x30)
            unit /= 10
        }
    }

    private mutating func put(hexadecimal number: UInt16) {
        var shift: UInt16 = 12
        while shift > 0, number >> shift == 0 { shift -= 4 }
        while true {
            let digit = UInt8(truncatingIfNeeded: number >> shift & 0xF)
            put(digit < 10 ? digit | 0x30 : digit &- 10 &+ UInt8(ascii: "a"))
            guard shift > 0 else { return }
            shift -= 4
        }
    }

    private mutating func put(ipv4 number: UInt32) {
        for shift: UInt32 in [24, 16, 8, 0] {
            if shift < 24 { put(UInt8(ascii: ".")) }
            put(decimal: UInt16(truncatingIfNeeded: number >> shift & 0xFF))
        }
    }

    private mutating func put(ipv6 address: IPAddress) {
        let run = AddressText.longestRun(address)
        for index in 0..<8 {
            if run.contains(index) {
                if index == run.lowerBound {
                    put(Octet.colon)
                    put(Octet.colon)
                }
                continue
            }
            if index > 0, index != run.upperBound { put(Octet.colon) }
            put(hexadecimal: AddressText.group(index, of: address))
        }
    }

    private static func group(_ index: Int, of address: IPAddress) -> UInt16 {
        UInt16(truncatingIfNeeded: (index < 4 ? address.high : address.low) >> UInt64((3 - index & 3) * 16))
    }

    /// The groups that `::` stands for: the first of the longest runs of zeros, none if that is a single group (RFC
    /// 5952 §4.2).
    private static func longestRun(_ address: IPAddress) -> Range<Int> {
        var longest = 0..<0
        var start = 0
        for index in 0..<8 {
            guard group(index, of: address) == 0 else {
                start = index + 1
                continue
            }
            if index + 1 - start > max(longest.count, 1) { longest = start..<(index + 1) }
        }
        return longest
    }
}

extension AddressText: CustomStringConvertible {
    package var description: String {
        String(unsafeUninitializedCapacity: count) { room in
            for index in 0..<count { room[index] = octets[index] }
            return count
        }
    }
}
