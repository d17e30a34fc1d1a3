import Testing

@testable import WMPWire

@Suite("Growth of a window")
struct WindowGrowthTests {
    private let millisecond: Int64 = 1_000_000

    /// What a sender that is held back by its window alone reaches: it gets one window through in each round trip.
    private func rounds(until limit: Int, roundTrip: Int64) -> Int {
        var growth = WindowGrowth()
        var window = ProtocolLimits.initialWindow
        var now: Int64 = 1
        var rounds = 0
        _ = growth.passedOn(0, of: window, at: now, roundTrip: roundTrip, unread: 0)
        while window < limit, rounds < 100 {
            for _ in 0..<4 {
                now += roundTrip / 4 + 1
                let wider = growth.passedOn(window / 4, of: window, at: now, roundTrip: roundTrip, unread: 0)
                window = wider ?? window
            }
            rounds += 1
        }
        return rounds
    }

    @Test("doubles it each round trip or so while the sender waits for credit", arguments: [20, 100, 300])
    func doubling(milliseconds: Int64) {
        // Six doublings from 256 KiB to 16 MiB.
        #expect(rounds(until: ProtocolLimits.maxWindow, roundTrip: milliseconds * millisecond) <= 12)
    }

    @Test("is no more than twice what the reader takes in a round trip")
    func slowReader() {
        var growth = WindowGrowth()
        var widest = 0
        // 1 MB/s over 100 ms: 100 KB are on the way.
        for tick in 1...1000 {
            let now = Int64(tick) * 10 * millisecond
            widest = growth.passedOn(10_000, of: widest, at: now, roundTrip: 100 * millisecond, unread: 0) ?? widest
        }
        #expect(widest > 150_000 && widest < 250_000)
    }

    @Test("is for what the reader took, not for what the system's buffers took for it")
    func buffers() {
        var growth = WindowGrowth()
        let window = ProtocolLimits.initialWindow
        func fill(at turn: Int64, unread: Int) -> Int? {
            let now = 1 + turn * 2 * millisecond
            return growth.passedOn(4_000_000, of: window, at: now, roundTrip: millisecond, unread: unread)
        }
        _ = growth.passedOn(0, of: window, at: 1, roundTrip: millisecond, unread: 0)
        // 4 MB go into buffers, of which the reader takes 100 KB.
        #expect(fill(at: 1, unread: 3_900_000) == nil)
        // It takes 4 MB in the same time, and the buffers stay full.
        #expect(fill(at: 2, unread: 3_900_000) == 8_000_000)
    }

    @Test("is nothing before a round trip was measured, nor beyond the longest window")
    func bounds() {
        var growth = WindowGrowth()
        for tick in 1...100 {
            #expect(growth.passedOn(1 << 30, of: 0, at: Int64(tick) << 30, roundTrip: 0, unread: 0) == nil)
        }
        var fast = WindowGrowth()
        _ = fast.passedOn(1, of: 0, at: 1, roundTrip: millisecond, unread: 0)
        let widest = fast.passedOn(1 << 40, of: 0, at: 10 * millisecond, roundTrip: millisecond, unread: 0)
        #expect(widest == ProtocolLimits.maxWindow)
    }
}
