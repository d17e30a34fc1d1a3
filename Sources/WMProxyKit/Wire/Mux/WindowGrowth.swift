/// How wide a window has to be so that its sender never waits for credit: twice what the reader took in a round trip,
/// which is bandwidth × delay with room to grow (dynamic right-sizing: Fisk and Feng, LACSI 2001).
///
/// A sender held back by its window sends one window each round trip, so the window doubles each time until the reader,
/// or the path, is what limits. A reader that stops is never given more.
package struct WindowGrowth {
    private var since: Int64?
    private var passed = 0
    /// What was unread at `since`; 0 if nobody asked.
    private var unreadBefore = 0

    /// Beside the path both sides' loops take their time, nanoseconds: on a fast path that is most of it
    /// (docs/decisions/0010).
    private static let turn: Int64 = 1_000_000
    /// No round trip is taken to be longer, nanoseconds.
    private static let longest: Int64 = 2_000_000_000

    package init() {}

    /// `count` bytes were passed on at `now`, of a window of `width` bytes. Returns a greater width if that fits, once
    /// a round trip has passed. Times are monotonic nanoseconds.
    ///
    /// `unread`: bytes that were passed on and that the reader has not taken, since a system's buffers take a lot for a
    /// reader that takes nothing. Asked at most once in a round trip, and only where it decides.
    @inline(__always)
    package mutating func passedOn(
        _ count: Int, of width: Int, at now: Int64, roundTrip: Int64, unread: @autoclosure () -> Int
    ) -> Int? {
        guard let begin = since else {
            since = now
            return nil
        }
        passed &+= count
        let elapsed = now - begin
        let path = min(roundTrip, Self.longest) + Self.turn
        guard roundTrip > 0, elapsed >= path else { return nil }
        let before = unreadBefore
        let most = Self.width(passed + before, path, elapsed)
        unreadBefore = most > width ? unread() : 0
        let fitting = Self.width(passed + before - unreadBefore, path, elapsed)
        (since, passed) = (now, 0)
        return fitting > width ? fitting : nil
    }

    /// Twice what passes in the time `path` where `count` bytes pass in the time `elapsed`.
    private static func width(_ count: Int, _ path: Int64, _ elapsed: Int64) -> Int {
        // In microseconds, and of no more than 2⁴⁰ bytes: the product has room in 63 bits.
        let width = 2 * Int64(max(0, min(count, 1 << 40))) * (path / 1000) / (elapsed / 1000)
        return Int(min(width, Int64(ProtocolLimits.maxWindow)))
    }
}

/// What wider windows are paid from: all streams of a session together.
package protocol WindowBudget: AnyObject, Sendable {
    /// Lets a window be wider by `count` bytes, which `withdraw` gives back. false: there is no room.
    func promise(_ count: Int) -> Bool
    func withdraw(_ count: Int)
}
