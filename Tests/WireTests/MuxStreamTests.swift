import Testing

@testable import WMPWire

@Suite("Streams of a lane")
struct MuxStreamTests {
    let lane = TestLane()

    @Test("are opened, accepted, carry bytes both ways and end")
    func wholeLife() throws {
        let stream = try lane.server.open(Open(mapping: 7, visitor: "[2001:db8::7]:49152"))
        #expect(stream.id == 2 && stream.events == [.started])
        stream.write(pattern(1000), end: true)
        lane.run()
        let other = try lane.client.stream(2)
        #expect(other.message == Open(mapping: 7, visitor: "[2001:db8::7]:49152"))
        #expect(other.events == [.started, .end] && other.received == pattern(1000))
        #expect(!other.isClosed && !stream.isClosed)
        other.sendOpened()
        other.write(pattern(5000, seed: 1), end: true)
        #expect(other.isClosed, "both directions have ended")
        lane.run()
        #expect(stream.events == [.started, .opened, .end] && stream.received == pattern(5000, seed: 1))
        #expect(stream.isClosed && lane.violation == nil)
        #expect(lane.server.closed == [2] && lane.client.closed == [2])
        #expect(lane.server.mux.streamCount == 0 && lane.client.mux.streamCount == 0)
    }

    @Test("may be opened by either side, with numbers that never meet")
    func numbers() throws {
        #expect(try lane.server.open().id == 2)
        #expect(try lane.client.open().id == 1)
        #expect(try lane.server.open().id == 4)
        #expect(try lane.client.open().id == 3)
        lane.run()
        #expect(lane.violation == nil && lane.server.mux.streamCount == 4 && lane.client.mux.streamCount == 4)
    }

    @Test("leave numbers out that were taken and not used")
    func gaps() throws {
        _ = lane.server.mux.takeID()
        let stream = try lane.server.open()
        lane.run()
        #expect(stream.id == 4 && lane.violation == nil)
        // What comes for the number left out belongs to a stream that is closed already.
        #expect(lane.server.receive([TestFrame.data(2, 10), .end(2), .credit(2, 1)].bytes) == nil)
    }

    @Test("end each direction by itself", arguments: [true, false])
    func halfClose(openerFirst: Bool) throws {
        let opener = try lane.server.open()
        lane.run()
        let acceptor = try lane.client.stream(2)
        let (first, second) = openerFirst ? (opener, acceptor) : (acceptor, opener)
        first.write(pattern(10), end: true)
        lane.run()
        #expect(second.hasHeardEnd && !first.isClosed && !second.isClosed)
        // The other direction goes on, as long as it likes and beyond the first window.
        for round in 0..<5 {
            second.write(pattern(100_000, seed: round))
            lane.run()
        }
        #expect(first.received == (0..<5).flatMap { pattern(100_000, seed: $0) })
        #expect(first.sendable == 0, "nothing may be sent after the end")
        second.write([], end: true)
        lane.run()
        #expect(first.isClosed && second.isClosed && lane.violation == nil)
    }

    @Test("that both sides end at once are over on both")
    func endsCross() throws {
        let opener = try lane.server.open()
        lane.run()
        let acceptor = try lane.client.stream(2)
        opener.write([1], end: true)
        acceptor.write([2], end: true)
        lane.run()
        #expect(opener.isClosed && acceptor.isClosed && lane.violation == nil)
        #expect(opener.received == [2] && acceptor.received == [1])
    }

    @Test("that are reset are errors, never clean ends", arguments: [true, false])
    func reset(byOpener: Bool) throws {
        let opener = try lane.server.open()
        lane.run()
        let acceptor = try lane.client.stream(2)
        let (first, second) = byOpener ? (opener, acceptor) : (acceptor, opener)
        first.write(pattern(100))
        first.reset(.connectionLost)
        #expect(first.isClosed && first.events == [.started], "who resets is not told")
        lane.run()
        #expect(second.events.last == .reset(.connectionLost, StreamError.connectionLost.explanation))
        #expect(!second.hasHeardEnd && second.isClosed)
        #expect(lane.server.mux.streamCount == 0 && lane.client.mux.streamCount == 0)
        #expect(lane.server.closed == [2] && lane.client.closed == [2])
    }

    @Test("do nothing after their end")
    func deafAfterwards() throws {
        let stream = try lane.server.open()
        lane.run()
        stream.reset(.cancelled)
        lane.run()
        stream.write([1, 2, 3], end: true)
        stream.sendEnd()
        stream.sendOpened()
        stream.consumed(100_000)
        stream.reset(.cancelled)
        stream.refuse(.cancelled, "")
        stream.commitData(0)
        #expect(stream.prepareData(100).isEmpty)
        #expect(lane.server.isSilent)
    }

    @Test("are refused by the owner, before there is one, or later by the stream itself")
    func refused() throws {
        lane.client.refuses = true
        let first = try lane.server.open()
        first.write(pattern(500))
        lane.run()
        #expect(first.events.last == .reset(.unknownMapping, "no such mapping"))
        lane.client.refuses = false
        let second = try lane.server.open()
        lane.run()
        try lane.client.stream(second.id).refuse(.connectionRefused, "")
        lane.run()
        #expect(second.events.last == .reset(.connectionRefused, StreamError.connectionRefused.explanation))
        #expect(lane.server.mux.streamCount == 0 && lane.client.mux.streamCount == 0 && lane.violation == nil)
    }

