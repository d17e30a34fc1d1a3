import WMPIO

/// The events of a server or client, in order; ends after `.stopped`.
public struct TunnelEvents: AsyncSequence, Sendable {
    private let queue: EventQueue

    init(_ queue: EventQueue) { self.queue = queue }

    public struct Iterator: AsyncIteratorProtocol {
        fileprivate let queue: EventQueue

        /// The next event; nil when there will be none, or the task is cancelled.
        public mutating func next() async -> TunnelEvent? {
            guard case .event(let event) = await queue.next() else { return nil }
            return event
        }
    }

    public func makeAsyncIterator() -> Iterator { Iterator(queue: queue) }
}

/// The same for a host that pulls by itself.
package struct EventSource: Sendable {
    private let queue: EventQueue

    init(_ queue: EventQueue) { self.queue = queue }

    /// Readable while an event waits.
    package var descriptor: Int32 { queue.descriptor }

    /// What asking came to.
    package enum Next: Sendable {
        case event(TunnelEvent)
        /// None came in time.
        case none
        /// The last one has been taken.
        case closed
    }

    /// Waits for at most `milliseconds`; nil: no limit.
    package func next(milliseconds: Int?) -> Next { queue.next(until: milliseconds.map { Deadline(after: $0) }) }
}
