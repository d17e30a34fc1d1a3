import Testing

@testable import WMPWire

/// Credit, back-pressure and turns.
@Suite("Flow of a lane")
struct MuxFlowTests {
    let lane = TestLane()
    private static let window = ProtocolLimits.initialWindow

    @Test("stops at the window and goes on with credit")
    func exhaustion() throws {
        lane.client.consumesAtOnce = false
        let stream = try lane.server.open()
        stream.write(pattern(Self.window + 1000))
        lane.run()
        let other = try lane.client.stream(2)
        #expect(other.received.count == Self.window && stream.unsent == 1000 && stream.sendable == 0)
        // Credit is told in quarters of the window.
        other.consumed(Self.window / 4 - 1)
        #expect(lane.client.isSilent)
        other.consumed(1)
        let frames = lane.client.takeFrames()
        #expect(frames == [.credit(2, UInt32(Self.window / 4))])
        #expect(lane.server.receive(frames.bytes) == nil)
        #expect(stream.unsent == 0 && stream.sendable > 0)
        lane.run()
        #expect(other.received == pattern(Self.window + 1000))
    }

    @Test("charges small frames at least 64 and gives the difference back")
    func tinyFrames() throws {
        lane.client.consumesAtOnce = false
        let stream = try lane.server.open()
        var sent = 0
        while stream.sendable > 0 {
            stream.write([UInt8(truncatingIfNeeded: sent)])
            sent += 1
        }
        #expect(sent == Self.window / 64)
        lane.run()
        let other = try lane.client.stream(2)
        #expect(other.received.count == sent)
        // One byte consumed is enough: the other 63 of each frame hold no memory.
        other.consumed(1)
        #expect(lane.client.takeFrames() == [.credit(2, UInt32(63 * sent + 1))])
    }

    @Test("may take a window below 0, by less than 64, and comes back")
    func belowZero() throws {
        lane.client.consumesAtOnce = false
        let stream = try lane.server.open()
        stream.write(pattern(Self.window - 1))
        lane.run()
        #expect(stream.sendable == 1)
        stream.write([9, 9])
        #expect(stream.sendWindow.available == 1 - 64 && stream.unsent == 1)
        lane.run()
        let other = try lane.client.stream(2)
        #expect(other.receiveWindow.available == 1 - 64 && other.received.count == Self.window)
        #expect(lane.server.receive(TestFrame.credit(2, 63).bytes) == nil)
        #expect(stream.unsent == 1 && stream.sendable == 0, "0 is not yet above 0")
        #expect(lane.server.receive(TestFrame.credit(2, 1).bytes) == nil)
        #expect(stream.unsent == 0 && stream.sendWindow.available == 1 - 64)
    }

    @Test("begins with what the other side has announced", arguments: [0, 1, 1000, ProtocolLimits.maxWindow])
    func announcedWindow(window: Int) throws {
        lane.server.mux.peerWindow = window
        let stream = try lane.server.open()
        var sent = 0
        // Drained as by a lane that is never blocked.
        stream.write([UInt8](repeating: 1, count: window + 1))
        repeat {
            sent += lane.server.takeFrames().of(.data).reduce(0) { $0 + $1.payload.count }
            lane.server.mux.serveWaiting()
        } while !lane.server.isSilent
        #expect(sent == window && stream.unsent == 1)
        #expect(lane.server.receive(TestFrame.credit(2, 64).bytes) == nil)
        #expect(stream.unsent == 0)
    }

    @Test("never holds more than one window for a reader that has stopped, and stalls nobody else")
    func stalledReader() throws {
        let stalled = try lane.server.open()
        let busy = try lane.server.open()
        lane.run()
        let reader = try lane.client.stream(stalled.id)
        reader.consumesAtOnce = false
        stalled.write(pattern(4_000_000))
        for round in 0..<20 {
            busy.write(pattern(300_000, seed: round))
            lane.run()
            #expect(reader.received.count == Self.window)
        }
        #expect(try lane.client.stream(busy.id).received.count == 6_000_000)
        #expect(busy.unsent == 0 && stalled.unsent == 4_000_000 - Self.window)
        reader.consumesAtOnce = true
        reader.consumed(Self.window)
        lane.run()
        #expect(reader.received == pattern(4_000_000))
    }

    @Test("frames at most 128 KiB, so that control waits behind no more")
    func longestData() throws {
        let stream = try lane.server.open()
        stream.write(pattern(200_000))
        #expect(lane.server.takeFrames().of(.data).map(\.payload.count) == [131_072, 68_928])
    }

    @Test("leaves data where it is while the lane is blocked, and control goes on")
    func blocked() throws {
        let stream = try lane.server.open()
        let other = try lane.server.open()
        _ = lane.server.takeOutput()
        lane.server.mux.isBlocked = true
        stream.write(pattern(100), end: true)
        #expect(stream.unsent == 100 && lane.server.isSilent && lane.server.mux.hasWaiting)
        #expect(lane.server.receive([TestFrame.ping, .data(other.id, 70_000)].bytes) == nil)
        other.reset(.cancelled)
        #expect(lane.server.takeFrames().map(\.type) == [.pong, .credit, .reset])
        lane.server.mux.serveWaiting()
        #expect(stream.unsent == 100, "still blocked")
        lane.server.mux.isBlocked = false
        lane.server.mux.serveWaiting()
        #expect(lane.server.takeFrames().map(\.type) == [.data, .end])
    }

