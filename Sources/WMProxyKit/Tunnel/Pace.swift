import Synchronization

/// How fast a principal's tunnel may go, on all loops together: so many bytes a second in each direction.
final class Pace: Sendable {
    let received: Rate
    let sent: Rate
    /// Bytes to move at once, so that nobody has to wait long for the next.
    let portion: Int

    init(bytesPerSecond rate: Int) {
        (received, sent) = (Rate(rate), Rate(rate))
        portion = max(4096, rate / 16)
    }

    /// One direction (the generic cell rate algorithm, ITU-T I.371 annex A), with a debt of two seconds at most: nobody
    /// may rest for so long that he seems dead.
    final class Rate: Sendable {
        private let perSecond: Int
        /// When all that was taken is paid for, monotonic nanoseconds.
        private let paidAt = Atomic<Int64>(0)

        /// What may be taken ahead, nanoseconds.
        private static let burst: Int64 = 100_000_000
        private static let mostDebt: Int64 = 2_000_000_000

        fileprivate init(_ perSecond: Int) { self.perSecond = perSecond }

        /// Takes `count` bytes; returns for how many milliseconds no more may be taken.
        func take(_ count: Int, at now: Int64) -> Int {
            let price = Int64(Double(count) / Double(perSecond) * 1_000_000_000)
            var paid = paidAt.load(ordering: .relaxed)
            while true {
                let next = min(max(paid, now) + price, now + Self.mostDebt)
                let (isExchanged, found) = paidAt.weakCompareExchange(expected: paid, desired: next, ordering: .relaxed)
                if isExchanged { return Int(max(0, next - now - Self.burst) / 1_000_000) }
                paid = found
            }
        }
    }
}
