import CWMProxyOpenSSL

/// Why a TLS handshake or connection failed.
package struct TLSError: Error, Equatable, Sendable, CustomStringConvertible {
    package let description: String
    /// A certificate's or key's file could not be read at all.
    package let isFile: Bool

    package init(_ description: String, isFile: Bool = false) {
        self.description = description
        self.isFile = isFile
    }

    /// Runs calls into OpenSSL on a thread of the host: its own entries in the error queue stay, ours go.
    static func onHostThread<R>(_ body: () throws(TLSError) -> R) throws(TLSError) -> R {
        ERR_set_mark()
        defer { ERR_pop_to_mark() }
        return try body()
    }

    /// The latest entry of this thread's error queue, in words.
    static func queued(_ context: String) -> TLSError {
        let code = ERR_peek_last_error()
        guard code != 0, let reason = ERR_reason_error_string(code) else { return TLSError(context) }
        return TLSError("\(context): \(String(cString: reason))")
    }
}
