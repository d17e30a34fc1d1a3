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

    /// What OpenSSL's queue of this thread says, the oldest entry first, and empties it.
    static func queued(_ context: String) -> TLSError {
        let code = ERR_get_error()
        ERR_clear_error()
        guard code != 0, let reason = ERR_reason_error_string(code) else { return TLSError(context) }
        return TLSError("\(context): \(String(cString: reason))")
    }
}
