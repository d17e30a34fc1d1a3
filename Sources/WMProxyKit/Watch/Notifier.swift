import CWMProxyShims
import Glibc
import WMPIO

/// The one thread on which the host's callbacks run, so that they may block without holding up a loop.
///
/// It lives while there is a callback to call. @unchecked Sendable: the monitor guards its state.
final class Notifier: @unchecked Sendable {
    static let shared = Notifier()

    /// A callback's registration. After `remove` has returned, the callback is not called any more.
    struct Token: Hashable, Sendable { fileprivate let number: UInt64 }

    private enum Work {
        /// Called at its time and then again, every `interval` nanoseconds.
        case periodic(interval: Int64, due: Deadline, call: () -> Void)
        /// Called with messages that others post.
        case messages(call: (LogLevel, String) -> Void)
    }

    private let monitor = Monitor(isStatic: true)
    private var work: [Token: Work] = [:]
    private var messages: [(LogLevel, String)] = []
    private var lostMessages = 0
    private var running: Token?
    private var lastNumber: UInt64 = 0
    private var thread: OpaquePointer?
    private var isStopping = false
    /// The process of the thread: a fork's child has this object, but not the thread.
    private var process: pid_t = 0

    private static let messageCapacity = 4096

    /// With the lock held.
    private var isInside: Bool { thread.map { wmps_thread_is_current($0) != 0 } ?? false }

    /// This thread is the notifier's: a callback of the host is running.
    var isCurrent: Bool { monitor.locked { isInside } }

    func every(milliseconds: Int, _ call: @escaping () -> Void) throws(SystemError) -> Token {
        try add(.periodic(interval: Int64(milliseconds) * 1_000_000, due: Deadline(after: milliseconds), call: call))
    }

    func onMessages(_ call: @escaping (LogLevel, String) -> Void) throws(SystemError) -> Token {
        try add(.messages(call: call))
    }

    func post(_ level: LogLevel, _ text: String) {
        monitor.locked {
            guard messages.count < Self.messageCapacity else {
                lostMessages += 1
                return
            }
            messages.append((level, text))
            monitor.signal()
        }
    }

    private func add(_ item: Work) throws(SystemError) -> Token {
        try monitor.locked { () throws(SystemError) in
            if thread != nil, process != getpid() { forgetParent() }
            // A thread that is on its way out is awaited before another starts.
            while isStopping { _ = monitor.wait(until: nil) }
            lastNumber += 1
            let token = Token(number: lastNumber)
            work[token] = item
            if thread != nil {
                monitor.signal()
                return token
            }
            let context = Unmanaged.passUnretained(self)
            let code = wmps_thread_start(
                "wmp-notifier",
                { context in
                    guard let context else { return }
                    Unmanaged<Notifier>.fromOpaque(context).takeUnretainedValue().run()
                }, context.toOpaque(), &thread)
            guard code == 0 else {
                work[token] = nil
                throw SystemError("pthread_create", code)
            }
            process = getpid()
            return token
        }
    }

    /// Ends a registration, after what was posted for it has been delivered and its callback has returned; called from
    /// a callback, it does not wait.
    func remove(_ token: Token) {
        let last: OpaquePointer? = monitor.locked {
            guard process == getpid() else { return nil }
            let isInside = isInside
            if case .messages = work[token] {
                while !messages.isEmpty, !isInside { _ = monitor.wait(until: nil) }
            }
            work[token] = nil
            while running == token, !isInside { _ = monitor.wait(until: nil) }
            guard work.isEmpty, !isStopping, !isInside else { return nil }
            isStopping = true
            monitor.signal()
            return thread
        }
        guard let last else { return }
        _ = wmps_thread_join(last, 5_000)
        monitor.locked {
            thread = nil
            isStopping = false
            monitor.signal()
        }
    }

    private func forgetParent() {
        work.removeAll()
        messages.removeAll()
        running = nil
        thread = nil
        isStopping = false
    }

    private func run() {
        while let job = next() { job() }
    }

    /// Waits for the next call to make; nil: the thread is to end.
    private func next() -> (() -> Void)? {
        monitor.locked {
            while true {
                running = nil
                monitor.signal()
                if isStopping { return nil }
                if let call = duePeriodic() ?? dueMessage() { return call }
                let earliest = work.values.compactMap { if case .periodic(_, let due, _) = $0 { due } else { nil } }
                    .min { $0.nanoseconds < $1.nanoseconds }
                _ = monitor.wait(until: earliest)
            }
        }
    }

    private func dueMessage() -> (() -> Void)? {
        guard !messages.isEmpty else { return nil }
        for case (let token, .messages(let call)) in work {
            let batch = messages
            let lost = lostMessages
            messages.removeAll(keepingCapacity: true)
            lostMessages = 0
            running = token
            return {
                for (level, text) in batch { call(level, text) }
                if lost > 0 { call(.warning, "\(lost) log messages lost: the log callback is too slow") }
            }
        }
        messages.removeAll()
        return nil
    }

    private func duePeriodic() -> (() -> Void)? {
        for case (let token, .periodic(let interval, let due, let call)) in work where due.hasPassed {
            work[token] = .periodic(interval: interval, due: Deadline(after: Int(interval / 1_000_000)), call: call)
            running = token
            return call
        }
        return nil
    }
}
