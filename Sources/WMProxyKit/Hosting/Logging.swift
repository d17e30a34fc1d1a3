/// The library's log, for the whole process; nowhere unless it is asked for.
public enum TunnelLog {
    /// Has `receive` called with every message of `level` or more important, on the notifier's thread, in place of the
    /// earlier callback; nil ends logging. When this returns, the earlier one has got all there was and is not called
    /// any more.
    /// - Throws: `.system` when there is no thread to be had.
    public static func setCallback(
        _ level: LogLevel = .info, _ receive: (@Sendable (LogLevel, String) -> Void)?
    ) throws(TunnelError) {
        do { try Log.setCallback(level, receive) } catch {
            throw TunnelError(error, doing: "cannot start the log's thread")
        }
    }
}
