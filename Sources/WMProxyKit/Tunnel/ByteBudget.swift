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

/// What one visitor or stream has waiting, charged to a budget for as long as this value lives, and how fast its reader
/// reads.
///
/// Times are monotonic nanoseconds.
struct Holding: ~Copyable {
    let budget: ByteBudget?
    private(set) var bytes = 0
    /// From when on counts what was taken: the last seconds, and before them less and less.
    private var since: Int64 = 0
    /// What the system has taken for the reader since then, whether or not it had waited here.
    private var taken = 0

    /// How long ago counts in full, nanoseconds.
    private static let memory: Int64 = 4_000_000_000
    /// Everybody is taken to have been there for so long, nanoseconds, and to have read so much.
    private static let benefit: (time: Int64, bytes: Int) = (1_000_000_000, 64 * 1024)

    init(_ budget: ByteBudget?) { self.budget = budget }

    deinit { if bytes != 0 { _ = budget?.hold(-bytes) } }

    /// Returns the budget that this exceeds.
    mutating func set(to count: Int) -> ByteBudget? {
        guard count != bytes else { return nil }
        defer { bytes = count }
        return budget?.hold(count - bytes)
    }

    /// The system took `count` bytes for the reader.
    @inline(__always)
    mutating func noteTaken(_ count: Int, at now: Int64) {
        if now - since > Self.memory { age(now) }
        taken &+= count
    }

    private mutating func age(_ now: Int64) {
        // One that comes, or begins anew after a rest, has no past.
        guard now - since < 4 * Self.memory else {
            (since, taken) = (now, 0)
            return
        }
        (since, taken) = (since + (now - since) / 2, taken / 2)
    }

    /// How much it weighs on `budget`, or one within that: by how long its reader takes for 64 KiB. 0: nothing waits.
    ///
    /// So a reader that takes nothing weighs most, and more from second to second, and one that takes much although
    /// much waits weighs little: honest ones do not pay for those who stall. `unread`: bytes that the system has taken
    /// and the reader has not; its buffers take megabytes for one who never reads.
    func weight(on budget: ByteBudget, at now: Int64, unread: Int) -> Int {
        guard bytes > 0, self.budget?.belongs(to: budget) == true else { return 0 }
        let read = max(taken - unread, 0) + Self.benefit.bytes
        let microseconds = Double(min(now - since, 60 * Self.benefit.time) + Self.benefit.time) / 1000
        return Int(microseconds / Double(read) * 65_536) * (min(bytes, 64 * 1024) / 64 + 1)
    }
}
