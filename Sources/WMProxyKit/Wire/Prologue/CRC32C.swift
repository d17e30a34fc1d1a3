/// The checksum of RFC 9260 Appendix A (Castagnoli), bit by bit: a header has at most 2 KiB and seldom one.
enum CRC32C {
    /// The checksum of `bytes`, those at `zeros` taken as 0.
    static func of(_ bytes: Span<UInt8>, withZerosAt zeros: Range<Int> = 0..<0) -> UInt32 {
        var sum = UInt32.max
        for index in 0..<bytes.count {
            sum ^= zeros.contains(index) ? 0 : UInt32(bytes[index])
            // The polynomial 0x1EDC6F41, its bits in reverse.
            for _ in 0..<8 { sum = sum >> 1 ^ (sum & 1 == 1 ? 0x82F6_3B78 : 0) }
        }
        return ~sum
    }
}
