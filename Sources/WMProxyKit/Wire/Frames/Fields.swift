/// A control payload: fields of key (8 bits), length (16 bits, big-endian) and value, in any order, each key at most
/// once.
///
/// A key the reader does not know is skipped, so fields can be added; what may not be skipped gets a new frame type.
package struct FieldReader {
    /// Checked by `init`: walking over it meets no violation.
    private let payload: [UInt8]

    package init(_ payload: Span<UInt8>) throws(ProtocolViolation) {
        var cursor = FieldCursor()
        while try cursor.next(in: payload) != nil {}
        self.payload = payload.withUnsafeBytes { Array($0) }
    }

    package func bytes(_ key: UInt8, max: Int) throws(ProtocolViolation) -> [UInt8] {
        try find(key)?.bytes(in: payload.span, max: max) ?? []
    }

    /// A text of at most `max` bytes of UTF-8 without control characters; "" if absent.
    package func text(_ key: UInt8, max: Int) throws(ProtocolViolation) -> String {
        try find(key)?.text(in: payload.span, max: max) ?? ""
    }

    /// An unsigned number of 1 to 8 bytes; `absent` if the field is not there.
    package func number(_ key: UInt8, absent: UInt64 = 0) throws(ProtocolViolation) -> UInt64 {
        try number(key, as: UInt64.self, absent: absent)
    }

    /// As `number`, for values that must fit `type`.
    package func number<T: FixedWidthInteger>(_ key: UInt8, as type: T.Type, absent: T = 0) throws(ProtocolViolation)
        -> T
    {
        try find(key)?.number(in: payload.span) ?? absent
    }

    /// There are few fields: looking through them costs less than a table.
    private func find(_ key: UInt8) -> Field? {
        var cursor = FieldCursor()
        while let field = try? cursor.next(in: payload.span) { if field.key == key { return field } }
        return nil
    }
}

/// Walks over the fields of a payload and checks that they are whole and each there once. Owns no memory: what comes
/// once per visitor is read where it stands.
struct FieldCursor {
    private var at = 0
    /// One bit for each key that has been there.
    private var seen = InlineArray<4, UInt64>(repeating: 0)

    /// The next field; nil at the end. `payload` is the same in each call.
    mutating func next(in payload: Span<UInt8>) throws(ProtocolViolation) -> Field? {
        let left = payload.count - at
        guard left > 0 else { return nil }
        guard left >= 3 else { throw ProtocolViolation("a field is cut short") }
        let field = Field(
            key: payload[at], start: at + 3, count: Int(payload[at + 1]) << 8 | Int(payload[at + 2]))
        guard left - 3 >= field.count else { throw ProtocolViolation("a field is longer than its frame") }
        let (word, bit) = (Int(field.key >> 6), UInt64(1) << UInt64(field.key & 63))
        guard seen[word] & bit == 0 else { throw ProtocolViolation("field \(field.key) stands twice") }
        seen[word] |= bit
        at = field.start + field.count
        return field
    }
}

/// Where a field's value stands in its payload, which is handed in again to read it.
struct Field {
    let key: UInt8
    let start: Int
    let count: Int

    private var range: Range<Int> { start..<start + count }

    func bytes(in payload: Span<UInt8>, max: Int) throws(ProtocolViolation) -> [UInt8] {
        guard count <= max else { throw ProtocolViolation("field \(key) is longer than \(max) bytes") }
        return payload.extracting(range).withUnsafeBytes { Array($0) }
    }

    func text(in payload: Span<UInt8>, max: Int) throws(ProtocolViolation) -> String {
        guard count <= max else { throw ProtocolViolation("field \(key) is longer than \(max) bytes") }
        let text = payload.extracting(range).withUnsafeBytes { value in
            Self.hasControls(value) ? nil : String(validating: value, as: UTF8.self)
        }
        guard let text else { throw ProtocolViolation("field \(key) is not a text") }
        return text
    }

    func number<T: FixedWidthInteger>(in payload: Span<UInt8>) throws(ProtocolViolation) -> T {
        guard (1...8).contains(count) else { throw ProtocolViolation("field \(key) is not a number") }
        var number: UInt64 = 0
        for index in range { number = number << 8 | UInt64(payload[index]) }
        guard let value = T(exactly: number) else { throw ProtocolViolation("field \(key) is out of range") }
        return value
    }

    /// Texts end in logs: the C1 controls, U+009B among them, would steer a terminal as well. In UTF-8 they are 0xC2
    /// and one of 0x80 to 0x9F.
    static func hasControls(_ value: UnsafeRawBufferPointer) -> Bool {
        var previous: UInt8 = 0
        for byte in value {
            if byte < 0x20 || byte == 0x7F || previous == 0xC2 && byte < 0xA0 { return true }
            previous = byte
        }
        return false
    }
}

/// Builds a control payload.
package struct FieldWriter {
    package private(set) var payload: [UInt8] = []

    package init() {
        // Most messages are no longer than that, OPEN among them.
        payload.reserveCapacity(64)
    }

    /// Longest value that a frame can carry. Values are cut to it; callers keep texts far below that.
    private static let longest = ProtocolLimits.maxControlFrame - 3

    package mutating func add(_ key: UInt8, _ value: [UInt8]) {
        let value = value.prefix(Self.longest)
        begin(key, count: value.count)
        payload.append(contentsOf: value)
    }

    /// A text as `FieldReader.text` takes it: without control characters, cut to `max` bytes. Nothing if it is empty.
    package mutating func add(_ key: UInt8, _ text: String, max: Int = 512) {
        let begun = payload.count
        begin(key, count: 0)
        let first = payload.count
        let most = min(max, Self.longest)
        for scalar in text.unicodeScalars where scalar.value >= 0x20 && !(0x7F...0x9F).contains(scalar.value) {
            let utf8 = scalar.utf8
            guard payload.count - first + utf8.count <= most else { break }
            payload.append(contentsOf: utf8)
        }
        let count = payload.count - first
        if count == 0 {
            payload.removeSubrange(begun...)
        } else {
            payload[begun + 1] = UInt8(truncatingIfNeeded: count >> 8)
            payload[begun + 2] = UInt8(truncatingIfNeeded: count)
        }
    }

    package mutating func add(_ key: UInt8, _ number: some FixedWidthInteger & UnsignedInteger) {
        let width = number.bitWidth / 8
        begin(key, count: width)
        for index in 0..<width {
            payload.append(UInt8(truncatingIfNeeded: number >> ((width - 1 - index) * 8)))
        }
    }

    private mutating func begin(_ key: UInt8, count: Int) {
        payload.append(key)
        payload.append(UInt8(truncatingIfNeeded: count >> 8))
        payload.append(UInt8(truncatingIfNeeded: count))
    }
}
