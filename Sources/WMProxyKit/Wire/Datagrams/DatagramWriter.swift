/// Writes datagrams into the bytes of a stream: each is its length, 16 bits big-endian, and itself.
package enum DatagramWriter {
    package static let headerSize = 2

    /// What a datagram of `count` bytes takes of a stream; nil if none is that long.
    package static func size(of count: Int) -> Int? {
        (0...ProtocolLimits.maxDatagram).contains(count) ? headerSize + count : nil
    }

    /// Writes `datagram` to the beginning of `room`, and returns how many bytes that were. 0, and nothing is written,
    /// if it is too long for a datagram or for the room: it goes as a whole or not at all.
    package static func write(_ datagram: UnsafeRawBufferPointer, to room: UnsafeMutableRawBufferPointer) -> Int {
        guard let size = size(of: datagram.count), size <= room.count else { return 0 }
        writeHeader(datagram.count, to: room)
        UnsafeMutableRawBufferPointer(rebasing: room[headerSize..<size]).copyMemory(from: datagram)
        return size
    }

    /// Writes the length alone, before a datagram of `count` bytes that stands behind it already. `count` is one that
    /// `size(of:)` takes, and `room` is at least `headerSize` long.
    package static func writeHeader(_ count: Int, to room: UnsafeMutableRawBufferPointer) {
        room.storeBytes(of: UInt16(truncatingIfNeeded: count).bigEndian, as: UInt16.self)
    }
}
