/// Bytes that wait for a slow reader, many of them perhaps: first in, first out, in chunks.
///
/// Unlike a `ByteBuffer` it never moves what waits, nor needs room for twice as much while it grows: it costs what
/// waits and one chunk. It owns no memory while it is empty. Not thread-safe: it lives where its owner lives.
package struct ByteQueue: ~Copyable {
    /// Stands at the start of a chunk's memory; the bytes come behind it.
    private struct Chunk {
        var next: UnsafeMutablePointer<Chunk>?
        let capacity: Int
        /// Bytes written.
        var tail = 0

        static let largest = 32 * 1024 - MemoryLayout<Chunk>.size
    }

    private var first: UnsafeMutablePointer<Chunk>?
    private var last: UnsafeMutablePointer<Chunk>?
    /// Bytes of the first chunk that are gone.
    private var head = 0
    /// Bytes that wait.
    package private(set) var count = 0

    package init() {}

    deinit { Self.free(from: first) }

    package var isEmpty: Bool { count == 0 }

    /// The bytes that are next: all that lie together, none if the queue is empty. Valid until the next mutating call.
    package var readable: UnsafeRawBufferPointer {
        guard let first else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        return UnsafeRawBufferPointer(start: Self.bytes(of: first) + head, count: first.pointee.tail - head)
    }

    package mutating func append(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes
        while !rest.isEmpty {
            let chunk = chunkWithRoom(for: rest.count)
            let size = min(rest.count, chunk.pointee.capacity - chunk.pointee.tail)
            let room = UnsafeMutableRawBufferPointer(start: Self.bytes(of: chunk) + chunk.pointee.tail, count: size)
            room.copyMemory(from: UnsafeRawBufferPointer(rebasing: rest[..<size]))
            chunk.pointee.tail += size
            count += size
            rest = UnsafeRawBufferPointer(rebasing: rest[size...])
        }
    }

    /// Forgets the first `size` of `readable`.
    package mutating func consume(_ size: Int) {
        guard let chunk = first else { return }
        let left = chunk.pointee.tail - head
        assert(size >= 0 && size <= left, "consume beyond the readable bytes")
        let size = max(0, min(size, left))
        count -= size
        head += size
        guard size == left else { return }
        head = 0
        first = chunk.pointee.next
        if first == nil { last = nil }
        chunk.deallocate()
    }

    /// Forgets all.
    package mutating func removeAll() {
        Self.free(from: first)
        (first, last, head, count) = (nil, nil, 0, 0)
    }

    /// The last chunk, or a new one: as large as it has to be for `size` bytes, or to be twice as large as the one
    /// before, so that little costs little and much is not in pieces.
    private mutating func chunkWithRoom(for size: Int) -> UnsafeMutablePointer<Chunk> {
        if let last, last.pointee.tail < last.pointee.capacity { return last }
        let capacity = min(max(size, 2 * (last?.pointee.capacity ?? 0), 256), Chunk.largest)
        let memory = UnsafeMutableRawPointer.allocate(
            byteCount: MemoryLayout<Chunk>.size + capacity, alignment: MemoryLayout<Chunk>.alignment)
        let chunk = memory.initializeMemory(as: Chunk.self, to: Chunk(capacity: capacity))
        if let last { last.pointee.next = chunk } else { first = chunk }
        last = chunk
        return chunk
    }

    private static func bytes(of chunk: UnsafeMutablePointer<Chunk>) -> UnsafeMutableRawPointer {
        UnsafeMutableRawPointer(chunk + 1)
    }

    private static func free(from first: UnsafeMutablePointer<Chunk>?) {
        var chunk = first
        while let this = chunk {
            chunk = this.pointee.next
            this.deallocate()
        }
    }
}
