/// Finds the datagrams in the bytes of a stream, split anyhow.
///
///     var rest = bytes
///     while let datagram = try reader.next(in: &rest) { … }
///
/// The caller asks for each one, so it may close the stream between two. Only a datagram that comes in pieces is
/// copied; there is never more than one of these, and its memory grows with what has arrived of it, not with its
/// length.
package struct DatagramReader: ~Copyable {
    /// A datagram that is not whole yet, behind its length, of which the second byte may be missing as well.
    private var gathered = ByteBuffer()
    /// What is gathered was handed out, and goes with the next call.
    private var isHandedOut = false

    package init() {}

    /// Bytes in memory of a datagram that has not come as a whole; what ends here is not one.
    package var held: Int { isHandedOut ? 0 : gathered.count }

    /// Takes the next datagram, which may be empty, off `input`; nil when no other is whole: then all of `input` is
    /// taken. The datagram is valid as long as `input` is, and until the next call.
    ///
    /// A length that no datagram has is a violation, now and in every further call.
    package mutating func next(in input: inout UnsafeRawBufferPointer) throws(ProtocolViolation)
        -> UnsafeRawBufferPointer?
    {
        if isHandedOut {
            isHandedOut = false
            gathered.consume(gathered.count)
            gathered.releaseIfEmpty()
        }
        if !gathered.isEmpty { return try gather(&input) }
        guard input.count >= DatagramWriter.headerSize else {
            keep(input.count, of: &input)
            return nil
        }
        let size = DatagramWriter.headerSize + (try Self.length(input))
        guard input.count >= size else {
            keep(input.count, of: &input)
            return nil
        }
        let datagram = UnsafeRawBufferPointer(rebasing: input[DatagramWriter.headerSize..<size])
        input = UnsafeRawBufferPointer(rebasing: input[size...])
        return datagram
    }

    /// Adds what is missing to the datagram that has begun, no more.
    private mutating func gather(_ input: inout UnsafeRawBufferPointer) throws(ProtocolViolation)
        -> UnsafeRawBufferPointer?
    {
        keep(DatagramWriter.headerSize - gathered.count, of: &input)
        guard gathered.count >= DatagramWriter.headerSize else { return nil }
        let size = DatagramWriter.headerSize + (try Self.length(gathered.readable))
        keep(size - gathered.count, of: &input)
        guard gathered.count == size else { return nil }
        isHandedOut = true
        return UnsafeRawBufferPointer(rebasing: gathered.readable[DatagramWriter.headerSize...])
    }

    /// Moves up to `count` bytes from `input` to what is gathered.
    private mutating func keep(_ count: Int, of input: inout UnsafeRawBufferPointer) {
        let count = min(count, input.count)
        guard count > 0 else { return }
        gathered.append(UnsafeRawBufferPointer(rebasing: input[..<count]))
        input = UnsafeRawBufferPointer(rebasing: input[count...])
    }

    private static func length(_ header: UnsafeRawBufferPointer) throws(ProtocolViolation) -> Int {
        let length = Int(header[0]) << 8 | Int(header[1])
        guard length <= ProtocolLimits.maxDatagram else { throw ProtocolViolation("a datagram of \(length) bytes") }
        return length
    }
}
