/// Walks over the numbers and vectors of a TLS structure (RFC 8446 §3.3, §3.4) without leaving it. Owns no memory: the
/// message is handed in again for each.
struct VectorCursor {
    private var at: Int
    private let end: Int
    /// What is thrown where the structure is malformed.
    let violation: PrologueViolation

    /// `range` lies within the message.
    init(_ range: Range<Int>, orThrow violation: PrologueViolation) {
        at = range.lowerBound
        end = range.upperBound
        self.violation = violation
    }

    /// What is left.
    var range: Range<Int> { at..<end }
    /// Bytes left.
    var count: Int { end - at }
    var isAtEnd: Bool { at == end }

    mutating func skip(_ size: Int) throws(PrologueViolation) {
        guard size <= count else { throw violation }
        at += size
    }

    /// The next `size` bytes, at most 3, as a number.
    mutating func number(_ size: Int, of message: Span<UInt8>) throws(PrologueViolation) -> Int {
        let start = at
        try skip(size)
        var number = 0
        for index in start..<at { number = number << 8 | Int(message[index]) }
        return number
    }

    /// The next vector, which has its length in front, in as many bytes as the greatest of `lengths` needs.
    mutating func vector(_ lengths: ClosedRange<Int>, of message: Span<UInt8>) throws(PrologueViolation) -> VectorCursor
    {
        let length = try number(lengths.upperBound < 256 ? 1 : 2, of: message)
        guard lengths.contains(length) else { throw violation }
        let start = at
        try skip(length)
        return VectorCursor(start..<at, orThrow: violation)
    }
}
