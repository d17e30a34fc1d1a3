package import WMPIO

/// The events of one server or client, pulled by the host.
///
/// Bounded: when the host does not pull, the oldest go, and it is told how many. @unchecked Sendable: the monitor
/// guards the queue.
package final class EventQueue: @unchecked Sendable {
    /// Readable while an event waits, for the host's poll.
    package let descriptor: Int32
    private let monitor = Monitor()
    private var events: [TunnelEvent] = []
    private var lost = 0
    private var isClosed = false
    /// Those who wait without a thread, the longest first.
    private var waiters: [(number: UInt64, receive: (Next) -> Void)] = []
    /// Numbers given out and not yet waiting.
    private var expected: Set<UInt64> = []
    private var lastWaiter: UInt64 = 0

    private static let capacity = 1024

    /// What asking came to.
    package enum Next: Sendable {
        case event(TunnelEvent)
        /// None came in time.
        case none
        /// The last one has been taken.
        case closed
    }

    init() throws(SystemError) { descriptor = try System.eventDescriptor() }

    deinit { System.close(descriptor) }

    /// Any thread.
    func post(
        _ kind: TunnelEvent.Kind, code: TunnelError.Code? = nil, clientID: String = "", name: String = "",
        address: String = "",
        reason: String = ""
    ) {
        let event = TunnelEvent(
            kind: kind, code: code, time: unixMilliseconds(), clientID: clientID, name: name, address: address,
            reason: reason)
        let receive: ((Next) -> Void)? = monitor.locked {
            if !waiters.isEmpty { return waiters.removeFirst().receive }
            if events.count == Self.capacity {
                events.removeFirst()
                lost += 1
            }
            events.append(event)
            System.signal(descriptor)
            monitor.signal()
            return nil
        }
        receive?(.event(event))
    }

    /// The oldest event, awaited until `deadline` (nil: no limit). Blocks its thread, which is the host's.
    package func next(until deadline: Deadline?) -> Next {
        monitor.locked {
            while true {
                if let next = take() { return next }
                guard monitor.wait(until: deadline) else { return .none }
            }
        }
    }

    /// A number for `wait` and `cancel`.
    package func makeWaiter() -> UInt64 {
        monitor.locked {
            lastWaiter += 1
            expected.insert(lastWaiter)
            return lastWaiter
        }
    }

    /// Hands the oldest event to `receive`, now or, on the thread that posts it, when there is one. Once.
    package func wait(as number: UInt64, _ receive: @escaping (Next) -> Void) {
        let next: Next? = monitor.locked {
            guard expected.remove(number) != nil else { return Next.none }
            if let next = take() { return next }
            waiters.append((number, receive))
            return nil
        }
        if let next { receive(next) }
    }

    /// The waiter gets `.none`, now or when it comes.
    package func cancel(_ number: UInt64) {
        let receive: ((Next) -> Void)? = monitor.locked {
            guard let index = waiters.firstIndex(where: { $0.number == number }) else {
                expected.remove(number)
                return nil
            }
            return waiters.remove(at: index).receive
        }
        receive?(.none)
    }

    /// What there is, with the lock held; nil: nothing yet.
    private func take() -> Next? {
        if events.isEmpty, lost == 0 { return isClosed ? .closed : nil }
        defer { if events.isEmpty { System.drain(descriptor) } }
        guard lost > 0 else { return .event(events.removeFirst()) }
        let count = lost
        lost = 0
        return .event(
            TunnelEvent(
                kind: .eventsLost, code: nil, time: unixMilliseconds(), clientID: "", name: "", address: "",
                reason: "\(count) events lost: the queue was full"))
    }

    /// Wakes those who wait; they get what is left, then nothing.
    func close() {
        let left = monitor.locked {
            isClosed = true
            monitor.signal()
            defer { waiters.removeAll() }
            return waiters
        }
        for waiter in left { waiter.receive(.closed) }
    }
}
