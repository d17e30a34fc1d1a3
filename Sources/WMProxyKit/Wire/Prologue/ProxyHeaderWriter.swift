/// Writes a PROXY header for a service, the shortest that says it.
package enum ProxyHeaderWriter {
    /// Appends the header of a TCP connection between `ends`; nil says that nothing is known of it: UNKNOWN in version
    /// 1, LOCAL in version 2.
    ///
    /// If one end is IPv4 and the other IPv6, the first is written as IPv6: a header has one family.
    package static func write(_ version: ProxyHeader.Version, _ ends: ProxyHeader.Ends?, into out: inout ByteBuffer) {
        switch version {
        case .v1: writeLine(ends, into: &out)
        case .v2: writeBinary(ends, into: &out)
        }
    }

    private static func writeLine(_ ends: ProxyHeader.Ends?, into out: inout ByteBuffer) {
        guard let ends else { return out.append("PROXY UNKNOWN\r\n" as StaticString) }
        if ends.areIPv4 {
            out.append("PROXY TCP4 " as StaticString)
            AddressText(ends.source.address).write(into: &out)
            out.append(Octet.space)
            AddressText(ends.destination.address).write(into: &out)
        } else {
            out.append("PROXY TCP6 " as StaticString)
            AddressText(asIPv6: ends.source.address).write(into: &out)
            out.append(Octet.space)
            AddressText(asIPv6: ends.destination.address).write(into: &out)
        }
        out.append(Octet.space)
        out.appendDecimal(UInt64(ends.source.port))
        out.append(Octet.space)
        out.appendDecimal(UInt64(ends.destination.port))
        out.append("\r\n" as StaticString)
    }

    private static func writeBinary(_ ends: ProxyHeader.Ends?, into out: inout ByteBuffer) {
        for index in 0..<ProxyHeaderBinary.signature.count { out.append(ProxyHeaderBinary.signature[index]) }
        guard let ends else { return out.append([0x20, 0x00, 0x00, 0x00]) }
        let family: ProxyHeaderBinary.Family = ends.areIPv4 ? .inet : .inet6
        out.append(0x21)
        out.append(family.rawValue << 4 | ProxyHeaderBinary.Transport.stream.rawValue)
        put(UInt64(family.size), 2, into: &out)
        for address in [ends.source.address, ends.destination.address] {
            if family == .inet6 { put(address.high, 8, into: &out) }
            put(address.low, family == .inet6 ? 8 : 4, into: &out)
        }
        put(UInt64(ends.source.port), 2, into: &out)
        put(UInt64(ends.destination.port), 2, into: &out)
    }

    /// The last `size` bytes of a number, big-endian.
    private static func put(_ number: UInt64, _ size: Int, into out: inout ByteBuffer) {
        for index in (0..<size).reversed() { out.append(UInt8(truncatingIfNeeded: number >> UInt64(index * 8))) }
    }
}

extension ProxyHeader.Ends {
    fileprivate var areIPv4: Bool { source.address.isIPv4 && destination.address.isIPv4 }
}
