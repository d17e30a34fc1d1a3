/// What a peer did that the protocol forbids. Its scope is always the lane: the two sides no longer agree on what the
/// bytes mean.
package struct ProtocolViolation: Error, Equatable, Sendable {
    /// For the log; never sent to a stranger.
    package let reason: String

    package init(_ reason: String) { self.reason = reason }
}
