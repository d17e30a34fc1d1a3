/// Bytes in transit: appended at the tail, consumed at the head, contiguous throughout.
///
/// A caller's mistake is an assertion in debug builds and cut to what there is in release: it must not cost a host its
/// life. Owns its memory and owns none while empty and released, so that an idle connection costs nothing. Not
/// thread-safe: it lives where its owner lives. The pointers it hands out are valid until the next mutating call.
package struct ByteBuffer: ~Copyable {
    private var base: UnsafeMutableRawPointer?
    private var capacity = 0
    private var head = 0
    private var tail = 0

    package init() {}

    deinit { base?.deallocate() }

    /// Bytes waiting to be consumed.
    package var count: Int { tail - head }
    package var isEmpty: Bool { head == tail }

    /// The waiting bytes.
    package var readable: UnsafeRawBufferPointer {
        guard let base else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        return UnsafeRawBufferPointer(start: base + head, count: tail - head)
    }

    /// Room for at least `size` more bytes behind the waiting ones; say with `commit` how many were written.
    package mutating func reserve(_ size: Int) -> UnsafeMutableRawBufferPointer {
        if capacity - tail < size { makeRoom(for: size) }
        guard let base else { return UnsafeMutableRawBufferPointer(start: nil, count: 0) }
        return UnsafeMutableRawBufferPointer(start: base + tail, count: capacity - tail)
    }

    /// Counts `size` bytes, written into what `reserve` returned, as waiting.
    package mutating func commit(_ size: Int) {
        assert(size >= 0 && size <= capacity - tail, "commit beyond the reserved room")
        tail += max(0, min(size, capacity - tail))
    }

    /// Forgets the first `size` waiting bytes.
    package mutating func consume(_ size: Int) {
        assert(size >= 0 && size <= tail - head, "consume beyond the waiting bytes")
        head += max(0, min(size, tail - head))
        if head == tail { (head, tail) = (0, 0) }
    }

    /// Moves all that waits into a buffer of its own.
    package mutating func take() -> ByteBuffer {
        var taken = ByteBuffer()
        swap(&taken, &self)
        return taken
    }

    /// Forgets the waiting bytes behind the first `size`.
    package mutating func truncate(to size: Int) {
        assert(size >= 0 && size <= tail - head, "truncate beyond the waiting bytes")
        tail = head + max(0, min(size, tail - head))
        if head == tail { (head, tail) = (0, 0) }
    }

    /// Gives the memory back if nothing waits.
    package mutating func releaseIfEmpty() {
        guard head == tail, let memory = base else { return }
        memory.deallocate()
        base = nil
        (capacity, head, tail) = (0, 0, 0)
    }

    package mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress, bytes.count > 0 else { return }
        let room = reserve(bytes.count)
        room.baseAddress?.copyMemory(from: source, byteCount: bytes.count)
        commit(bytes.count)
    }

    package mutating func append(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { append($0) }
    }

    package mutating func append(_ bytes: Span<UInt8>) {
        bytes.withUnsafeBytes { append($0) }
    }

    package mutating func append(_ byte: UInt8) {
        reserve(1)[0] = byte
        commit(1)
    }

    package mutating func append(_ text: String) {
        var text = text
        text.withUTF8 { append(UnsafeRawBufferPointer($0)) }
    }

    package mutating func append(_ text: StaticString) {
        text.withUTF8Buffer { append(UnsafeRawBufferPointer($0)) }
    }

    private mutating func makeRoom(for size: Int) {
        let waiting = tail - head
        if let memory = base, capacity - waiting >= size, head >= waiting {
            memory.copyMemory(from: memory + head, byteCount: waiting)
        } else {
            let grown = max(256, capacity * 2, waiting + size)
            let memory = UnsafeMutableRawPointer.allocate(byteCount: grown, alignment: 16)
            if let old = base {
                memory.copyMemory(from: old + head, byteCount: waiting)
                old.deallocate()
            }
            base = memory
            capacity = grown
        }
        (head, tail) = (0, waiting)
    }
}
