import WMPIO

/// The one statistics callback that a server or client has, if any.
final class StatisticsCallback: Sendable {
    private struct State {
        var token: Notifier.Token?
        var isClosed = false
    }
    private let state = Guarded(State())

    /// Replaces it; the earlier one is not running any more when this returns.
    /// - Throws: `.closed` after `close`.
    func set(_ milliseconds: Int, _ call: (() -> Void)?) throws(TunnelError) {
        let token: Notifier.Token?
        do throws(SystemError) {
            if let call { token = try Notifier.shared.every(milliseconds: milliseconds, call) } else { token = nil }
        } catch { throw TunnelError(error, doing: "cannot start the notifier") }
        let (isClosed, old) = state.withLock { state in
            if state.isClosed { return (true, token) }
            defer { state.token = token }
            return (false, state.token)
        }
        if let old { Notifier.shared.remove(old) }
        if isClosed { throw TunnelError(.closed, "it is being stopped") }
    }

    /// For good, when the server or client is stopped.
    func close() {
        let old = state.withLock { state in
            state.isClosed = true
            defer { state.token = nil }
            return state.token
        }
        if let old { Notifier.shared.remove(old) }
    }
}
