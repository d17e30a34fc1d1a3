import Synchronization
import WMPWire

/// How many bytes may wait in memory, and how many more may be promised to peers: of a session, within a server's or
/// client's (`parent`).
///
/// Shared by the loops its lanes live on: atomic sums, touched only when bytes begin or end to wait and when a window
/// is widened. The initial windows are not counted, since a stream that does not wait costs nothing.
final class ByteBudget: WindowBudget, Sendable {
    private let limit: Int
    private let parent: ByteBudget?
    private let held = Atomic<Int>(0)
    private let promised = Atomic<Int>(0)
    private let isShedding = Atomic<Bool>(false)

    init(limit: Int, within parent: ByteBudget? = nil) {
        (self.limit, self.parent) = (limit, parent)
    }

    /// Bytes that wait now.
    var current: Int { held.load(ordering: .relaxed) }

    var isExceeded: Bool { current > limit }

    /// Counts `change` more bytes, or fewer, as waiting. Returns the budget that is exceeded by more, the outermost of
    /// several: somebody has to give way.
    func hold(_ change: Int) -> ByteBudget? {
        let outer = parent?.hold(change)
        let sum = held.add(change, ordering: .relaxed).newValue
        return outer ?? (change > 0 && sum > limit ? self : nil)
    }

    /// Lets a window be wider by `count` bytes, which `withdraw` gives back. Half of the budget at most: what all
    /// windows together may bring at once is to find room.
    package func promise(_ count: Int) -> Bool {
        guard promised.add(count, ordering: .relaxed).newValue <= limit / 2, parent?.promise(count) ?? true else {
            promised.subtract(count, ordering: .relaxed)
            return false
        }
        return true
    }

    package func withdraw(_ count: Int) {
        promised.subtract(count, ordering: .relaxed)
        parent?.withdraw(count)
    }

    /// false: somebody is being looked for already who has to give way.
    func beginShedding() -> Bool { !isShedding.exchange(true, ordering: .relaxed) }
    func endShedding() { isShedding.store(false, ordering: .relaxed) }

    /// Is `other`, or within it.
    func belongs(to other: ByteBudget) -> Bool { self === other || parent?.belongs(to: other) == true }
}

/// What one visitor or stream has waiting, charged to a budget for as long as this value lives, and how slowly it goes.
///
/// Times are monotonic nanoseconds.
struct Holding: ~Copyable {
    let budget: ByteBudget?
    private(set) var bytes = 0
    /// When something began to wait, and how much the system has taken of it since; both halved from time to time.
    private var since: Int64 = 0
    private var taken = 0
    /// What the system had taken then, and the reader had not.
    private var unreadSince = 0
    /// When something was taken last.
    private var takenAt: Int64 = 0

    /// How long ago counts in full, nanoseconds.
    private static let memory: Int64 = 4_000_000_000

    init(_ budget: ByteBudget?) { self.budget = budget }

    deinit { if bytes != 0 { _ = budget?.hold(-bytes) } }

    /// Returns the budget that this exceeds. `unread`: bytes that the system has taken and the reader has not, asked
    /// when something begins to wait.
    mutating func set(to count: Int, at now: Int64, unread: @autoclosure () -> Int = 0) -> ByteBudget? {
        guard count != bytes else { return nil }
        if bytes == 0 { (since, taken, takenAt, unreadSince) = (now, 0, now, unread()) }
        defer { bytes = count }
        return budget?.hold(count - bytes)
    }

    /// The system took `count` bytes for the reader.
    mutating func noteTaken(_ count: Int, at now: Int64) {
        guard count > 0 else { return }
        if now - since > Self.memory { (since, taken) = (since + (now - since) / 2, taken / 2) }
        taken &+= count
        takenAt = now
    }

    /// How much it weighs on `budget`, or one within that: what waits, as far as it counts, by the milliseconds until
    /// it is gone if it goes on as it did. 0: nothing waits.
    ///
    /// So a reader that takes nothing weighs most, and one that takes much although much waits weighs little: honest
    /// ones do not pay for those who stall. Who is new is taken to have been there for a second, so that one who has
    /// taken much for long is believed before those who have yet to take anything. `unread` is what it is now: the
    /// system's buffers grow for a while, whether or not anybody reads.
    func weight(on budget: ByteBudget, at now: Int64, unread: @autoclosure () -> Int = 0) -> Int {
        guard bytes > 0, self.budget?.belongs(to: budget) == true else { return 0 }
        let silence = now - takenAt
        let read = max(taken - max(unread() - unreadSince, 0), 1)
        let left = Double(now - since + 1_000_000_000) * Double(bytes) / Double(read)
        let delay = max(Double(silence), left) / 1_000_000
        return Int(1 + min(delay, 60_000)) * min(bytes, 64 * 1024)
    }
}
