extension Duration {
    /// Whole milliseconds, at most some weeks: what the timers take.
    var milliseconds: Int {
        let (seconds, attoseconds) = components
        return Int(max(-1_000_000, min(seconds, 2_000_000))) * 1000 + Int(attoseconds / 1_000_000_000_000_000)
    }
}
