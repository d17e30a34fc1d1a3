import Testing

@testable import WMPWire

@Suite("Byte buffers")
struct ByteBufferTests {
    private func bytes(_ buffer: borrowing ByteBuffer) -> [UInt8] { Array(buffer.readable) }

    @Test("give back what was put in, in order")
    func order() {
        var buffer = ByteBuffer()
        #expect(buffer.count == 0 && buffer.readable.isEmpty)
        buffer.append([1, 2, 3])
        buffer.append(4)
        buffer.append("56" as String)
        buffer.append("78" as StaticString)
        buffer.append([UInt8]([9]).span)
        #expect(bytes(buffer) == [1, 2, 3, 4, 0x35, 0x36, 0x37, 0x38, 9])
        buffer.consume(4)
        #expect(buffer.count == 5 && buffer.readable.first == 0x35)
        buffer.truncate(to: 2)
        #expect(bytes(buffer) == [0x35, 0x36])
        buffer.truncate(to: 0)
        #expect(bytes(buffer) == [])
        buffer.releaseIfEmpty()
        buffer.append([1])
        #expect(bytes(buffer) == [1])
    }

    @Test("take nothing for nothing")
    func nothing() {
        var buffer = ByteBuffer()
        buffer.append([UInt8]())
        buffer.append("" as String)
        buffer.consume(0)
        buffer.truncate(to: 0)
        buffer.commit(0)
        _ = buffer.reserve(0)
        buffer.releaseIfEmpty()
        #expect(bytes(buffer) == [])
    }

    @Test("keep their memory while something waits, and move it out whole")
    func take() {
        var buffer = ByteBuffer()
        buffer.append(pattern(1000))
        buffer.consume(10)
        buffer.releaseIfEmpty()
        #expect(buffer.count == 990)
        let taken = buffer.take()
        #expect(buffer.count == 0 && bytes(taken) == Array(pattern(1000)[10...]))
    }

    @Test("let room be written ahead, and count what was committed")
    func reserve() {
        var buffer = ByteBuffer()
        for size in [1, 255, 256, 257, 100_000] {
            let before = buffer.count
            let room = buffer.reserve(size)
            #expect(room.count >= size)
            for index in 0..<size { room[index] = UInt8(truncatingIfNeeded: index) }
            buffer.commit(size - 1)
            #expect(buffer.count == before + size - 1)
        }
    }

    @Test("are a queue like any other, whatever is done with them")
    func asQueue() {
        var random = SeededRandom()
        var buffer = ByteBuffer()
        var model: [UInt8] = []
        for round in 0..<3000 {
            switch Int.random(in: 0..<8, using: &random) {
            case 0...2:
                let new = pattern(Int.random(in: 0...700, using: &random), seed: round)
                buffer.append(new)
                model += new
            case 3:
                let size = Int.random(in: 0...3000, using: &random)
                let room = buffer.reserve(size)
                let written = pattern(Int.random(in: 0...size, using: &random), seed: round)
                room.copyBytes(from: written)
                buffer.commit(written.count)
                model += written
            case 4...5:
                let size = Int.random(in: 0...model.count, using: &random)
                buffer.consume(size)
                model.removeFirst(size)
            case 6: buffer.releaseIfEmpty()
            default:
                let size = Int.random(in: model.count / 2...model.count, using: &random)
                buffer.truncate(to: size)
                model.removeLast(model.count - size)
            }
            guard bytes(buffer) == model else {
                Issue.record("seed \(random.seed), round \(round)")
                return
            }
        }
    }
}
