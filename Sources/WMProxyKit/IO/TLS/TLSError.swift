import CWMProxyOpenSSL

/// Why a TLS handshake or connection failed.
package struct TLSError: Error, Equatable, Sendable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }

    /// What OpenSSL's queue of this thread says, the oldest entry first, and empties it.
    static func queued(_ context: String) -> TLSError {
        let code = ERR_get_error()
        ERR_clear_error()
        guard code != 0, let reason = ERR_reason_error_string(code) else { return TLSError(context) }
        return TLSError("\(context): \(String(cString: reason))")
    }
}
