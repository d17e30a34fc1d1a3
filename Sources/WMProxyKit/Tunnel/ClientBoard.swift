import WMPIO

/// What a client tells the threads of its host: how far the session and each mapping are.
///
/// @unchecked Sendable: the monitor guards all of it. The loop writes, the host's threads read and wait.
final class ClientBoard: @unchecked Sendable {
    enum Mapping {
        case pending
        case up(address: String)
        case refused(TunnelError)
    }

    private let monitor = Monitor()
    private let server: String
    private var isUp = false
    private var isStopped = false
    private var lastFailure: TunnelError?
    private var mappings: [String: Mapping] = [:]

    /// `server`: its address, for messages.
    init(server: String) { self.server = server }

    private func change(_ body: () -> Void) {
        monitor.locked {
            body()
            monitor.signal()
        }
    }

    // MARK: Written by the loop

    func setUp() {
        change {
            isUp = true
            lastFailure = nil
        }
    }

    func setDown(_ failure: TunnelError) {
        change {
            isUp = false
            lastFailure = failure
            for name in mappings.keys { mappings[name] = .pending }
        }
    }

    func setStopped() { change { isStopped = true } }
    func set(_ name: String, _ state: Mapping?) { change { mappings[name] = state } }

    // MARK: Read by the host

    /// Waits until the client is logged in and every mapping answered.
    func waitReady(until deadline: Deadline?) throws(TunnelError) {
        try monitor.locked { () throws(TunnelError) in
            while true {
                if isStopped { throw TunnelError(.closed, "the client is stopped") }
                if isUp, !mappings.values.contains(where: { if case .pending = $0 { true } else { false } }) {
                    for case (_, .refused(let error)) in mappings { throw error }
                    return
                }
                if !isUp, let lastFailure, lastFailure.code.needsSomebody { throw lastFailure }
                guard monitor.wait(until: deadline) else {
                    throw TunnelError(
                        .timedOut,
                        "not ready in time: \(lastFailure?.message ?? "the server at \(server) has not answered yet")")
                }
            }
        }
    }

    /// Waits for the server's word on one mapping; nil: it is not, or no longer, there.
    func waitAnswer(_ name: String, until deadline: Deadline?) throws(TunnelError) -> Mapping? {
        try monitor.locked { () throws(TunnelError) in
            while true {
                if isStopped { throw TunnelError(.closed, "the client is stopped") }
                guard case .pending = mappings[name] else { return mappings[name] }
                guard monitor.wait(until: deadline) else {
                    throw TunnelError(.timedOut, "no answer of the server for mapping '\(name)' yet")
                }
            }
        }
    }

    /// Waits until a mapping is gone.
    func waitGone(_ name: String, until deadline: Deadline?) throws(TunnelError) {
        try monitor.locked { () throws(TunnelError) in
            while mappings[name] != nil, !isStopped {
                guard monitor.wait(until: deadline) else {
                    throw TunnelError(.timedOut, "the server has not confirmed the end of mapping '\(name)' yet")
                }
            }
        }
    }

    /// Enters a new mapping. false: there is one of that name.
    func begin(_ name: String) -> Bool {
        monitor.locked {
            guard mappings[name] == nil else { return false }
            mappings[name] = .pending
            return true
        }
    }

    func mapping(_ name: String) -> Mapping? { monitor.locked { mappings[name] } }
}
