/// An IPv4 or IPv6 address: 128 bits in two numbers, so that it is copied, compared and matched without memory.
///
/// An IPv4 address is kept as the IPv6 address that stands for it (RFC 4291 §2.5.5.2): `::ffff:192.0.2.1` and
/// `192.0.2.1` are equal, and both are IPv4. A zone such as `%eth0` is no part of it.
package struct IPAddress: Hashable, Sendable {
    /// The first 64 bits as a number.
    package let high: UInt64
    /// The last 64 bits as a number.
    package let low: UInt64

    /// From the two halves of an IPv6 address.
    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// From the number that an IPv4 address is: 192.0.2.1 is 0xC0000201.
    package init(ipv4: UInt32) {
        self.init(high: 0, low: IPAddress.mapped | UInt64(ipv4))
    }

    /// Reads the usual text forms, `192.0.2.1` and `2001:db8::1`, without brackets or zone. Nil if it is neither, as
    /// it is with leading zeros in an IPv4 address.
    package init?(_ text: String) {
        let text = text.utf8.span
        guard let address = IPAddressReader.ipv4(text) ?? IPAddressReader.ipv6(text) else { return nil }
        self = address
    }

    /// What stands in front of an IPv4 address in the last 64 bits.
    private static let mapped: UInt64 = 0xFFFF_0000_0000

    package var isIPv4: Bool { high == 0 && low >> 32 == IPAddress.mapped >> 32 }

    /// The number that an IPv4 address is; nil for others.
    package var ipv4: UInt32? { isIPv4 ? UInt32(truncatingIfNeeded: low) : nil }

    /// 127.0.0.0/8 or ::1.
    package var isLoopback: Bool {
        if let ipv4 { return ipv4 >> 24 == 127 }
        return high == 0 && low == 1
    }

    /// The address that stands for all of a machine's addresses of its kind: 0.0.0.0 or ::.
    package var isWildcard: Bool { high == 0 && (low == 0 || low == IPAddress.mapped) }

    /// Neither multicast nor broadcast nor of a range that is not given out: below 224.0.0.0, not in ff00::/8.
    package var isUnicast: Bool {
        if let ipv4 { return ipv4 >> 24 < 224 }
        return high >> 56 != 0xFF
    }

    /// The address with all but its first `prefix` of 128 bits cleared.
    func masked(to prefix: Int) -> IPAddress {
        // A shift by 64 or more leaves nothing.
        IPAddress(high: high & ~(UInt64.max >> max(0, prefix)), low: low & ~(UInt64.max >> max(0, prefix - 64)))
    }
}

extension IPAddress: CustomStringConvertible {
    /// `192.0.2.1` or `2001:db8::1`, without brackets (RFC 5952).
    package var description: String { AddressText(self).description }
}
