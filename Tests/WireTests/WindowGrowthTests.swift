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
        _ = growth.passedOn(0, at: now, roundTrip: roundTrip)
        while window < limit, rounds < 100 {
            for _ in 0..<4 {
                now += roundTrip / 4 + 1
                if let width = growth.passedOn(window / 4, at: now, roundTrip: roundTrip) {
                    window = max(window, width)
                }
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
            let width = growth.passedOn(10_000, at: Int64(tick) * 10 * millisecond, roundTrip: 100 * millisecond)
            widest = max(widest, width ?? 0)
        }
        #expect(widest > 150_000 && widest < 250_000)
    }

    @Test("is for what the reader took, not for what the system's buffers took for it")
    func buffers() {
        var growth = WindowGrowth()
        _ = growth.passedOn(0, at: 1, roundTrip: millisecond)
        // 4 MB go into buffers at once, of which the reader takes 100 KB: room for twice that is more than enough.
        let stalled = growth.passedOn(4_000_000, at: 1 + 2 * millisecond, roundTrip: millisecond, unread: 3_900_000)
        #expect(stalled.map { $0 <= 200_000 } == true)
        // Now it takes 4 MB in the same time, and the buffers stay full.
        let reading = growth.passedOn(4_000_000, at: 1 + 4 * millisecond, roundTrip: millisecond, unread: 3_900_000)
        #expect(reading.map { $0 >= 7_900_000 } == true)
    }

    @Test("is nothing before a round trip was measured, nor beyond the longest window")
    func bounds() {
        var growth = WindowGrowth()
        for tick in 1...100 { #expect(growth.passedOn(1 << 30, at: Int64(tick) << 30, roundTrip: 0) == nil) }
        var fast = WindowGrowth()
        _ = fast.passedOn(1, at: 1, roundTrip: millisecond)
        #expect(fast.passedOn(1 << 40, at: 10 * millisecond, roundTrip: millisecond) == ProtocolLimits.maxWindow)
    }
}
