/// One deadline of one object, moved at will: setting it later costs a store, not a heap operation.
///
/// Confined to its loop. `cancel` before the owner goes: the action is kept until then.
package final class Timer {
    /// When the action is due, monotonic nanoseconds; `.max` for never.
    fileprivate var deadline = Int64.max
    /// When the queue looks at it; never later than `deadline`, often earlier.
    fileprivate var queuedFor = Int64.max
    /// Its place in the queue's heap; nil outside.
    fileprivate var index: Int?
    private let loop: Loop
    fileprivate var action: (() -> Void)?

    package init(on loop: Loop, action: @escaping () -> Void) {
        self.loop = loop
        self.action = action
    }

    /// Due `milliseconds` from now; an earlier setting is forgotten.
    package func set(after milliseconds: Int) {
        deadline = loop.now + Int64(min(milliseconds, Int(Int32.max))) * 1_000_000
        if deadline < queuedFor { loop.timers.insert(self) }
    }

    package func unset() { deadline = .max }
    package var isSet: Bool { deadline != .max }

    /// For good: forgets the action and what it holds.
    package func cancel() {
        unset()
        action = nil
        loop.timers.remove(self)
    }

    /// The loop ends: what the action holds may go.
    func loopEnded() { action = nil }
}

/// The timers of one loop: a binary heap of the times at which to look at each.
struct TimerQueue {
    private var heap: [Timer] = []

    /// Milliseconds until there is something to look at; −1 for never.
    func timeout(now: Int64) -> Int32 {
        guard let first = heap.first else { return -1 }
        return Int32(clamping: max(0, (first.queuedFor - now + 999_999) / 1_000_000))
    }

    /// Looks at `timer` when its deadline has come, and no more at the time before.
    mutating func insert(_ timer: Timer) {
        remove(timer)
        timer.queuedFor = timer.deadline
        timer.index = heap.count
        heap.append(timer)
        rise(heap.count - 1)
    }

    mutating func remove(_ timer: Timer) {
        guard let index = timer.index else { return }
        timer.index = nil
        timer.queuedFor = .max
        let last = heap.removeLast()
        guard index < heap.count else { return }
        heap[index] = last
        last.index = index
        rise(index)
        sink(index)
    }

    /// Forgets all timers, and returns them.
    mutating func takeAll() -> [Timer] {
        let all = heap
        heap = []
        for timer in all { (timer.deadline, timer.queuedFor, timer.index) = (.max, .max, nil) }
        return all
    }

    /// The next action that is due.
    mutating func popDue(now: Int64) -> (() -> Void)? {
        while let first = heap.first, first.queuedFor <= now {
            remove(first)
            if first.deadline <= now {
                first.deadline = .max
                if let action = first.action { return action }
            } else if first.deadline != .max {
                insert(first)
            }
        }
        return nil
    }

    private mutating func rise(_ start: Int) {
        var child = start
        while child > 0, heap[child].queuedFor < heap[(child - 1) / 2].queuedFor {
            exchange(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    private mutating func sink(_ start: Int) {
        var parent = start
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < heap.count && heap[child].queuedFor < heap[least].queuedFor {
                least = child
            }
            guard least != parent else { return }
            exchange(parent, least)
            parent = least
        }
    }

    private mutating func exchange(_ one: Int, _ other: Int) {
        heap.swapAt(one, other)
        heap[one].index = one
        heap[other].index = other
    }
}
