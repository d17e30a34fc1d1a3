import Testing

@testable import WMPWire

@Suite("Byte queues")
struct ByteQueueTests {
    /// Takes at most `size` bytes from the front of what lies together.
    private func take(_ size: Int, from queue: inout ByteQueue) -> [UInt8] {
        let taken = Array(queue.readable.prefix(size))
        queue.consume(taken.count)
        return taken
    }

    private func append(_ bytes: [UInt8], to queue: inout ByteQueue) {
        bytes.withUnsafeBytes { queue.append($0) }
    }

    @Test("give back what was put in, in order, however it is split")
    func order() {
        var random = SeededRandom()
        var queue = ByteQueue()
        let bytes = pattern(2_000_000)
        var (put, got) = (0, [UInt8]())
        while got.count < bytes.count {
            let size = min(Int.random(in: 0...70_000, using: &random), bytes.count - put)
            append(Array(bytes[put..<put + size]), to: &queue)
            put += size
            for _ in 0..<Int.random(in: 0...8, using: &random) {
                got += take(Int.random(in: 0...40_000, using: &random), from: &queue)
            }
            let (count, isEmpty, readable) = (queue.count, queue.isEmpty, queue.readable.count)
            #expect(count == put - got.count)
            #expect(isEmpty == (count == 0) && (readable == 0) == isEmpty)
        }
        #expect(got == bytes, "WMP_TEST_SEED=\(random.seed)")
    }

    @Test("keep what is small in one piece, and what is large in pieces of 32 KiB at most")
    func pieces() {
        var queue = ByteQueue()
        append(pattern(100), to: &queue)
        append(pattern(100), to: &queue)
        #expect(queue.readable.count == 200)
        queue.removeAll()
        append(pattern(1 << 20), to: &queue)
        var largest = 0
        while !queue.isEmpty { largest = max(largest, take(.max, from: &queue).count) }
        #expect((30_000...32 * 1024).contains(largest))
    }

    @Test("forget all at once, and can be used again")
    func removeAll() {
        var queue = ByteQueue()
        append(pattern(100_000), to: &queue)
        queue.consume(10)
        queue.removeAll()
        let (isEmpty, readable) = (queue.isEmpty, queue.readable.count)
        #expect(isEmpty && readable == 0)
        append([1, 2], to: &queue)
        #expect(take(9, from: &queue) == [1, 2])
    }

    @Test("take nothing for nothing")
    func nothing() {
        var queue = ByteQueue()
        append([], to: &queue)
        queue.consume(0)
        queue.removeAll()
        let isEmpty = queue.isEmpty
        #expect(isEmpty)
    }
}
