/// What a head is written with, besides pieces of the one it was made from.
extension ByteBuffer {
    /// Appends a literal. Under a name of its own because a bare literal given to `append` is a `String`, which is
    /// slower to take apart.
    @inline(__always)
    mutating func appendLiteral(_ text: StaticString) {
        append(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// Appends `value` in decimal digits.
    mutating func appendDecimal(_ value: UInt64) {
        var count = 1
        var rest = value
        while rest >= 10 {
            rest /= 10
            count += 1
        }
        // 2⁶⁴ has 20 digits.
        let room = reserve(20)
        rest = value
        for index in stride(from: count - 1, through: 0, by: -1) {
            room[index] = UInt8(truncatingIfNeeded: rest % 10) | 0x30
            rest /= 10
        }
        commit(count)
    }
}
