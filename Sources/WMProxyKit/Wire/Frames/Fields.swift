/// A control payload: fields of key (8 bits), length (16 bits, big-endian) and value, in any order, each key at most
/// once.
///
/// A key the reader does not know is skipped, so fields can be added; what may not be skipped gets a new frame type.
package struct FieldReader {
    private var values: [UInt8: [UInt8]] = [:]

    package init(_ payload: Span<UInt8>) throws(ProtocolViolation) {
        var at = 0
        while at < payload.count {
            guard payload.count - at >= 3 else { throw ProtocolViolation("a field is cut short") }
            let key = payload[at]
            let length = Int(payload[at + 1]) << 8 | Int(payload[at + 2])
            guard payload.count - at - 3 >= length else { throw ProtocolViolation("a field is longer than its frame") }
            var value: [UInt8] = []
            value.reserveCapacity(length)
            for index in at + 3..<at + 3 + length { value.append(payload[index]) }
            guard values.updateValue(value, forKey: key) == nil else {
                throw ProtocolViolation("field \(key) stands twice")
            }
            at += 3 + length
        }
    }

    package func bytes(_ key: UInt8, max: Int) throws(ProtocolViolation) -> [UInt8] {
        guard let value = values[key] else { return [] }
        guard value.count <= max else { throw ProtocolViolation("field \(key) is longer than \(max) bytes") }
        return value
    }

    /// A text of at most `max` bytes of UTF-8 without control characters; "" if absent.
    package func text(_ key: UInt8, max: Int) throws(ProtocolViolation) -> String {
        let value = try bytes(key, max: max)
        // Texts end in logs: the C1 controls, U+009B among them, would steer a terminal as well.
        guard let text = String(validating: value, as: UTF8.self),
            text.unicodeScalars.allSatisfy({ $0.value >= 0x20 && !(0x7F...0x9F).contains($0.value) })
        else { throw ProtocolViolation("field \(key) is not a text") }
        return text
    }

    /// An unsigned number of 1 to 8 bytes; `absent` if the field is not there.
    package func number(_ key: UInt8, absent: UInt64 = 0) throws(ProtocolViolation) -> UInt64 {
        guard let value = values[key] else { return absent }
        guard (1...8).contains(value.count) else { throw ProtocolViolation("field \(key) is not a number") }
        return value.reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// As `number`, for values that must fit `type`.
    package func number<T: FixedWidthInteger>(_ key: UInt8, as type: T.Type, absent: T = 0) throws(ProtocolViolation)
        -> T
    {
        guard let value = T(exactly: try number(key, absent: UInt64(absent))) else {
            throw ProtocolViolation("field \(key) is out of range")
        }
        return value
    }
}

/// Builds a control payload.
package struct FieldWriter {
    package private(set) var payload: [UInt8] = []

    package init() {}

    /// Values are cut to what a frame can carry; callers keep texts far below that.
    package mutating func add(_ key: UInt8, _ value: [UInt8]) {
        let value = value.prefix(ProtocolLimits.maxControlFrame - 3)
        payload.append(key)
        payload.append(UInt8(truncatingIfNeeded: value.count >> 8))
        payload.append(UInt8(truncatingIfNeeded: value.count))
        payload.append(contentsOf: value)
    }

    /// A text as `FieldReader.text` takes it: without control characters, cut to `max` bytes. Nothing if it is empty.
    package mutating func add(_ key: UInt8, _ text: String, max: Int = 512) {
        var bytes: [UInt8] = []
        for scalar in text.unicodeScalars where scalar.properties.generalCategory != .control {
            let utf8 = UTF8.encode(scalar).map(Array.init) ?? []
            guard bytes.count + utf8.count <= max else { break }
            bytes += utf8
        }
        if !bytes.isEmpty { add(key, bytes) }
    }

    package mutating func add(_ key: UInt8, _ number: some FixedWidthInteger & UnsignedInteger) {
        let width = number.bitWidth / 8
        add(key, (0..<width).map { UInt8(truncatingIfNeeded: number >> ((width - 1 - $0) * 8)) })
    }
}
