import Synchronization
import WMPIO

/// How much a message matters.
public enum LogLevel: Int32, Sendable, Comparable {
    /// Something does not work until somebody acts.
    case error = 1
    /// Something is not as it should be, and was dealt with.
    case warning = 2
    /// Listeners, sessions and mappings coming and going.
    case info = 3
    /// Single connections.
    case debug = 4

    public static func < (left: LogLevel, right: LogLevel) -> Bool { left.rawValue < right.rawValue }
}

/// The process's log: to the host's callback, by way of the notifier; nowhere without one.
enum Log {
    /// The least important level that is wanted; 0 for none.
    private static let threshold = Atomic<Int32>(0)
    private static let current = Guarded<Notifier.Token?>(nil, isStatic: true)

    /// Replaces the callback; nil ends logging. The earlier one has got all that was logged, and is not running, when
    /// this returns.
    static func setCallback(_ level: LogLevel, _ call: ((LogLevel, String) -> Void)?) throws(SystemError) {
        threshold.store(0, ordering: .relaxed)
        if let before = current.withLock({ current in
            defer { current = nil }
            return current
        }) {
            Notifier.shared.remove(before)
        }
        guard let call else { return }
        let token = try Notifier.shared.onMessages(call)
        current.withLock { $0 = token }
        threshold.store(level.rawValue, ordering: .relaxed)
    }

    static func write(_ level: LogLevel, _ text: @autoclosure () -> String) {
        guard level.rawValue <= threshold.load(ordering: .relaxed) else { return }
        Notifier.shared.post(level, text())
    }

    static func error(_ text: @autoclosure () -> String) { write(.error, text()) }
    static func warning(_ text: @autoclosure () -> String) { write(.warning, text()) }
    static func info(_ text: @autoclosure () -> String) { write(.info, text()) }
    static func debug(_ text: @autoclosure () -> String) { write(.debug, text()) }
}

/// Lets so many messages through a second, one unless told otherwise: neither strangers nor peers may fill a disk.
/// Confined to its loop.
struct LogLimiter {
    private let most: Int
    private var since: Int64?
    private var admitted = 0
    private var held = 0

    init(perSecond most: Int = 1) { self.most = most }

    /// Logs `text`, with how many were held back before it, or holds it back.
    mutating func log(_ level: LogLevel, at now: Int64, _ text: @autoclosure () -> String) {
        guard let held = admit(now: now) else { return }
        Log.write(level, held == 0 ? text() : "\(text()) (and \(held) more like it)")
    }

    /// How many were held back before this one; nil: hold this one back too.
    mutating func admit(now: Int64) -> Int? {
        if now - (since ?? .min / 2) >= 1_000_000_000 { (since, admitted) = (now, 0) }
        guard admitted < most else {
            held += 1
            return nil
        }
        admitted += 1
        defer { held = 0 }
        return held
    }
}
