extension Dictionary {
    /// Entries above which memory is worth giving back.
    private static var largeCapacity: Int { 256 }

    /// Removes an entry. A table keeps the memory of its largest time; one that has been large gives it back when it is
    /// empty.
    /// - Returns: whether that has happened.
    @discardableResult
    package mutating func forget(_ key: Key) -> Bool {
        removeValue(forKey: key)
        guard isEmpty, capacity > Self.largeCapacity else { return false }
        self = [:]
        return true
    }
}
