/// Version 1, a line of text (proxy-protocol.txt §2.1):
///
///     PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n
enum ProxyHeaderLine {
    static func read(_ bytes: Span<UInt8>) throws(PrologueViolation) -> ProxyHeader? {
        let word: StaticString = "PROXY "
        let known = min(bytes.count, word.utf8CodeUnitCount)
        for index in 0..<known where bytes[index] != word.utf8Start[index] { throw .noProxyHeader }
        guard known == word.utf8CodeUnitCount, let end = try end(of: bytes, from: known) else { return nil }
        let ends = try ends(bytes, known..<end)
        return ProxyHeader(version: .v1, ends: ends, length: end + 2)
    }

    /// Where the CR of the CRLF stands; nil if the line goes on.
    private static func end(of bytes: Span<UInt8>, from start: Int) throws(PrologueViolation) -> Int? {
        for index in start..<min(bytes.count, ProxyHeaderReader.maximumLine) {
            let octet = bytes[index]
            if bytes[index - 1] == Octet.carriageReturn {
                guard octet == Octet.lineFeed else { throw .proxyLineOctet }
                return index - 1
            }
            guard (Octet.space...0x7E).contains(octet) || octet == Octet.carriageReturn else { throw .proxyLineOctet }
        }
        guard bytes.count < ProxyHeaderReader.maximumLine else { throw .proxyLineTooLong }
        return nil
    }

    /// Family, addresses, ports, with one space between two of them.
    private static func ends(_ bytes: Span<UInt8>, _ line: Range<Int>) throws(PrologueViolation) -> ProxyHeader.Ends? {
        var at = line.lowerBound
        /// The octets up to the next space, which is skipped; at the end there is none.
        func word() -> Range<Int> {
            let start = at
            while at < line.upperBound, bytes[at] != Octet.space { at += 1 }
            let word = start..<at
            at += 1
            return word
        }
        let family = word()
        // Whatever follows is to be ignored.
        if Octet.equal(bytes, family, "UNKNOWN") { return nil }
        let isIPv4 = Octet.equal(bytes, family, "TCP4")
        guard isIPv4 || Octet.equal(bytes, family, "TCP6") else { throw .proxyFamily }
        func address() -> IPAddress? {
            at < line.upperBound ? Self.address(bytes.extracting(word()), isIPv4: isIPv4) : nil
        }
        func port() -> UInt16? { at < line.upperBound ? Self.port(bytes.extracting(word())) : nil }
        guard let source = address(), let destination = address(), let sourcePort = port(),
            let destinationPort = port(), at == line.upperBound + 1
        else { throw .proxyFields }
        return ProxyHeader.Ends(
            source: IPEndpoint(address: source, port: sourcePort),
            destination: IPEndpoint(address: destination, port: destinationPort))
    }

    /// An address of TCP6 may be an IPv4 address inside IPv6, as a proxy writes it for mixed families.
    private static func address(_ text: Span<UInt8>, isIPv4: Bool) -> IPAddress? {
        isIPv4 ? IPAddressReader.ipv4(text) : IPAddressReader.ipv6(text)
    }

    /// 0–65535 without leading zeros.
    private static func port(_ text: Span<UInt8>) -> UInt16? {
        guard (1...5).contains(text.count), text.count == 1 || text[0] != 0x30 else { return nil }
        var number: UInt32 = 0  // at most five digits
        for index in 0..<text.count {
            guard Octet.isDigit(text[index]) else { return nil }
            number = number &* 10 &+ UInt32(text[index] &- 0x30)
        }
        return UInt16(exactly: number)
    }
}
