/// How long to wait before the next attempt to connect: doubling, with full jitter, so that a thousand clients of a
/// restarted server do not come at once.
struct Backoff {
    private var ceiling = 50
    private var firstFailure: Int64?

    /// Milliseconds, for an attempt that failed at `now` (monotonic nanoseconds). The ceiling doubles from 50 ms to 1 s
    /// in the first minute, and to 15 s after that.
    mutating func next(now: Int64) -> Int {
        let since = now - (firstFailure ?? now)
        if firstFailure == nil { firstFailure = now }
        let delay = Int.random(in: 1...ceiling)
        ceiling = min(ceiling * 2, since < 60_000_000_000 ? 1000 : 15_000)
        return delay
    }

    mutating func reset() { self = Backoff() }
}
