import Testing

@testable import WMPWire

@Suite("Frame headers")
struct FrameHeaderTests {
    private func write(_ header: FrameHeader) -> [UInt8] {
        var bytes = [UInt8](repeating: 0xAA, count: FrameHeader.size)
        bytes.withUnsafeMutableBytes { header.write(to: $0) }
        return bytes
    }

    @Test("are length, type and stream, in network order")
    func layout() {
        let header = FrameHeader(length: 0x010203, type: FrameType(rawValue: 0x84), stream: 0x0506_0708)
        #expect(write(header) == [1, 2, 3, 0x84, 5, 6, 7, 8])
    }

    @Test("read back as they were written, at any alignment")
    func roundTrip() {
        var random = SeededRandom()
        let lengths = [0, 1, 255, 256, 65_535, 65_536, 0xFF_FFFF]
        for length in lengths + (0..<100).map({ _ in Int.random(in: 0...0xFF_FFFF, using: &random) }) {
            let header = FrameHeader(
                length: length, type: FrameType(rawValue: .random(in: 0...255, using: &random)),
                stream: .random(in: 0...UInt32.max, using: &random))
            let bytes = write(header)
            for offset in 0..<8 {
                let moved = [UInt8](repeating: 0, count: offset) + bytes
                let read = moved.withUnsafeBytes {
                    FrameHeader(reading: UnsafeRawBufferPointer(rebasing: $0[offset...]))
                }
                #expect(read == header, "seed \(random.seed)")
            }
        }
    }

    @Test("tell by their type what they belong to, and whether it may be ignored")
    func types() {
        for number in UInt8.min...UInt8.max {
            let type = FrameType(rawValue: number)
            #expect(type.mayBeIgnored == (number >= 0x80))
            #expect(type.belongsToStream == (number <= 6))
            #expect(type.isData == (number == 0))
        }
    }
}
