import Testing
import WMPWire

@testable import WMPEngine

/// The end of a lane that takes what the server opens.
private final class Client: MuxOwner {
    private(set) lazy var mux = Mux(role: .client, owner: self)
    let counters = Counters()
    var stream: DatagramStream?

    init() { mux.acceptsStreams = true }

    /// Streams and mux hold each other until the streams are closed.
    deinit { mux.fail("the test is over") }

    func muxHasOutput() {}
    func muxReceived(_ type: FrameType, _ payload: Span<UInt8>) throws(ProtocolViolation) {}
    func muxClosed(_ stream: MuxStream) {}
    func muxOpened(_ id: UInt32, _ message: Open) -> MuxStream? {
        let stream = DatagramStream(id: id, mux: mux, side: .service, counters: counters, budget: nil)
        self.stream = stream
        return stream
    }

    func receive(_ type: FrameType, _ payload: [UInt8]) throws {
        var frame = [UInt8](repeating: 0, count: FrameHeader.size)
        frame.withUnsafeMutableBytes { FrameHeader(length: payload.count, type: type, stream: 2).write(to: $0) }
        try (frame + payload).withUnsafeBytes { try mux.receive($0) }
    }

    func open() throws -> DatagramStream {
        try receive(.open, Open(mapping: 1, visitor: "203.0.113.7:5353").payload)
        return try #require(stream)
    }
}

private func framed(_ datagrams: [UInt8]...) -> [UInt8] {
    datagrams.flatMap { [UInt8($0.count >> 8), UInt8($0.count & 0xFF)] + $0 }
}

@Suite("A stream of datagrams")
struct DatagramStreamTests {
    private let client = Client()

    @Test("keeps the first ones for a service whose name is still looked up, in order, also one that came in pieces")
    func early() throws {
        let stream = try client.open()
        let bytes = framed([1, 2, 3], [], [4, 5])
        try client.receive(.data, Array(bytes[..<4]))
        try client.receive(.data, Array(bytes[4...]))
        var heard: [[UInt8]] = []
        stream.onDatagram = { heard.append(Array($0)) }
        try client.receive(.data, framed([6]))
        #expect(heard == [[1, 2, 3], [], [4, 5], [6]])
        #expect(client.counters.datagramsDropped.current == 0)
    }

    @Test("keeps few, and counts what it drops")
    func manyEarly() throws {
        let stream = try client.open()
        for number in 0..<20 { try client.receive(.data, framed([UInt8(number)])) }
        var heard: [[UInt8]] = []
        stream.onDatagram = { heard.append(Array($0)) }
        #expect(heard == (0..<8).map { [UInt8($0)] })
        #expect(client.counters.datagramsDropped.current == 12)
    }

    @Test("is counted while it is there, with a service or without, and once only")
    func counted() throws {
        let stream = try client.open()
        #expect(client.counters.udpVisitors.current == 1)
        stream.refuse(.unreachable, "no such name")
        stream.end(.unreachable)
        stream.end(.cancelled)
        #expect(client.counters.udpVisitors.current == 0)
    }

    @Test("ends at a length that no datagram has")
    func tooLong() throws {
        let stream = try client.open()
        var hasEnded = false
        stream.onEnd = { hasEnded = true }
        try client.receive(.data, [0xFF, 0xFF])
        #expect(hasEnded && stream.isClosed)
    }
}
