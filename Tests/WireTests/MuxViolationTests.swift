import Testing

@testable import WMPWire

/// What a peer may not do. `Tests/vectors/malformed.txt` has each case once more, as bytes.
@Suite("Violations of the protocol")
struct MuxViolationTests {
    /// Why `frames` are a violation for one end of an open lane that has opened one stream; nil if they are none.
    private func violation(_ frames: [TestFrame], at role: Mux.Role = .client) throws -> String? {
        let end = TestEnd(role)
        end.consumesAtOnce = false
        _ = try end.open()
        return end.receive(frames.bytes)?.reason
    }

    private func violation(header type: FrameType, _ stream: UInt32, length: Int, isOpen: Bool = true) -> String? {
        TestEnd(.client, isOpen: isOpen).receive(TestFrame.header(type, stream, length: length))?.reason
    }

    @Test("data beyond the credit")
    func beyondCredit() throws {
        let full: [TestFrame] = [.open(2), .data(2, 131_072), .data(2, 131_072)]
        #expect(try violation(full) == nil)
        #expect(try violation(full + [.data(2, 1)])?.contains("beyond the credit") == true)
        #expect(try violation(full + [.data(2, 0)])?.contains("beyond the credit") == true)
        let nearly: [TestFrame] = [.open(2), .data(2, 131_072), .data(2, 131_071)]
        #expect(try violation(nearly + [.data(2, 1)]) == nil, "the last byte of a window costs 64")
        #expect(try violation(nearly + [.data(2, 1), .data(2, 1)]) != nil)
        #expect(try violation(nearly + [.data(2, 2)]) != nil)
        #expect(try violation(nearly + [.data(2, 0)]) == nil)
    }

    @Test("data and ends after the end")
    func afterEnd() throws {
        #expect(try violation([.open(2), .end(2)]) == nil)
        #expect(try violation([.open(2), .end(2), .data(2, 1)]) == "DATA after END")
        #expect(try violation([.open(2), .end(2), .data(2, 0)]) == "DATA after END")
        #expect(try violation([.open(2), .end(2), .end(2)]) == "END twice")
        #expect(try violation([.open(2), .end(2), .credit(2, 5), .reset(2, .cancelled)]) == nil)
    }

    @Test("frames of a stream that was never opened")
    func neverOpened() throws {
        for frame in [
            .data(4, 1), .credit(4, 1), .end(4), .reset(4, .cancelled), TestFrame(.opened, 4), TestFrame(.refused, 4),
            .data(3, 1), .end(3),
        ] {
            #expect(try violation([.open(2), frame])?.contains("never opened") == true, "\(frame)")
        }
        #expect(try violation([.open(6), .end(4)]) == nil, "numbers left out count as opened")
        #expect(try violation([TestFrame(.opened, 1), .data(1, 1)]) == nil)
    }

    @Test("an open with the wrong parity or out of order")
    func opens() throws {
        #expect(try violation([.open(1)]) != nil)
        #expect(try violation([.open(3)]) != nil)
        #expect(try violation([.open(2)], at: .server) != nil)
        #expect(try violation([.open(1), .open(5), .open(7)], at: .server) == nil)
        #expect(try violation([.open(2), .open(2)]) != nil)
        #expect(try violation([.open(4), .open(2)]) != nil)
        #expect(try violation([.open(2), .reset(2, .cancelled), .open(2)]) != nil, "a number is never used again")
    }

    @Test("frames of streams before the login, whatever they are")
    func beforeLogin() {
        for type in 0...FrameType.refused.rawValue {
            #expect(violation(header: FrameType(rawValue: type), 2, length: 0, isOpen: false) != nil, "type \(type)")
        }
    }

