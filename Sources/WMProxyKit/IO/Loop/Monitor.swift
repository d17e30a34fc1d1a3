import CWMProxyShims

/// A lock with a condition, for threads that are allowed to wait: the host's, the resolver, the notifier. Never a loop.
///
/// @unchecked Sendable: it is the lock.
package final class Monitor: @unchecked Sendable {
    private let monitor: OpaquePointer?

    /// `isStatic`: it lives as long as the process, and a fork's child finds it free.
    package init(isStatic: Bool = false) {
        monitor = isStatic ? wmps_monitor_create_static() : wmps_monitor_create()
    }

    deinit { wmps_monitor_destroy(monitor) }

    package func locked<R, E: Error>(_ body: () throws(E) -> R) throws(E) -> R {
        wmps_monitor_lock(monitor)
        defer { wmps_monitor_unlock(monitor) }
        return try body()
    }

    /// Wakes all who wait. With or without the lock.
    package func signal() { wmps_monitor_signal(monitor) }

    /// Gives the lock up until a signal. false: the deadline has passed.
    package func wait(until deadline: Deadline?) -> Bool {
        wmps_monitor_wait(monitor, deadline?.nanoseconds ?? -1) == 0
    }
}

/// A point in monotonic time: the wall clock may jump, this may not.
package struct Deadline: Sendable {
    package let nanoseconds: Int64

    /// `milliseconds` from now.
    package init(after milliseconds: Int) {
        nanoseconds = wmps_monotonic_ns() + Int64(min(milliseconds, Int(Int32.max))) * 1_000_000
    }

    package var hasPassed: Bool { wmps_monotonic_ns() >= nanoseconds }
}

/// Milliseconds since 1970-01-01 00:00 UTC, for people; never for timers.
package func unixMilliseconds() -> Int64 { wmps_unix_ms() }
