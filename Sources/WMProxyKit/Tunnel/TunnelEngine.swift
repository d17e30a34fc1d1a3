import CWMProxyShims
import Glibc
import Synchronization
import WMPIO

/// The loops, and the resolver beside them, that servers and clients run on.
///
/// Loops start when they are first asked for. @unchecked Sendable: the mutex guards the list, each loop guards itself.
public final class TunnelEngine: @unchecked Sendable {
    let resolver = Resolver()
    private let most: Int
    /// A fork's child has this object, but none of its threads.
    private let process = getpid()
    private struct State {
        var loops: [Loop] = []
        var next = 0
        var users = 0
        var isDestroyed = false
    }
    private let state = Guarded(State())

    init(_ options: EngineOptions) throws(TunnelError) {
        if options.threads == 0 {
            throw Self.hostDrivenIsLater
        }
        most = options.threads ?? min(4, max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))))
        TunnelEngine.all.withLock { $0.append(Weak(engine: self)) }
        TunnelEngine.prepareProcess()
    }

    /// An engine of its own. `configuration`: YAML or JSON with `threads`; "" for the defaults.
    /// - Throws: `.configuration`.
    public convenience init(_ configuration: String) throws(TunnelError) {
        try self.init(try Parsed.take { () throws(ConfigError) in try EngineOptions.parse(configuration) })
    }

    static let hostDrivenIsLater = TunnelError(
        .configuration, "'threads: 0' (host-driven) is not available in this version yet")

    deinit { _ = stop(within: 2000) }

    /// As many loops as a server spreads over: all of them, or `wanted` if that is fewer.
    func serverLoops(_ wanted: Int?) throws(SystemError) -> [Loop] {
        try grow(to: min(most, wanted ?? most))
        return state.withLock { Array($0.loops.prefix(min(most, wanted ?? most))) }
    }

    /// Loops for the next client, `wanted` or all there may be: in turn among those that run.
    func clientLoops(_ wanted: Int) throws(SystemError) -> [Loop] {
        try grow(to: min(most, wanted))
        return state.withLock { state in
            state.next += 1
            let count = min(state.loops.count, max(1, wanted))
            return (0..<count).map { state.loops[(state.next + $0) % state.loops.count] }
        }
    }

    private func grow(to count: Int) throws(SystemError) {
        let error: SystemError? = state.withLock { state in
            while state.loops.count < max(1, count) {
                do throws(SystemError) {
                    state.loops.append(try Loop(index: state.loops.count, name: "wmp-loop-\(state.loops.count)"))
                } catch { return error }
            }
            return nil
        }
        if let error { throw error }
    }

    /// Counts a server or client in, so that the engine is not destroyed under it.
    func retainUser() throws(TunnelError) {
        let isDestroyed = state.withLock { state in
            if !state.isDestroyed { state.users += 1 }
            return state.isDestroyed
        }
        if isDestroyed { throw TunnelError(.badState, "the engine has been destroyed") }
    }

    func releaseUser() {
        let isLast = state.withLock { state in
            state.users -= 1
            return state.users == 0
        }
        guard isLast, TunnelEngine.shared.withLock({ $0 === self }) else { return }
        // Whoever comes from here on makes another engine; whoever came just before keeps this one.
        let isGone = state.withLock { state in
            if state.users == 0 { state.isDestroyed = true }
            return state.isDestroyed
        }
        guard isGone else { return }
        TunnelEngine.shared.withLock { if $0 === self { $0 = nil } }
        stop(within: 2000)
    }

    private var isGone: Bool { state.withLock { $0.isDestroyed } }

    /// Ends the threads.
    /// - Throws: `.badState` while a server or client runs on it; `.wouldDeadlock` in a callback.
    public func destroy() throws(TunnelError) {
        guard !Notifier.shared.isCurrent else {
            throw TunnelError(.wouldDeadlock, "destroy is called from a callback: it would wait for itself")
        }
        let users = state.withLock { state in
            if state.users == 0 { state.isDestroyed = true }
            return state.users
        }
        guard users == 0 else {
            throw TunnelError(.badState, "\(users) servers and clients still run on this engine: stop them first")
        }
        guard stop(within: 2000) else {
            throw TunnelError(.timedOut, "the engine's threads did not end within 2 seconds")
        }
    }

    @discardableResult
    fileprivate func stop(within milliseconds: Int32) -> Bool {
        guard process == getpid() else { return true }
        let loops = state.withLock { state in
            defer { state.loops = [] }
            return state.loops
        }
        var inTime = resolver.stop(within: milliseconds)
        for loop in loops where !loop.stop(within: milliseconds) { inTime = false }
        return inTime
    }

    // MARK: The process

    /// The engine of those who bring none; it lives while one of them runs.
    private static let shared = Guarded<TunnelEngine?>(nil, isStatic: true)

    /// `engine`, or the process-wide one, with its user counted.
    static func retained(_ engine: TunnelEngine?) throws(TunnelError) -> TunnelEngine {
        if let engine {
            try engine.retainUser()
            return engine
        }
        while true {
            // No lock is taken inside another: a fork, which takes all of them, must not meet one that waits for the
            // next.
            if let engine = shared.withLock({ $0 }), engine.process == getpid() {
                if (try? engine.retainUser()) != nil { return engine }
            }
            let made = try TunnelEngine(EngineOptions(threads: nil))
            shared.withLock { shared in
                if shared?.process != getpid() || shared?.isGone == true { shared = made }
            }
        }
    }

    private struct Weak: @unchecked Sendable { weak var engine: TunnelEngine? }
    private static let all = Guarded<[Weak]>([], isStatic: true)
    private static let isPrepared = Atomic<Bool>(false)

    /// OpenSSL registers its clean-up when first used; ours comes after it and therefore runs before it:
    /// no loop is inside libssl when that is taken down.
    private static func prepareProcess() {
        all.withLock { $0.removeAll { $0.engine == nil } }
        guard !isPrepared.exchange(true, ordering: .acquiringAndReleasing) else { return }
        TLSContext.prepareProcess()
        _ = wmps_at_exit {
            for entry in TunnelEngine.all.withLock({ $0 }) { entry.engine?.stop(within: 2000) }
        }
    }
}
