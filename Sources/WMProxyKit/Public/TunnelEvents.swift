package import WMPEngine

/// The events of a server or client, in order; ends after `.stopped`.
public struct TunnelEvents: AsyncSequence, Sendable {
    private let queue: EventQueue

    init(_ queue: EventQueue) { self.queue = queue }

    public struct Iterator: AsyncIteratorProtocol {
        fileprivate let queue: EventQueue

        /// The next event; nil when there will be none, or the task is cancelled.
        public mutating func next() async -> TunnelEvent? {
            let (queue, number) = (queue, queue.makeWaiter())
            let next = await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in
                    queue.wait(as: number) { continuation.resume(returning: $0) }
                }
            } onCancel: {
                queue.cancel(number)
            }
            if case .event(let event) = next { return event }
            return nil
        }
    }

    public func makeAsyncIterator() -> Iterator { Iterator(queue: queue) }
}
