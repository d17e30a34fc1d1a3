/// Octet classes of RFC 9110 §5.6 and the few scans and comparisons that a head needs.
///
/// A class is two 64-bit words, one bit per ASCII octet: no table in memory, no branch on the octet's value.
enum Octet {
    static let tab: UInt8 = 0x09
    static let lineFeed: UInt8 = 0x0A
    static let carriageReturn: UInt8 = 0x0D
    static let space: UInt8 = 0x20
    static let numberSign: UInt8 = 0x23
    static let asterisk: UInt8 = 0x2A
    static let comma: UInt8 = 0x2C
    static let slash: UInt8 = 0x2F
    static let colon: UInt8 = 0x3A
    static let semicolon: UInt8 = 0x3B
    static let questionMark: UInt8 = 0x3F
    static let openBracket: UInt8 = 0x5B
    static let closeBracket: UInt8 = 0x5D
    static let underscore: UInt8 = 0x5F

    /// tchar (RFC 9110 §5.6.2).
    @inline(__always)
    static func isToken(_ octet: UInt8) -> Bool {
        isIn(octet, low: 0x03FF_6CFA_0000_0000, high: 0x57FF_FFFF_C7FF_FFFE)
    }

    /// What a registered name may hold here: letters, digits, `-`, `.`, `_`.
    @inline(__always)
    static func isHost(_ octet: UInt8) -> Bool {
        isIn(octet, low: 0x03FF_6000_0000_0000, high: 0x07FF_FFFE_87FF_FFFE)
    }

    @inline(__always)
    private static func isIn(_ octet: UInt8, low: UInt64, high: UInt64) -> Bool {
        let word = octet < 64 ? low : high
        return octet < 128 && (word &>> UInt64(octet)) & 1 == 1
    }

    @inline(__always)
    static func isDigit(_ octet: UInt8) -> Bool { octet &- 0x30 < 10 }

    /// OWS (RFC 9110 §5.6.3).
    @inline(__always)
    static func isBlank(_ octet: UInt8) -> Bool { octet == space || octet == tab }

    /// Anything a field value may hold between its ends: HTAB, SP, VCHAR and obs-text (RFC 9110 §5.5).
    @inline(__always)
    static func isFieldValue(_ octet: UInt8) -> Bool { octet >= space && octet != 0x7F || octet == tab }

    /// The value of a hexadecimal digit.
    @inline(__always)
    static func hexadecimal(_ octet: UInt8) -> UInt8? {
        if isDigit(octet) { return octet &- 0x30 }
        let letter = (octet | 0x20) &- 0x61
        return letter < 6 ? letter &+ 10 : nil
    }

    @inline(__always)
    static func lowercased(_ octet: UInt8) -> UInt8 { octet &- 0x41 < 26 ? octet | 0x20 : octet }

    /// The first control octet (below SP, or DEL) at or after `start`, or `end`. Eight octets a step: it is what finds
    /// line ends, and it checks every octet of a head on the way.
    @inline(__always)
    static func firstControl(_ input: Span<UInt8>, from start: Int, to end: Int) -> Int {
        var index = start
        let bytes = input.bytes
        while end - index >= 8 {
            let word = UInt64(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self))
            // A borrow can only set a mark above a true one, so the lowest mark is exact.
            let belowSpace = (word &- 0x2020_2020_2020_2020) & ~word
            let difference = word ^ 0x7F7F_7F7F_7F7F_7F7F
            let delete = (difference &- 0x0101_0101_0101_0101) & ~difference
            let marks = (belowSpace | delete) & 0x8080_8080_8080_8080
            if marks != 0 { return index + marks.trailingZeroBitCount / 8 }
            index += 8
        }
        while index < end {
            let octet = input[index]
            if octet < space || octet == 0x7F { return index }
            index += 1
        }
        return index
    }

    /// The range without blanks at either end.
    @inline(__always)
    static func trimmed(_ input: Span<UInt8>, _ range: Range<Int>) -> Range<Int> {
        var start = range.lowerBound
        var end = range.upperBound
        while start < end, isBlank(input[start]) { start += 1 }
        while start < end, isBlank(input[end - 1]) { end -= 1 }
        return start..<end
    }

    /// Whether the octets at `range` spell `text` exactly.
    @inline(__always)
    static func equal(_ input: Span<UInt8>, _ range: Range<Int>, _ text: StaticString) -> Bool {
        guard range.count == text.utf8CodeUnitCount else { return false }
        for index in 0..<range.count where input[range.lowerBound + index] != text.utf8Start[index] { return false }
        return true
    }

    /// Whether the octets at `range` spell `text`, which is in lower case, in any case.
    @inline(__always)
    static func equalIgnoringCase(_ input: Span<UInt8>, _ range: Range<Int>, _ text: StaticString) -> Bool {
        guard range.count == text.utf8CodeUnitCount else { return false }
        for index in 0..<range.count where lowercased(input[range.lowerBound + index]) != text.utf8Start[index] {
            return false
        }
        return true
    }

    /// Whether two ranges spell the same in any case.
    static func equalIgnoringCase(_ input: Span<UInt8>, _ range: Range<Int>, _ other: Range<Int>) -> Bool {
        guard range.count == other.count else { return false }
        for index in 0..<range.count
        where lowercased(input[range.lowerBound + index]) != lowercased(input[other.lowerBound + index]) {
            return false
        }
        return true
    }
}

/// Walks the elements of a comma-separated list in a field value (RFC 9110 §5.6.1), skipping empty ones.
///
/// It knows nothing of quoted strings: use it where an element cannot hold one, or where a false split does no harm.
struct ListElements {
    private var next: Int
    private let end: Int

    init(_ value: Range<Int>) {
        next = value.lowerBound
        end = value.upperBound
    }

    mutating func take(_ input: Span<UInt8>) -> Range<Int>? {
        while next < end {
            let start = next
            var stop = start
            while stop < end, input[stop] != Octet.comma { stop += 1 }
            next = stop < end ? stop + 1 : end
            let element = Octet.trimmed(input, start..<stop)
            if !element.isEmpty { return element }
        }
        return nil
    }
}
