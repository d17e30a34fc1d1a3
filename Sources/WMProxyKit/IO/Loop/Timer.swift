/// One deadline of one object, moved at will: setting it later costs a store, not a heap operation.
///
/// Confined to its loop. `cancel` before the owner goes: the action is kept until then.
package final class Timer {
    /// When the action is due, monotonic nanoseconds; `.max` for never.
    package fileprivate(set) var deadline = Int64.max
    /// Where it stands in the queue; later than `deadline` never, earlier often.
    fileprivate var queuedFor = Int64.max
    private let loop: Loop
    fileprivate var action: (() -> Void)?

    package init(on loop: Loop, action: @escaping () -> Void) {
        self.loop = loop
        self.action = action
    }

    /// Due `milliseconds` from now; an earlier setting is forgotten.
    package func set(after milliseconds: Int) {
        deadline = loop.now + Int64(milliseconds) * 1_000_000
        if deadline < queuedFor { loop.timers.insert(self) }
    }

    package func unset() { deadline = .max }

    /// For good: forgets the action and what it holds.
    package func cancel() {
        deadline = .max
        action = nil
    }
}

/// The timers of one loop: a binary heap of the times at which to look at a timer again.
struct TimerQueue {
    private var heap: [(at: Int64, timer: Timer)] = []

    /// Milliseconds until there is something to look at; −1 for never.
    func timeout(now: Int64) -> Int32 {
        guard let first = heap.first else { return -1 }
        return Int32(clamping: max(0, (first.at - now + 999_999) / 1_000_000))
    }

    mutating func insert(_ timer: Timer) {
        timer.queuedFor = timer.deadline
        heap.append((timer.deadline, timer))
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard heap[child].at < heap[parent].at else { break }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    /// The next action that is due.
    mutating func popDue(now: Int64) -> (() -> Void)? {
        while let first = heap.first, first.at <= now {
            removeFirst()
            let timer = first.timer
            // An entry that a later `insert` replaced.
            guard timer.queuedFor == first.at else { continue }
            timer.queuedFor = .max
            if timer.deadline <= now {
                timer.deadline = .max
                if let action = timer.action { return action }
            } else if timer.deadline != .max {
                insert(timer)
            }
        }
        return nil
    }

    private mutating func removeFirst() {
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && heap[child].at < heap[least].at {
                least = child
            }
            guard least != parent else { return }
            heap.swapAt(least, parent)
            parent = least
        }
    }
}
