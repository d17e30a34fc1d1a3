import WMPIO

/// The one statistics callback that a server or client has, if any.
final class StatisticsCallback: Sendable {
    private let current = Guarded<Notifier.Token?>(nil)

    /// Replaces it; the earlier one is not running any more when this returns.
    func set(_ milliseconds: Int, _ call: (() -> Void)?) throws(TunnelError) {
        let token: Notifier.Token?
        do throws(SystemError) {
            if let call { token = try Notifier.shared.every(milliseconds: milliseconds, call) } else { token = nil }
        } catch { throw TunnelError(error, doing: "cannot start the notifier") }
        let before = current.withLock { current in
            defer { current = token }
            return current
        }
        if let before { Notifier.shared.remove(before) }
    }
}