    @Test("queues a bounded amount of data, however many streams there are")
    func boundedOutput() throws {
        let streams = try (0..<100).map { _ in try lane.server.open() }
        _ = lane.server.takeOutput()
        for stream in streams { stream.write(pattern(200_000)) }
        #expect(lane.server.waitingBytes <= 256 * 1024 + ProtocolLimits.maxData + 16)
    }

    @Test("serves waiting streams in turn: none twice before the others once")
    func turns() throws {
        let streams = try (0..<8).map { _ in try lane.server.open() }
        for stream in streams { stream.quantum = ProtocolLimits.maxData }
        _ = lane.server.takeOutput()
        lane.server.mux.isBlocked = true
        lane.server.mux.peerWindow = ProtocolLimits.maxWindow
        for stream in streams {
            #expect(lane.server.receive(TestFrame.credit(stream.id, 4_000_000).bytes) == nil)
            stream.write([UInt8](repeating: 0, count: 1_000_000))
        }
        lane.server.mux.isBlocked = false
        var order: [UInt32] = []
        while lane.server.mux.hasWaiting {
            lane.server.mux.serveWaiting()
            order += lane.server.takeFrames().map(\.stream)
        }
        #expect(order.count == 64)
        // In its first turn each is one that may send little, and some end a turn earlier for it.
        for start in stride(from: 16, to: 40, by: 8) {
            #expect(Set(order[start..<start + 8]).count == 8, "turns \(order[start..<start + 8])")
        }
    }

    @Test("serves nobody twice for having asked twice, nor those that are closed")
    func waitsOnce() throws {
        let streams = try (0..<3).map { _ in try lane.server.open() }
        _ = lane.server.takeOutput()
        lane.server.mux.isBlocked = true
        for _ in 0..<3 { for stream in streams { lane.server.mux.wait(stream) } }
        streams[1].reset(.cancelled)
        lane.server.mux.isBlocked = false
        lane.server.mux.serveWaiting()
        #expect(streams.map(\.turns) == [1, 0, 1] && !lane.server.mux.hasWaiting)
    }

    @Test("lost in the middle of the turns ends them")
    func lostInTurn() throws {
        let streams = try (0..<3).map { _ in try lane.server.open() }
        for stream in streams { lane.server.mux.wait(stream) }
        streams[0].onTurn = { lane.server.mux.fail("lost") }
        lane.server.mux.serveWaiting()
        #expect(streams.map(\.turns) == [1, 0, 0] && !lane.server.mux.hasWaiting)
    }

    @Test("tells the owner of output once until it is drained")
    func outputNotice() throws {
        let stream = try lane.server.open()
        stream.write(pattern(10))
        lane.server.mux.write(.ping, payload: [UInt8](repeating: 0, count: 8))
        #expect(lane.server.outputs == 1)
        _ = lane.server.takeOutput()
        stream.write(pattern(10))
        #expect(lane.server.outputs == 2)
    }

    @Test("sends no credit for a direction that has ended")
    func noCreditAfterEnd() throws {
        lane.client.consumesAtOnce = false
        let stream = try lane.server.open()
        stream.write(pattern(200_000), end: true)
        lane.run()
        try lane.client.stream(2).consumed(200_000)
        #expect(lane.client.isSilent)
    }

    @Test("carries many streams in both directions whole, in any split", arguments: [1, 64, 5000, 1 << 18])
    func manyStreams(piece: Int) throws {
        var random = SeededRandom()
        lane.piece = piece
        lane.random = random
        let count = piece == 1 ? 5 : 40
        let most = piece == 1 ? 1000 : 600_000
        var expected: [UInt32: (down: [UInt8], up: [UInt8])] = [:]
        for index in 0..<count {
            let stream = try index % 3 == 0 ? lane.client.open() : lane.server.open()
            let down = pattern(Int.random(in: 0...most, using: &random), seed: index)
            let up = pattern(Int.random(in: 0...most / 4, using: &random), seed: index + 1000)
            expected[stream.id] = (down, up)
            stream.write(down, end: true)
            lane.deliver(from: lane.server, to: lane.client)
            lane.deliver(from: lane.client, to: lane.server)
        }
        lane.run()
        for (id, bytes) in expected {
            let (opener, acceptor) = id % 2 == 0 ? (lane.server, lane.client) : (lane.client, lane.server)
            let stream = try acceptor.stream(id)
            #expect(stream.received == bytes.down && stream.hasHeardEnd, "stream \(id), seed \(random.seed)")
            stream.write(bytes.up, end: true)
            _ = opener
        }
        lane.run()
        for (id, bytes) in expected {
            let stream = try (id % 2 == 0 ? lane.server : lane.client).stream(id)
            #expect(stream.received == bytes.up && stream.isClosed, "stream \(id), seed \(random.seed)")
        }
        #expect(lane.violation == nil && lane.server.mux.streamCount == 0 && lane.client.mux.streamCount == 0)
    }

    @Test("does not let a peer that asks and never listens fill the memory")
    func unreadAnswers() throws {
        let stranger = TestEnd(.server, isOpen: false)
        var asked = 0
        while stranger.receive(TestFrame.ping.bytes) == nil, asked < 1_000_000 { asked += 1 }
        #expect(stranger.waitingBytes <= ProtocolLimits.maxUnreadInLogin + 16)
        let peer = TestEnd(.client)
        peer.refuses = true
        var id: UInt32 = 2
        while peer.receive(TestFrame.open(id).bytes) == nil, id < 4_000_000 { id += 2 }
        #expect(peer.waitingBytes <= ProtocolLimits.maxUnread + 1024)
    }
}
