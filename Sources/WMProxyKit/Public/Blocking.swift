import CWMProxyShims
import WMPEngine

/// Calls that wait, on threads of their own: a task must not hold one of the few that all tasks share.
enum Blocking {
    static func value<R: Sendable>(_ body: @escaping @Sendable () -> R) async -> R {
        await withCheckedContinuation { continuation in
            let call = Call { continuation.resume(returning: body()) }
            let context = Unmanaged.passRetained(call)
            var thread: OpaquePointer?
            let code = wmps_thread_start(
                "wmp-blocking",
                { context in
                    guard let context else { return }
                    Unmanaged<Call>.fromOpaque(context).takeRetainedValue().run()
                }, context.toOpaque(), &thread)
            if code == 0, let thread {
                wmps_thread_detach(thread)
            } else {
                // No thread to be had: better here than not at all.
                context.takeRetainedValue().run()
            }
        }
    }

    static func run<R: Sendable>(_ body: @escaping @Sendable () throws(TunnelError) -> R) async throws(TunnelError) -> R
    {
        let result: Result<R, TunnelError> = await value {
            do throws(TunnelError) { return .success(try body()) } catch { return .failure(error) }
        }
        return try result.get()
    }

    private final class Call: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }
}
