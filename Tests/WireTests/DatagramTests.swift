import FuzzChecks
import Testing

@testable import WMPWire

@Suite("Datagrams in a stream")
struct DatagramTests {
    /// What `DatagramWriter` makes of them.
    private func framed(_ datagrams: [[UInt8]]) -> [UInt8] {
        var stream: [UInt8] = []
        for datagram in datagrams {
            var room = [UInt8](repeating: 0xEE, count: datagram.count + 2)
            let written = datagram.withUnsafeBytes { source in
                room.withUnsafeMutableBytes { DatagramWriter.write(source, to: $0) }
            }
            #expect(written == room.count)
            stream += room
        }
        return stream
    }

    /// What a reader makes of `stream` in pieces that end at `ends`; nil: a violation. Every piece is freed before the
    /// next one comes.
    private func read(_ stream: [UInt8], ends: [Int], held: Int = 0) -> [[UInt8]]? {
        var reader = DatagramReader()
        var datagrams: [[UInt8]] = []
        var start = 0
        for end in ends {
            do throws(ProtocolViolation) {
                let piece = Array(stream[start..<end])
                let pointer = UnsafeMutableRawBufferPointer.allocate(byteCount: piece.count, alignment: 1)
                defer { pointer.deallocate() }
                pointer.copyBytes(from: piece)
                var rest = UnsafeRawBufferPointer(pointer)
                while let datagram = try reader.next(in: &rest) { datagrams.append(Array(datagram)) }
                #expect(rest.isEmpty, "all of a piece is taken")
            } catch { return nil }
            start = end
        }
        #expect(reader.held == held)
        return datagrams
    }

    @Test("are their length and themselves")
    func layout() {
        #expect(framed([[7, 8, 9], [], [1]]) == [0, 3, 7, 8, 9, 0, 0, 0, 1, 1])
        let long = framed([pattern(0x0102)])
        #expect(long[..<2] == [1, 2] && Array(long[2...]) == pattern(0x0102))
    }

    @Test("of every size there is are read back", arguments: [0, 1, 2, 255, 256, 257, 1472, 65_506, 65_507])
    func sizes(size: Int) {
        let datagrams = [pattern(size), [1], pattern(size), []]
        let stream = framed(datagrams)
        #expect(DatagramWriter.size(of: size) == size + 2)
        #expect(read(stream, ends: [stream.count]) == datagrams)
        #expect(read(stream, ends: [0, 0, stream.count, stream.count]) == datagrams)
        #expect(read(stream, ends: Array(stride(from: 700, to: stream.count, by: 700)) + [stream.count]) == datagrams)
    }

    @Test("of a size that there is not are neither written nor read")
    func tooLarge() {
        let large = [UInt8](repeating: 1, count: 65_508)
        var room = [UInt8](repeating: 0, count: 70_000)
        let written = large.withUnsafeBytes { source in
            room.withUnsafeMutableBytes { DatagramWriter.write(source, to: $0) }
        }
        #expect(written == 0 && room.allSatisfy { $0 == 0 })
        #expect(DatagramWriter.size(of: 65_508) == nil && DatagramWriter.size(of: -1) == nil)
        for header: [UInt8] in [[0xFF, 0xE4], [0xFF, 0xFF]] {
            #expect(read(header, ends: [2]) == nil)
            #expect(read(header, ends: [1, 2]) == nil)
            #expect(read([0, 1, 9] + header + large, ends: [3 + 2 + large.count]) == nil)
        }
        #expect(read([0xFF, 0xE3], ends: [2], held: 2) == [], "65,507 are not too many")
    }

    @Test("that are too large stay a violation")
    func violationStays() throws {
        var reader = DatagramReader()
        for piece: [UInt8] in [[0xFF], [0xFF], [0, 0, 0], []] {
            piece.withUnsafeBytes { bytes in
                var rest = bytes
                var violation: ProtocolViolation?
                do throws(ProtocolViolation) { _ = try reader.next(in: &rest) } catch { violation = error }
                #expect((violation == nil) == (reader.held == 1))
            }
        }
    }

    @Test("that do not fit the room are not written, not even in part")
    func room() {
        for size in 0..<6 {
            var room = [UInt8](repeating: 0xEE, count: size)
            let written = ([1, 2, 3] as [UInt8]).withUnsafeBytes { source in
                room.withUnsafeMutableBytes { DatagramWriter.write(source, to: $0) }
            }
            #expect(written == (size < 5 ? 0 : 5))
            #expect(size == 5 ? room == [0, 3, 1, 2, 3] : room.allSatisfy { $0 == 0xEE })
        }
        let none = UnsafeRawBufferPointer(start: nil, count: 0)
        #expect(DatagramWriter.write(none, to: UnsafeMutableRawBufferPointer(start: nil, count: 0)) == 0)
        var room = [UInt8](repeating: 0xEE, count: 3)
        #expect(room.withUnsafeMutableBytes { DatagramWriter.write(none, to: $0) } == 2)
        #expect(room == [0, 0, 0xEE])
    }

    @Test("are the same wherever their stream is cut in two or three")
    func everySplit() {
        let datagrams: [[UInt8]] = [[], [1], pattern(5), [], pattern(300), [2], []]
        let stream = framed(datagrams)
        for first in 0...stream.count { #expect(read(stream, ends: [first, stream.count]) == datagrams) }
        let short = framed([[], [1], [2, 3], []])
        for first in 0...short.count {
            for second in first...short.count {
                #expect(read(short, ends: [first, second, short.count]) == [[], [1], [2, 3], []])
            }
        }
    }

    @Test("are the same however their stream is cut")
    func randomSplits() {
        var random = SeededRandom()
        print("datagrams: seed \(random.seed)")
        for _ in 0..<300 {
            let datagrams = (0..<Int.random(in: 1...20, using: &random)).map { _ in
                pattern(Int.random(in: 0...(Int.random(in: 0...9, using: &random) == 0 ? 65_507 : 40), using: &random))
            }
            let stream = framed(datagrams)
            var ends: [Int] = []
            var end = 0
            while end < stream.count {
                end = min(stream.count, end + Int.random(in: 0...max(3, stream.count / 7), using: &random))
                ends.append(end)
            }
            #expect(read(stream, ends: ends) == datagrams)
        }
    }

    @Test("are borrowed where they are whole, and held only while they are not")
    func memory() throws {
        var reader = DatagramReader()
        let stream = framed([pattern(10), pattern(20)])
        try stream.withUnsafeBytes { bytes throws in
            var rest = UnsafeRawBufferPointer(rebasing: bytes[..<17])
            let first = try #require(try reader.next(in: &rest))
            #expect(first.baseAddress == bytes.baseAddress.map { $0 + 2 } && reader.held == 0)
            #expect(try reader.next(in: &rest) == nil)
            #expect(reader.held == 5)
            rest = UnsafeRawBufferPointer(rebasing: bytes[17...])
            let second = try #require(try reader.next(in: &rest))
            #expect(Array(second) == pattern(20) && reader.held == 0)
            #expect(try reader.next(in: &rest) == nil)
            #expect(reader.held == 0)
        }
    }

    @Test("of the fuzzer's corpus hold")
    func corpus() throws {
        let files = try TestFiles.contents(of: "Fuzz/Corpus/datagrams")
        #expect(files.count >= 10)
        for file in files { checkDatagrams(file) }
    }
}
