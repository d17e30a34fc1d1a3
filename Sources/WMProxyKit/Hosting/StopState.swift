import WMPIO

/// Lets one `stop` through, and after a failed one another.
final class StopState: Sendable {
    private enum State { case running, stopping, stopped }
    private let state = Guarded(State.running)

    /// - Throws: `.badState` when it is being stopped, or has been; `.wouldDeadlock` in a callback.
    func run(_ stop: () throws(TunnelError) -> Void) throws(TunnelError) {
        guard !Notifier.shared.isCurrent else {
            throw TunnelError(.wouldDeadlock, "stop is called from a callback: it would wait for itself")
        }
        let before = state.withLock { state in
            defer { if state == .running { state = .stopping } }
            return state
        }
        guard before == .running else {
            throw TunnelError(.badState, before == .stopped ? "it is stopped already" : "another thread is stopping it")
        }
        do throws(TunnelError) { try stop() } catch {
            state.withLock { $0 = .running }
            throw error
        }
        state.withLock { $0 = .stopped }
    }
}
