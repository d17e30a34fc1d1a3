/// A range of addresses such as `10.0.0.0/8`; a single address is the range of one.
///
/// A range is of IPv4 or of IPv6 addresses: `::/0` is all of IPv6 and nothing of IPv4, although IPv4 can be written
/// inside it. `::ffff:10.0.0.0/104` is `10.0.0.0/8`.
package struct Network: Hashable, Sendable {
    /// The first address; bits behind the prefix are zero.
    package let address: IPAddress
    /// How many of 128 leading bits count: 104 for `10.0.0.0/8`, since 96 stand before an IPv4 address.
    private let bits: UInt8

    /// The range of addresses that begin with the first `prefix` bits of `address`: 0–32 of an IPv4 address, 0–128 of
    /// another. Nil if there are not so many, or if bits behind them are set.
    package init?(_ address: IPAddress, prefix: Int) {
        guard (0...(address.isIPv4 ? 32 : 128)).contains(prefix) else { return nil }
        self.init(address, bits: prefix + (address.isIPv4 ? 96 : 0))
    }

    /// Reads `10.0.0.0/8`, `2001:db8::/32` or an address alone. Nil if it is neither or if bits behind the prefix are
    /// set.
    package init?(_ text: String) {
        let octets = text.utf8
        let slash = octets.firstIndex(of: Octet.slash)
        let first = slash.map { text[..<$0] } ?? text[...]
        guard let address = IPAddress(String(first)) else { return nil }
        var bits = 128
        if let slash {
            guard let prefix = Network.decimal(octets[slash...].dropFirst()) else { return nil }
            // What is written as IPv6 counts its bits as IPv6 does.
            bits = prefix + (first.utf8.contains(Octet.colon) ? 0 : 96)
        }
        self.init(address, bits: bits)
    }

    private init?(_ address: IPAddress, bits: Int) {
        guard bits <= 128, address.masked(to: bits) == address else { return nil }
        self.address = address
        self.bits = UInt8(truncatingIfNeeded: bits)
    }

    /// How many leading bits count: 0–32 of IPv4, 0–128 of IPv6.
    package var prefix: Int { address.isIPv4 ? Int(bits) - 96 : Int(bits) }

    package func contains(_ other: IPAddress) -> Bool {
        other.isIPv4 == address.isIPv4 && other.masked(to: Int(bits)) == address
    }

    /// One to three digits.
    private static func decimal(_ digits: some Collection<UInt8>) -> Int? {
        guard (1...3).contains(digits.count), digits.allSatisfy(Octet.isDigit) else { return nil }
        return digits.reduce(0) { $0 * 10 + Int($1 &- 0x30) }
    }
}

extension Network: CustomStringConvertible {
    /// `10.0.0.0/8`; an address alone without its prefix.
    package var description: String { bits == 128 ? "\(address)" : "\(address)/\(prefix)" }
}

extension [Network] {
    /// Whether `address` is in one of the ranges. They are looked at one after the other.
    package func contains(_ address: IPAddress) -> Bool {
        for network in self where network.contains(address) { return true }
        return false
    }
}
