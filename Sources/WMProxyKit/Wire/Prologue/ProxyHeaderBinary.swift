/// Version 2, binary (proxy-protocol.txt §2.2): a signature, version and command, family and transport, the length of
/// what follows; then the addresses and extensions (TLV).
enum ProxyHeaderBinary {
    static let signature: InlineArray<12, UInt8> = [
        0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A,
    ]
    /// Bytes before the addresses.
    static let fixedSize = 16

    /// The upper half of the family octet, and what its addresses take.
    enum Family: UInt8 {
        case unspecified = 0
        case inet = 1
        case inet6 = 2
        case unix = 3

        var size: Int {
            switch self {
            case .unspecified: 0
            case .inet: 12
            case .inet6: 36
            case .unix: 216
            }
        }
    }

    /// The lower half of the family octet.
    enum Transport: UInt8 {
        case unspecified = 0
        case stream = 1
        case datagram = 2
    }

    static func read(_ bytes: Span<UInt8>) throws(PrologueViolation) -> ProxyHeader? {
        for index in 0..<min(bytes.count, signature.count) where bytes[index] != signature[index] {
            throw .noProxyHeader
        }
        guard bytes.count >= fixedSize else { return nil }
        guard bytes[12] >> 4 == 2 else { throw .proxyVersion }
        let length = fixedSize + Int(bytes[14]) << 8 + Int(bytes[15])
        guard length <= ProxyHeaderReader.maximumLength else { throw .proxyHeaderTooLong }
        switch bytes[12] & 0xF {
        case 0:
            // LOCAL: all that follows is to be discarded, the family included.
            return bytes.count >= length ? ProxyHeader(version: .v2, ends: nil, length: length) : nil
        case 1: break
        default: throw .proxyCommand
        }
        guard let family = Family(rawValue: bytes[13] >> 4) else { throw .proxyFamily }
        guard let transport = Transport(rawValue: bytes[13] & 0xF) else { throw .proxyTransport }
        guard length - fixedSize >= family.size else { throw .proxyAddressesCutShort }
        guard bytes.count >= length else { return nil }
        let header = bytes.extracting(0..<length)
        // Nobody knows where the extensions of an unknown family begin.
        if family != .unspecified { try checkExtensions(header, from: fixedSize + family.size) }
        let ends = transport == .unspecified ? nil : ends(header, family)
        return ProxyHeader(version: .v2, ends: ends, length: length)
    }

    /// Both addresses, then both ports. `header` is long enough for the family.
    private static func ends(_ header: Span<UInt8>, _ family: Family) -> ProxyHeader.Ends? {
        func number(_ start: Int, _ size: Int) -> UInt64 {
            var number: UInt64 = 0
            for index in start..<(start + size) { number = number &<< 8 | UInt64(header[index]) }
            return number
        }
        func end(_ address: IPAddress, portAt start: Int) -> IPEndpoint {
            IPEndpoint(address: address, port: UInt16(truncatingIfNeeded: number(start, 2)))
        }
        switch family {
        case .inet:
            return ProxyHeader.Ends(
                source: end(IPAddress(ipv4: UInt32(truncatingIfNeeded: number(16, 4))), portAt: 24),
                destination: end(IPAddress(ipv4: UInt32(truncatingIfNeeded: number(20, 4))), portAt: 26))
        case .inet6:
            return ProxyHeader.Ends(
                source: end(IPAddress(high: number(16, 8), low: number(24, 8)), portAt: 48),
                destination: end(IPAddress(high: number(32, 8), low: number(40, 8)), portAt: 50))
        case .unspecified, .unix: return nil
        }
    }

    // MARK: Extensions

    /// The extension that holds a CRC32C of the whole header (proxy-protocol.txt §2.2.3, PP2_TYPE_CRC32C).
    private static let checksumType: UInt8 = 0x03

    /// Each extension is a type, a length of two bytes, and so many bytes. They are skipped, but for the checksum:
    /// it must be right if there is one.
    private static func checkExtensions(_ header: Span<UInt8>, from start: Int) throws(PrologueViolation) {
        var at = start
        var checksum: Int?
        while at < header.count {
            guard header.count - at >= 3 else { throw .proxyExtension }
            let length = Int(header[at + 1]) << 8 | Int(header[at + 2])
            guard header.count - at - 3 >= length else { throw .proxyExtension }
            if header[at] == checksumType {
                guard length == 4, checksum == nil else { throw .proxyExtension }
                checksum = at + 3
            }
            at += 3 + length
        }
        guard let checksum else { return }
        var said: UInt32 = 0
        for index in checksum..<(checksum + 4) { said = said &<< 8 | UInt32(header[index]) }
        guard CRC32C.of(header, withZerosAt: checksum..<(checksum + 4)) == said else { throw .proxyChecksum }
    }
}
