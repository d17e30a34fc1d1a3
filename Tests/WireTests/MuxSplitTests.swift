import Testing

@testable import WMPWire

/// However a lane's bytes are cut into pieces, they mean what the whole would mean.
@Suite("Split lanes")
struct MuxSplitTests {
    /// All that one end makes of a lane's bytes.
    private struct Outcome: Equatable {
        var messages: [FrameType] = []
        var events: [UInt32: [TestStream.Event]] = [:]
        var received: [UInt32: [UInt8]] = [:]
        var closed: [UInt32] = []
        var output: [UInt8] = []
        var violation: ProtocolViolation?
    }

    private func read(_ bytes: [UInt8], pieces: [Int]) throws -> Outcome {
        let end = TestEnd(.client)
        // Credit is told as bytes are consumed, and so at other places in other splits.
        end.consumesAtOnce = false
        for _ in 0..<2 { _ = try end.open() }
        var outcome = Outcome()
        var start = 0
        for piece in pieces where outcome.violation == nil {
            outcome.violation = end.receive(bytes[start..<piece])
            start = piece
        }
        outcome.messages = end.messages
        outcome.closed = end.closed
        outcome.output = end.takeOutput()
        for (id, stream) in end.streams {
            outcome.events[id] = stream.events
            outcome.received[id] = stream.received
        }
        return outcome
    }

    /// What a server might send, and now and then what it may not.
    private func lane(using random: inout SeededRandom) -> [UInt8] {
        var frames: [TestFrame] = []
        var next: UInt32 = 2
        for _ in 0..<Int.random(in: 1...20, using: &random) {
            let id = [1, 3, next, UInt32.random(in: 1...next, using: &random)].randomElement(using: &random) ?? 1
            switch Int.random(in: 0..<14, using: &random) {
            case 0...2:
                frames.append(.open(next))
                next += 2
            case 3...5: frames.append(.data(id, Int.random(in: 0...600, using: &random)))
            case 6: frames.append(.credit(id, .random(in: 1...70_000, using: &random)))
            case 7: frames.append(.end(id))
            case 8: frames.append(.reset(id, .cancelled))
            case 9: frames.append(TestFrame(.opened, id))
            case 10: frames.append(.ping)
            case 11: frames.append(TestFrame(.goAway, 0, Refusal(code: .shuttingDown, text: "bye").payload))
            case 12: frames.append(TestFrame(FrameType(rawValue: 0x90), id, pattern(Int(id) % 50)))
            default: frames.append(TestFrame(.refused, id, [2, 0, 1, 0x61]))
            }
        }
        var bytes = frames.bytes
        if Int.random(in: 0..<4, using: &random) == 0 {
            bytes[Int.random(in: 0..<bytes.count, using: &random)] = .random(in: 0...255, using: &random)
        }
        return bytes
    }

    @Test("at every place in two are understood as the whole")
    func everyCut() throws {
        let frames: [TestFrame] = [
            TestFrame(.welcome, 0, Welcome(scram: pattern(46), window: 1000, serverID: "7").payload), .open(2),
            .data(2, 40),
            .credit(1, 100), .ping, TestFrame(FrameType(rawValue: 0xA0), 77, [1, 2]), .data(2, 0), .end(2),
            TestFrame(.opened, 1), .reset(3, .timedOut), .open(4), .data(4, 1), .end(9),
        ]
        let bytes = frames.bytes
        let whole = try read(bytes, pieces: [bytes.count])
        #expect(whole.violation != nil && whole.closed == [3] && whole.received[4] == [0x61])
        for cut in 1..<bytes.count {
            #expect(try read(bytes, pieces: [cut, bytes.count]) == whole, "cut at \(cut)")
        }
        #expect(try read(bytes, pieces: Array(1...bytes.count)) == whole)
    }

    @Test("at random are understood as the whole")
    func anySplit() throws {
        var random = SeededRandom()
        for round in 0..<300 {
            let bytes = lane(using: &random)
            let whole = try read(bytes, pieces: [bytes.count])
            for most in [1, 7, 100, 1000] {
                var pieces: [Int] = []
                while (pieces.last ?? 0) < bytes.count {
                    pieces.append(min((pieces.last ?? 0) + Int.random(in: 1...most, using: &random), bytes.count))
                }
                let split = try read(bytes, pieces: pieces)
                #expect(split == whole, "seed \(random.seed), round \(round)")
                if split != whole { return }
            }
        }
    }

    @Test("hold no more memory than one control frame while they wait for its rest")
    func partialFrames() {
        let end = TestEnd(.client)
        // A payload of data is passed on as it comes.
        #expect(end.receive(TestFrame.open(2).bytes + TestFrame.header(.data, 2, length: 100_000)) == nil)
        for _ in 0..<100 {
            #expect(end.receive(pattern(500)) == nil)
        }
        #expect(end.streams[2]?.received.count == 50_000)
    }
}
