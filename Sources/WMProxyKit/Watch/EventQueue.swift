import WMPIO

/// The events of one server or client, pulled by the host.
///
/// Bounded: when the host does not pull, the oldest go, and it is told how many. @unchecked Sendable: the monitor guards the queue.
final class EventQueue: @unchecked Sendable {
    /// Readable while an event waits, for the host's poll.
    let descriptor: Int32
    private let monitor = Monitor()
    private var events: [TunnelEvent] = []
    private var lost = 0
    private var isClosed = false
    /// Tasks that wait, the longest first.
    private var waiters: [(number: UInt64, continuation: CheckedContinuation<EventSource.Next, Never>)] = []
    private var lastWaiter: UInt64 = 0

    private static let capacity = 1024

    init() throws(SystemError) { descriptor = try System.eventDescriptor() }

    deinit { System.close(descriptor) }

    /// Any thread.
    func post(
        _ kind: TunnelEvent.Kind, code: TunnelError.Code? = nil, clientID: String = "", name: String = "", address: String = "",
        reason: String = ""
    ) {
        let event = TunnelEvent(
            kind: kind, code: code, time: unixMilliseconds(), clientID: clientID, name: name, address: address, reason: reason)
        monitor.locked {
            if !waiters.isEmpty { return waiters.removeFirst().continuation.resume(returning: .event(event)) }
            if events.count == Self.capacity {
                events.removeFirst()
                lost += 1
            }
            events.append(event)
            System.signal(descriptor)
            monitor.signal()
        }
    }

    /// The oldest event, awaited until `deadline` (nil: no limit). Blocks its thread, which is the host's.
    func next(until deadline: Deadline?) -> EventSource.Next {
        monitor.locked {
            while true {
                if let next = take() { return next }
                guard monitor.wait(until: deadline) else { return .none }
            }
        }
    }

    /// The oldest event, awaited without a thread; `.none` when the task is cancelled.
    func next() async -> EventSource.Next {
        let number = monitor.locked {
            lastWaiter += 1
            return lastWaiter
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                monitor.locked {
                    if let next = take() { return continuation.resume(returning: next) }
                    if Task.isCancelled { return continuation.resume(returning: .none) }
                    waiters.append((number, continuation))
                }
            }
        } onCancel: {
            monitor.locked {
                guard let index = waiters.firstIndex(where: { $0.number == number }) else { return }
                waiters.remove(at: index).continuation.resume(returning: .none)
            }
        }
    }

    /// What there is, with the lock held; nil: nothing yet.
    private func take() -> EventSource.Next? {
        if events.isEmpty, lost == 0 { return isClosed ? .closed : nil }
        defer { if events.isEmpty { System.drain(descriptor) } }
        guard lost > 0 else { return .event(events.removeFirst()) }
        let count = lost
        lost = 0
        return .event(TunnelEvent(
            kind: .eventsLost, code: nil, time: unixMilliseconds(), clientID: "", name: "", address: "",
            reason: "\(count) events lost: the queue was full"))
    }

    /// Wakes those who wait; they get what is left, then nothing.
    func close() {
        monitor.locked {
            isClosed = true
            for waiter in waiters { waiter.continuation.resume(returning: .closed) }
            waiters.removeAll()
            monitor.signal()
        }
    }
}
