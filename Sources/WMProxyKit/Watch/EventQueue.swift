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
            while events.isEmpty, lost == 0 {
                if isClosed { return .closed }
                guard monitor.wait(until: deadline) else { return .none }
            }
            defer { if events.isEmpty { System.drain(descriptor) } }
            guard lost > 0 else { return .event(events.removeFirst()) }
            let count = lost
            lost = 0
            return .event(TunnelEvent(
                kind: .eventsLost, code: nil, time: unixMilliseconds(), clientID: "", name: "", address: "",
                reason: "\(count) events lost: the queue was full"))
        }
    }

    /// Wakes those who wait; they get what is left, then nothing.
    func close() {
        monitor.locked {
            isClosed = true
            monitor.signal()
        }
    }
}