    @Test("are told of an error code that nobody knows here")
    func unknownCode() throws {
        let stream = try lane.server.open()
        #expect(lane.server.receive(TestFrame.reset(2, StreamError(rawValue: 999)).bytes) == nil)
        #expect(stream.events.last == .reset(StreamError(rawValue: 999), "error 999"))
    }

    @Test("ignore what comes late, when this side has reset them already")
    func lateFrames() throws {
        let stream = try lane.server.open()
        stream.reset(.cancelled)
        let before = lane.server.takeFrames()
        #expect(before.map(\.type) == [.open, .reset])
        let late: [TestFrame] = [
            TestFrame(.opened, 2), .data(2, 100_000), .data(2, 100_000), .data(2, 100_000), .credit(2, 10), .end(2),
            .end(2), .data(2, 1), .reset(2, .cancelled), .reset(2, .cancelled),
            TestFrame(.refused, 2, [1, 0, 2, 0, 3]),
        ]
        #expect(lane.server.receive(late.bytes) == nil)
        #expect(stream.events == [.started] && stream.received.isEmpty && lane.server.isSilent)
    }

    @Test("reset in the middle of a payload lose its rest and disturb no other")
    func resetInsideData() throws {
        let first = try lane.server.open()
        let second = try lane.server.open()
        let bytes = [TestFrame.data(first.id, 1000), .data(second.id, 10)].bytes
        #expect(lane.server.receive(bytes[..<500]) == nil)
        first.reset(.cancelled)
        #expect(lane.server.receive(bytes[500...]) == nil)
        #expect(first.received.count == 492 && second.received.count == 10)
    }

    @Test("that end the other while they are told of their end do so once")
    func nestedEnds() throws {
        let stream = try lane.server.open()
        let other = try lane.server.open()
        stream.onEnd = {
            stream.reset(.cancelled)
            other.sendEnd()
        }
        #expect(lane.server.receive([TestFrame.end(2), .end(4)].bytes) == nil)
        #expect(stream.isClosed && other.isClosed && lane.server.closed == [2, 4])
    }

    @Test("are all told when the lane is lost, once, and nothing else works any more")
    func laneLost() throws {
        let streams = try (0..<10).map { _ in try lane.server.open() }
        streams[3].reset(.cancelled)
        streams[4].onReset = { streams[5].reset(.cancelled) }
        streams[5].onReset = { streams[4].sendEnd() }
        lane.server.mux.fail("the cable was cut")
        for (index, stream) in streams.enumerated() {
            let told = stream.events.filter { $0 == .reset(.laneLost, "the cable was cut") }
            #expect(told.count == (index == 3 ? 0 : 1))
            #expect(stream.isClosed && stream.sendable == 0)
        }
        #expect(lane.server.mux.streamCount == 0 && lane.server.closed.sorted() == streams.map(\.id))
        // What was received and not looked at yet is dropped.
        #expect(lane.server.receive([TestFrame.end(2), .data(99, 10)].bytes) == nil)
        lane.server.mux.serveWaiting()
    }

    @Test("lost in the middle of a reading end it there")
    func laneLostWhileReading() throws {
        let stream = try lane.server.open()
        stream.onEnd = { lane.server.mux.fail("given up") }
        let bytes = [TestFrame.end(2), TestFrame(.hello, 0, [1]), .data(77, 1)].bytes
        #expect(lane.server.receive(bytes) == nil, "what follows is not read")
        #expect(stream.events.last == .reset(.laneLost, "given up") && lane.server.messages.isEmpty)
    }

    @Test("are all reset at the end of the session, and none is told twice")
    func resetAll() throws {
        let streams = try (0..<10).map { _ in try lane.server.open() }
        // One stream's end ends another, as a visitor's does that holds two.
        for stream in streams { stream.onReset = { for other in streams { other.reset(.cancelled) } } }
        lane.run()
        lane.server.mux.resetAll(.shuttingDown)
        #expect(streams.filter { $0.events.contains { $0 != .started } }.count == 1)
        #expect(streams.allSatisfy(\.isClosed) && lane.server.closed.count == 10)
        lane.run()
        #expect(lane.client.mux.streamCount == 0 && lane.client.closed.count == 10 && lane.violation == nil)
    }

    @Test("begin in a login's last bytes: what follows the welcome at once is taken")
    func openBehindWelcome() {
        final class Door: MuxOwner {
            private(set) lazy var mux = Mux(role: .client, owner: self)
            func muxHasOutput() {}
            func muxReceived(_ type: FrameType, _ payload: Span<UInt8>) throws(ProtocolViolation) {
                if type == .welcome { mux.acceptsStreams = true }
            }
            func muxOpened(_ id: UInt32, _ message: Open) -> MuxStream? {
                mux.refuse(id, .tooMany, "")
                return nil
            }
            func muxClosed(_ stream: MuxStream) {}
        }
        let door = Door()
        let bytes = [TestFrame(.welcome), .open(2), .data(2, 10)].bytes
        let violation = bytes.withUnsafeBytes { input -> ProtocolViolation? in
            do throws(ProtocolViolation) { try door.mux.receive(input) } catch { return error }
            return nil
        }
        #expect(violation == nil)
    }
}
