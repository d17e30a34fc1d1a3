import CWMProxyOpenSSL

/// Why a TLS handshake or connection failed.
package struct TLSError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What it is about, where somebody can do something about it.
    package enum Cause: Sendable {
        case other
        /// A certificate's or key's file cannot be read at all.
        case file
        /// The certificate's time is over.
        case expired
        /// The certificate's time has not begun.
        case notYetValid
        /// The certificate is for another host.
        case wrongHost
        /// No authority that is trusted has signed the certificate.
        case unknownAuthority
        /// The certificate's key is not the pinned one.
        case wrongFingerprint
        /// The server wants a certificate, and the client showed none.
        case certificateRequired
    }

    package let cause: Cause
    package let description: String

    package init(_ description: String, _ cause: Cause = .other) {
        (self.description, self.cause) = (description, cause)
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
        return alert(code) ?? TLSError("\(context): \(String(cString: reason))")
    }

    /// The other side's alert about our certificate (RFC 8446 §6.2), or that we got none from it.
    private static func alert(_ code: UInt) -> TLSError? {
        guard ERR_GET_LIB(code) == ERR_LIB_SSL else { return nil }
        let ours = "the other side refused our certificate"
        switch ERR_GET_REASON(code) {
        case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
            return TLSError("the client showed no certificate", .certificateRequired)
        case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
            return TLSError("the server wants a certificate, and we have none", .certificateRequired)
        case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED: return TLSError("\(ours): it has expired", .expired)
        case SSL_R_TLSV1_ALERT_UNKNOWN_CA: return TLSError("\(ours): unknown authority", .unknownAuthority)
        case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
            return TLSError("\(ours): not valid yet, or for another host")
        case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED, SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE,
            SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
            return TLSError(ours)
        default: return nil
        }
    }

    /// What is wrong with the certificate of `owner`, by libssl's verdict (X509_STORE_CTX_get_error(3)).
    static func verdict(_ verdict: Int, on owner: String) -> TLSError {
        let cause: Cause =
            switch Int32(clamping: verdict) {
            case X509_V_ERR_CERT_HAS_EXPIRED: .expired
            case X509_V_ERR_CERT_NOT_YET_VALID: .notYetValid
            case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH: .wrongHost
            case X509_V_ERR_APPLICATION_VERIFICATION: .wrongFingerprint
            case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
                X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT,
                X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, X509_V_ERR_CERT_SIGNATURE_FAILURE:
                .unknownAuthority
            default: .other
            }
        return TLSError("\(owner)'s certificate: \(String(cString: X509_verify_cert_error_string(verdict)))", cause)
    }
}
