/// Base64 with the standard alphabet and padding (RFC 4648 §4), one text for each sequence of bytes.
package enum Base64 {
    private static let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    private static let padding: UInt8 = 0x3D

    /// The text for `bytes`, four characters for each three.
    package static func encode(_ bytes: [UInt8]) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity((bytes.count + 2) / 3 * 4)
        var (word, bits) = (UInt32(0), 0)
        for byte in bytes {
            word = word << 8 | UInt32(byte)
            bits += 8
            while bits >= 6 {
                bits -= 6
                text.append(digits[Int(word >> UInt32(bits) & 63)])
            }
        }
        if bits > 0 { text.append(digits[Int(word << UInt32(6 - bits) & 63)]) }
        while text.count % 4 != 0 { text.append(padding) }
        return text
    }

    /// The bytes that `text` stands for. nil if `encode` would not have written it: other characters, blanks among
    /// them, padding that is missing or too much, bits that say nothing and are not 0 (RFC 4648 §3.5).
    package static func decode(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        guard text.count % 4 == 0 else { return nil }
        let padded = text.suffix(2).count { $0 == padding }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count / 4 * 3)
        var (word, bits) = (UInt32(0), 0)
        for character in text.dropLast(padded) {
            guard let digit = value(character) else { return nil }
            word = word << 6 | digit
            bits += 6
            guard bits >= 8 else { continue }
            bits -= 8
            bytes.append(UInt8(truncatingIfNeeded: word >> UInt32(bits)))
        }
        return word & (1 << UInt32(bits) - 1) == 0 ? bytes : nil
    }

    private static func value(_ character: UInt8) -> UInt32? {
        switch character {
        case 0x41...0x5A: UInt32(character) - 0x41
        case 0x61...0x7A: UInt32(character) - 0x61 + 26
        case 0x30...0x39: UInt32(character) - 0x30 + 52
        case 0x2B: 62
        case 0x2F: 63
        default: nil
        }
    }
}
