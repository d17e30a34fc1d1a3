import Synchronization

/// How many there are of something that several loops come and go with: a limit's other half.
final class SharedCount: Sendable {
    private let value = Atomic<Int>(0)

    /// Counts one more unless there are `limit` already.
    func add(upTo limit: Int) -> Bool {
        if value.add(1, ordering: .relaxed).newValue <= limit { return true }
        value.subtract(1, ordering: .relaxed)
        return false
    }

    var current: Int { value.load(ordering: .relaxed) }

    func remove() { value.subtract(1, ordering: .relaxed) }
}
