/// A value that several threads change, one at a time.
///
/// A pthread lock, not `Synchronization.Mutex`: that one remembers thread ids, which a fork's child has others of.
/// @unchecked Sendable: the monitor guards the value.
package final class Guarded<Value>: @unchecked Sendable {
    private let monitor: Monitor
    private var value: Value

    /// `isStatic`: it lives as long as the process, and a fork's child finds it free.
    package init(_ value: Value, isStatic: Bool = false) {
        monitor = Monitor(isStatic: isStatic)
        self.value = value
    }

    package func withLock<R>(_ body: (inout Value) -> R) -> R {
        monitor.locked { body(&value) }
    }
}
