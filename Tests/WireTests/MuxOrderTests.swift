import Testing

@testable import WMPWire

/// What comes first on a lane.
@Suite("Order on a lane")
struct MuxOrderTests {
    let lane = TestLane()

    @Test("puts control frames before the data that waits, but not into a frame that has begun")
    func overtaking() throws {
        let stream = try lane.server.open()
        _ = lane.server.takeOutput()
        stream.write(pattern(100_000))
        stream.write(pattern(100_000))
        // The socket takes half of the first frame.
        var bytes = lane.server.takeOutput(50_000)
        lane.server.mux.write(.ping, number: UInt64(7))
        bytes += lane.server.takeOutput()
        #expect(TestFrame.split(bytes).map(\.type) == [.data, .ping, .data])
    }

    @Test("keeps an end behind the data it ends, and lets a reset overtake both")
    func ends() throws {
        let streams = try (0..<2).map { _ in try lane.server.open() }
        _ = lane.server.takeOutput()
        for stream in streams { stream.write(pattern(100_000)) }
        streams[0].sendEnd()
        streams[1].reset(.cancelled)
        let frames = lane.server.takeFrames()
        #expect(frames.map(\.type) == [.reset, .data, .data, .end])
        #expect(frames.map(\.stream) == [streams[1].id, streams[0].id, streams[1].id, streams[0].id])
    }

    @Test("is understood by the other side, whatever overtakes what", arguments: 0..<20)
    func random(_: Int) throws {
        var random = SeededRandom()
        let seed = random.seed
        lane.random = SeededRandom()
        lane.piece = 70_000
        for _ in 0..<200 {
            switch Int.random(in: 0..<6, using: &random) {
            case 0: _ = try lane.server.open()
            case 1: lane.server.mux.write(.ping, number: seed)
            case 2: lane.server.streams.values.randomElement(using: &random)?.reset(.cancelled)
            case 3: lane.server.streams.values.randomElement(using: &random)?.sendEnd()
            case 4: lane.deliver(from: lane.server, to: lane.client)
            default:
                let size = Int.random(in: 1...100_000, using: &random)
                lane.server.streams.values.randomElement(using: &random)?.write(pattern(size))
            }
        }
        lane.run()
        #expect(lane.violation == nil, "seed \(seed)")
    }

    @Test("gives those who send little their turn before those who send much, and lets nobody starve")
    func sparseStreams() throws {
        let bulk = try (0..<4).map { _ in try lane.server.open() }
        let small = try (0..<4).map { _ in try lane.server.open() }
        _ = lane.server.takeOutput()
        for stream in bulk {
            #expect(lane.server.receive(TestFrame.credit(stream.id, 4_000_000).bytes) == nil)
            stream.quantum = 64 * 1024
            stream.write(pattern(2_000_000))
        }
        // All have had a turn, and the lane is full.
        for _ in 0..<4 {
            lane.server.mux.serveWaiting()
            _ = lane.server.takeOutput()
        }
        lane.server.mux.isBlocked = true
        for stream in small { stream.write(pattern(100)) }
        lane.server.mux.isBlocked = false
        lane.server.mux.serveWaiting()
        let order = lane.server.takeFrames().map(\.stream)
        let smallIDs = Set(small.map(\.id))
        #expect(!smallIDs.contains(order[0]), "one who sends much is served all the same")
        #expect(Set(order[1...4]) == smallIDs)
    }

    @Test("says farewell behind everything else")
    func farewell() throws {
        let stream = try lane.server.open()
        stream.write(pattern(30_000))
        stream.sendEnd()
        lane.server.mux.writeLast(.goAway, payload: [])
        lane.server.mux.write(.ping, number: UInt64(1))
        #expect(lane.server.takeFrames().map(\.type) == [.open, .ping, .data, .end, .goAway])
    }
}
