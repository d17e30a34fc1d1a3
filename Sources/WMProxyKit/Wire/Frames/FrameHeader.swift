/// The eight bytes before every payload: length (24 bits), type (8), stream (32), all big-endian.
package struct FrameHeader: Equatable, Sendable {
    package static let size = 8

    /// Bytes of payload behind the header, 0 … 2²⁴ − 1; `ProtocolLimits` narrows it by type.
    package let length: Int
    package let type: FrameType
    /// The stream the frame belongs to; 0 is the session itself.
    package let stream: UInt32

    package init(length: Int, type: FrameType, stream: UInt32) {
        self.length = length
        self.type = type
        self.stream = stream
    }

    /// Reads a header. `bytes` holds at least `size` bytes.
    @inline(__always)
    package init(reading bytes: UnsafeRawBufferPointer) {
        let first = UInt32(bigEndian: bytes.loadUnaligned(as: UInt32.self))
        length = Int(first >> 8)
        type = FrameType(rawValue: UInt8(truncatingIfNeeded: first))
        stream = UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
    }

    /// Writes the header over the first `size` bytes of `room`.
    @inline(__always)
    package func write(to room: UnsafeMutableRawBufferPointer) {
        let first = UInt32(truncatingIfNeeded: length) << 8 | UInt32(type.rawValue)
        room.storeBytes(of: first.bigEndian, as: UInt32.self)
        room.storeBytes(of: stream.bigEndian, toByteOffset: 4, as: UInt32.self)
    }
}
