/// The hold of one server or client on the engine it runs on.
struct EngineLease: Sendable {
    let engine: TunnelEngine
    private let isOwn: Bool

    /// On `engine`; if that is nil, on one of its own when its configuration has `threads`, else on the process-wide
    /// one.
    init(_ engine: TunnelEngine?, threads: Int?) throws(TunnelError) {
        isOwn = engine == nil && threads != nil
        self.engine = try TunnelEngine.retained(isOwn ? TunnelEngine(EngineOptions(threads: threads)) : engine)
    }

    /// Once, when it no longer runs there.
    func end() {
        engine.releaseUser()
        if isOwn { try? engine.destroy() }
    }
}
