/// Reads the text forms of addresses, and nothing that is only nearly one.
enum IPAddressReader {
    /// Four decimal numbers of 0–255 without leading zeros (RFC 3986 §3.2.2, IPv4address).
    static func ipv4(_ text: Span<UInt8>) -> IPAddress? {
        number(text, from: 0).map { IPAddress(ipv4: $0) }
    }

    /// Eight groups of 1–4 hexadecimal digits, one run of them perhaps `::`, the last two perhaps written as IPv4 (RFC
    /// 3986 §3.2.2, IPv6address).
    static func ipv6(_ text: Span<UInt8>) -> IPAddress? {
        var groups = InlineArray<8, UInt16>(repeating: 0)
        var count = 0
        // How many groups stand before `::`.
        var gap: Int?
        var index = 0
        if text.count >= 2, text[0] == Octet.colon {
            guard text[1] == Octet.colon else { return nil }
            gap = 0
            index = 2
        }
        while index < text.count {
            let start = index
            var group: UInt16 = 0
            while index < text.count, index - start < 4, let digit = Octet.hexadecimal(text[index]) {
                group = group &<< 4 | UInt16(digit)
                index += 1
            }
            if index < text.count, text[index] == UInt8(ascii: ".") {
                guard count <= 6, let four = number(text, from: start) else { return nil }
                groups[count] = UInt16(truncatingIfNeeded: four >> 16)
                groups[count + 1] = UInt16(truncatingIfNeeded: four)
                count += 2
                break
            }
            guard index > start, count < 8 else { return nil }
            groups[count] = group
            count += 1
            guard index < text.count else { break }
            guard text[index] == Octet.colon, index + 1 < text.count else { return nil }
            index += 1
            if text[index] == Octet.colon {
                guard gap == nil else { return nil }
                gap = count
                index += 1
            }
        }
        guard gap == nil ? count == 8 : count < 8 else { return nil }
        return address(groups, count, gap: gap ?? count)
    }

    /// The first `count` groups, those from `gap` on moved to the end.
    private static func address(_ groups: InlineArray<8, UInt16>, _ count: Int, gap: Int) -> IPAddress {
        var halves = InlineArray<2, UInt64>(repeating: 0)
        for index in 0..<count {
            let place = index < gap ? index : index + 8 - count
            halves[place >> 2] |= UInt64(groups[index]) &<< UInt64((3 - place & 3) * 16)
        }
        return IPAddress(high: halves[0], low: halves[1])
    }

    /// The IPv4 address from `start` to the end.
    private static func number(_ text: Span<UInt8>, from start: Int) -> UInt32? {
        var number: UInt32 = 0
        var parts = 0
        var index = start
        while true {
            let first = index
            var part: UInt32 = 0  // at most three digits
            while index < text.count, index - first < 3, Octet.isDigit(text[index]) {
                part = part &* 10 &+ UInt32(text[index] &- 0x30)
                index += 1
            }
            guard index > first, part <= 255, index - first == 1 || text[first] != 0x30 else { return nil }
            number = number &<< 8 | part
            parts += 1
            guard parts < 4 else { return index == text.count ? number : nil }
            guard index < text.count, text[index] == UInt8(ascii: ".") else { return nil }
            index += 1
        }
    }
}
