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

/// What one visitor or stream has waiting, charged to a budget for as long as this value lives.
struct Holding: ~Copyable {
    let budget: ByteBudget?
    private(set) var bytes = 0

    init(_ budget: ByteBudget?) { self.budget = budget }

    deinit { if bytes != 0 { _ = budget?.hold(-bytes) } }

    /// What of it is on the account of `budget`, or of one within that.
    func bytes(within budget: ByteBudget) -> Int { self.budget?.belongs(to: budget) == true ? bytes : 0 }

    /// Returns the budget that this exceeds.
    mutating func set(to count: Int) -> ByteBudget? {
        guard count != bytes else { return nil }
        defer { bytes = count }
        return budget?.hold(count - bytes)
    }
}