    @Test("frames longer than their type may be, told by the header alone")
    func lengths() {
        #expect(violation(header: .hello, 0, length: 4096, isOpen: false) == nil)
        #expect(violation(header: .hello, 0, length: 4097, isOpen: false) != nil)
        #expect(violation(header: .map, 0, length: 16_384) == nil)
        #expect(violation(header: .map, 0, length: 16_385) != nil)
        #expect(violation(header: .open, 2, length: 16_385) != nil)
        #expect(
            violation(header: FrameType(rawValue: 0xFF), 2, length: 16_385) != nil, "ignoring has its limit as well")
        #expect(violation(header: .data, 2, length: 131_073) != nil)
        #expect(violation(header: .data, 2, length: 0xFF_FFFF) != nil)
    }

    @Test("a stream's number where there is none, and none where there has to be one")
    func streamNumbers() {
        for type in [FrameType.data, .credit, .end, .reset, .open, .opened, .refused] {
            #expect(violation(header: type, 0, length: 0) != nil)
        }
        for type in [FrameType.hello, .map, .ping, .goAway, FrameType(rawValue: 0x7F)] {
            #expect(violation(header: type, 2, length: 0) != nil)
        }
        #expect(violation(header: FrameType(rawValue: 0x80), 2, length: 0) == nil)
    }

    @Test("an unknown type closes the lane, unless it may be ignored")
    func unknownTypes() {
        let known: Set<UInt8> = [
            0x10, 0x11, 0x12, 0x13, 0x14, 0x20, 0x21, 0x22, 0x23, 0x24, 0x30, 0x31, 0x32,
        ]
        for number in FrameType.refused.rawValue + 1...0xFF where !known.contains(number) {
            let type = FrameType(rawValue: number)
            let end = TestEnd(.client)
            let violation = end.receive([TestFrame(type, 0, [1, 2, 3]), .ping].bytes)
            #expect((violation == nil) == type.mayBeIgnored, "type \(number)")
            #expect(end.messages.last == (type.mayBeIgnored ? .ping : type))
        }
    }

    @Test("credit of nothing, or beyond 16 MiB")
    func credit() throws {
        let rest = UInt32(ProtocolLimits.maxWindow - ProtocolLimits.initialWindow)
        #expect(try violation([.open(2), .credit(2, 0)]) != nil)
        #expect(try violation([.open(2), .credit(2, rest)]) == nil)
        #expect(try violation([.open(2), .credit(2, rest + 1)]) != nil)
        #expect(try violation([.open(2), .credit(2, rest), .credit(2, 1)]) != nil)
        #expect(try violation([.open(2), .credit(2, .max)]) != nil)
        #expect(try violation([.open(2), .reset(2, .cancelled), .credit(2, .max)]) == nil, "it is closed")
    }

    @Test("payloads of the wrong length")
    func payloads() throws {
        for size in [0, 1, 3, 5, 8] { #expect(try violation([.open(2), TestFrame(.credit, 2, pattern(size))]) != nil) }
        for size in [0, 1, 3, 4] { #expect(try violation([.open(2), TestFrame(.reset, 2, pattern(size))]) != nil) }
        #expect(try violation([.open(2), TestFrame(.end, 2, [0])]) != nil)
        #expect(try violation([TestFrame(.open, 2, [1])]) != nil)
        #expect(try violation([TestFrame(.refused, 1, [1, 0, 2, 0])]) != nil)
    }

    @Test("a run of empty data: sixteen are taken, on one stream or several, with control between them")
    func emptyRun() throws {
        let opens: [TestFrame] = [.open(2), .open(4)]
        let sixteen = (0..<8).flatMap { _ in [TestFrame.data(2, 0), .ping, .data(4, 0)] }
        #expect(try violation(opens + sixteen) == nil)
        #expect(try violation(opens + sixteen + [.data(2, 0)])?.contains("empty DATA") == true)
        #expect(try violation(opens + sixteen + [.data(2, 1)] + sixteen) == nil, "a byte begins a new run")
        #expect(try violation(opens + [.reset(2, .cancelled)] + sixteen + [.data(2, 0)]) != nil, "closed ones count")
    }

    @Test("empty data is charged: a window of it stops")
    func emptyDataIsCharged() throws {
        let end = TestEnd(.client)
        #expect(end.receive([TestFrame.open(2), .open(4)].bytes) == nil)
        var frames = 0
        var violation: ProtocolViolation?
        while violation == nil, frames < 10_000 {
            violation = end.receive((frames % 16 == 15 ? [.data(4, 64), .data(2, 0)] : [TestFrame.data(2, 0)]).bytes)
            frames += 1
        }
        #expect(frames == ProtocolLimits.initialWindow / 64 + 1)
    }
}
