internal import Glibc

/// An IPv4 or IPv6 address: 4 or 16 bytes in network order.
struct IPAddress: Sendable, Hashable {
    let bytes: [UInt8]

    /// Reads the usual text forms, `192.0.2.1` and `2001:db8::1`, without brackets or zone.
    init?(_ text: String) {
        var four = in_addr()
        var six = in6_addr()
        if inet_pton(AF_INET, text, &four) == 1 {
            bytes = withUnsafeBytes(of: four) { Array($0) }
        } else if inet_pton(AF_INET6, text, &six) == 1 {
            bytes = withUnsafeBytes(of: six) { Array($0) }
        } else {
            return nil
        }
    }

    /// 127.0.0.0/8 or ::1.
    var isLoopback: Bool {
        bytes.count == 4 ? bytes.first == 127 : bytes.dropLast().allSatisfy { $0 == 0 } && bytes.last == 1
    }

    /// The address that stands for all of a machine's addresses.
    var isWildcard: Bool { bytes.allSatisfy { $0 == 0 } }
}

/// A range of addresses such as `10.0.0.0/8`; a single address is the range of one.
struct Network: Sendable, Hashable {
    /// The first address; bits behind the prefix are zero.
    let address: IPAddress
    /// How many leading bits count.
    let prefix: Int

    /// Reads `10.0.0.0/8`, `2001:db8::/32` or an address alone. Nil if it is neither or if bits behind the prefix are
    /// set.
    init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, let address = IPAddress(String(first)) else { return nil }
        let bits = address.bytes.count * 8
        let prefix = parts.count == 1 ? bits : Int(decimal: parts[1])
        guard let prefix, prefix <= bits else { return nil }
        for (index, byte) in address.bytes.enumerated() {
            let kept = min(8, max(0, prefix - index * 8))
            guard byte & UInt8(truncatingIfNeeded: 0xFF >> kept) == 0 else { return nil }
        }
        self.address = address
        self.prefix = prefix
    }
}
