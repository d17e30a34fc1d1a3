import CWMProxyOpenSSL
import WMPWire

/// One TLS connection without a socket: ciphertext is fed and taken, plaintext read and written.
///
/// Confined to its connection's loop. Every call into libssl sets the window first. OpenSSL's error queue is left empty
/// by whoever filled it, since a stale entry would turn a harmless end into an error; before each call it is looked at,
/// which is cheap, and cleared if somebody else left something (decision 0011).
final class TLSSession {
    enum Step: Equatable {
        /// Done; more than 0 bytes for reads and writes.
        case done(Int)
        /// More ciphertext is needed.
        case wantsInput
        /// The peer said that it is done (close_notify).
        case end
        case failed(TLSError)
    }

    private let ssl: OpaquePointer
    private let window: UnsafeMutablePointer<wmpo_window>
    /// Keeps the ALPN list and certificates that libssl refers to.
    private let context: TLSContext
    /// Ciphertext left over when the reader had no more room.
    private var stash = ByteBuffer()
    /// After a fatal error only freeing is allowed (SSL_get_error(3)).
    private var isBroken = false
    private(set) var isEstablished = false
    /// libssl has passed on all it was fed: without more ciphertext a read comes to nothing.
    private var isDry = false
    /// When the session was last used, for `noteUse`.
    private var usedAt = Int64.min
    private var keepsBuffers = false
    /// The fingerprint of the peer's certificate, where it was not the pinned one.
    fileprivate var unwantedFingerprint: String?

    init(_ context: TLSContext) throws(TLSError) {
        ERR_clear_error()
        guard let ssl = SSL_new(context.context) else { throw .queued("cannot begin TLS") }
        let window = UnsafeMutablePointer<wmpo_window>.allocate(capacity: 1)
        window.initialize(to: wmpo_window())
        guard let bio = wmpo_bio(window) else {
            SSL_free(ssl)
            window.deallocate()
            throw .queued("cannot begin TLS")
        }
        SSL_set_bio(ssl, bio, bio)
        (self.ssl, self.window, self.context) = (ssl, window, context)
        if context.isServer { SSL_set_accept_state(ssl) } else { SSL_set_connect_state(ssl) }
        SSL_set_ex_data(ssl, 0, Unmanaged.passUnretained(self).toOpaque())
        if let trust = context.trust, trust.authorities != nil {
            let host = trust.host
            // Without a name any certificate of a trusted authority would do (SSL_set1_host(3)).
            if X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) != 1 {
                ERR_clear_error()
                guard SSL_set1_host(ssl, host) == 1, wmpo_set_server_name(ssl, host) == 1 else {
                    throw .queued("'\(host)' is no host name for TLS")
                }
            }
        }
    }

    deinit {
        SSL_free(ssl)
        window.deallocate()
    }

    // MARK: Ciphertext

    /// Ciphertext for the calls that follow, borrowed until `keepRest`.
    func feed(_ bytes: UnsafeRawBufferPointer) {
        window.pointee.input = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
        window.pointee.input_length = bytes.count
    }

    /// Feeds what an earlier read left over. false: nothing was.
    func feedStash() -> Bool {
        guard !stash.isEmpty else { return false }
        feed(stash.readable)
        return true
    }

    /// Ends the borrow: keeps what libssl has not taken.
    func keepRest(fromStash: Bool) {
        let left = window.pointee.input_length
        if fromStash {
            stash.consume(stash.count - left)
            stash.releaseIfEmpty()
        } else if left > 0 {
            stash.append(UnsafeRawBufferPointer(start: window.pointee.input, count: left))
        }
        feed(UnsafeRawBufferPointer(start: nil, count: 0))
    }

    /// Where ciphertext goes that the calls which follow produce.
    func beginOutput(_ room: UnsafeMutableRawBufferPointer) {
        window.pointee.output = room.baseAddress?.assumingMemoryBound(to: UInt8.self)
        window.pointee.output_capacity = room.count
        window.pointee.output_length = 0
    }

    /// How much ciphertext they produced.
    var outputCount: Int { window.pointee.output_length }

    private var outputRoom: Int { window.pointee.output_capacity - window.pointee.output_length }

    /// A read has nothing to work on before more is fed. libssl takes one record at a time from the window (no read
    /// ahead), so what it has not passed on is the rest of that record.
    var needsInput: Bool { isDry && window.pointee.input_length == 0 }

    /// Plaintext or ciphertext that no further receive will announce.
    var hasBuffered: Bool { !stash.isEmpty || SSL_has_pending(ssl) == 1 }

    /// A call into libssl follows, at `now`. A tunnel's session keeps libssl's buffers while its calls are less than a
    /// second apart, instead of having 16 KiB allotted for each record; with the next ping it has none again. Other
    /// connections fall silent without a ping, and there are many: they never keep any.
    @inline(__always)
    func noteUse(at now: Int64) {
        guard context.isTunnel else { return }
        let isBusy = now < usedAt &+ 1_000_000_000
        usedAt = now
        guard isBusy != keepsBuffers else { return }
        keepsBuffers = isBusy
        wmpo_set_keeps_buffers(ssl, isBusy ? 1 : 0)
    }

    // MARK: Plaintext

    func handshake() -> Step {
        guard !isBroken else { return .failed(TLSError("TLS is over")) }
        ERR_clear_error()
        let result = SSL_do_handshake(ssl)
        guard result == 1 else { return explain(result, "TLS handshake") }
        // A chain that was found in the end may have had false starts.
        ERR_clear_error()
        if context.isTunnel {
            var chosen: UnsafePointer<UInt8>?
            var length: UInt32 = 0
            SSL_get0_alpn_selected(ssl, &chosen, &length)
            guard length > 0 else {
                isBroken = true
                return .failed(TLSError("the other side does not offer the protocol \(ProtocolLimits.alpn) (ALPN)"))
            }
        }
        isEstablished = true
        return .done(0)
    }

    func read(into room: UnsafeMutableRawBufferPointer) -> Step {
        guard !isBroken else { return .failed(TLSError("TLS is over")) }
        if ERR_peek_error() != 0 { ERR_clear_error() }
        var count = 0
        let result = SSL_read_ex(ssl, room.baseAddress, room.count, &count)
        guard result == 1 else {
            // Told by the state of libssl alone: no error is involved (SSL_want(3)).
            isDry = SSL_want(ssl) == SSL_READING
            // Not dry: the end or a failure, which libssl says again when it is asked again.
            return isDry ? .wantsInput : explain(result, "TLS")
        }
        // With room to spare the record is used up.
        isDry = count < room.count
        return .done(count)
    }

    /// Encrypts as much of `bytes` as the output has room for; 0 only when it has none for a record.
    func write(_ bytes: UnsafeRawBufferPointer) -> Step {
        guard !isBroken else { return .failed(TLSError("TLS is over")) }
        if ERR_peek_error() != 0 { ERR_clear_error() }
        var written = 0
        while written < bytes.count, outputRoom > Self.longestRecord {
            let size = min(bytes.count - written, 16 * 1024)
            var count = 0
            let result = SSL_write_ex(ssl, bytes.baseAddress.map { $0 + written }, size, &count)
            guard result == 1 else {
                if case .failed(let error) = explain(result, "TLS") { return .failed(error) }
                break
            }
            written += count
        }
        return .done(written)
    }

    /// Says that no more will be sent (close_notify).
    func sendEnd() {
        guard isEstablished, !isBroken else { return }
        ERR_clear_error()
        _ = SSL_shutdown(ssl)
        ERR_clear_error()
    }

    /// A record and what goes around it (RFC 8446 §5.2), with room for an alert.
    private static let longestRecord = 16 * 1024 + 512

    /// The channel binding `tls-exporter` (RFC 9266 §4.2); nil before the handshake is done.
    var channelBinding: [UInt8]? {
        guard isEstablished else { return nil }
        var binding = [UInt8](repeating: 0, count: 32)
        let label = "EXPORTER-Channel-Binding"
        guard SSL_export_keying_material(ssl, &binding, binding.count, label, label.utf8.count, nil, 0, 0) == 1 else {
            return nil
        }
        return binding
    }

    /// Whom the peer's certificate, which was verified, names: its first DNS name, else its e-mail address, else its
    /// common name (RFC 5280 §4.2.1.6); nil if it showed none.
    var peerName: String? {
        guard isEstablished, context.isServer, let certificate = SSL_get0_peer_certificate(ssl) else { return nil }
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { room in
            guard wmpo_subject(certificate, room.baseAddress, room.count) == 1, let name = room.baseAddress else {
                return nil
            }
            return String(validatingCString: name)
        }
    }

    var serverName: String? { SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name).map { String(cString: $0) } }

    private func explain(_ result: Int32, _ doing: String) -> Step {
        switch SSL_get_error(ssl, result) {
        case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE:
            return .wantsInput
        case SSL_ERROR_ZERO_RETURN:
            return .end
        default:
            isBroken = true
            defer { ERR_clear_error() }
            if let unwantedFingerprint {
                let text = "the server's certificate has the fingerprint \(unwantedFingerprint), not the pinned one"
                return .failed(TLSError(text, .wrongFingerprint))
            }
            let verdict = SSL_get_verify_result(ssl)
            if verdict != X509_V_OK, context.verifiesPeer {
                return .failed(.verdict(verdict, on: context.isServer ? "the client" : "the server"))
            }
            return .failed(.queued(doing))
        }
    }
}

/// Decides on a server's certificate, in place of libssl (SSL_CTX_set_cert_verify_callback(3)): so that the server
/// hears of a wrong key as of any other reason, by an alert.
func verifyServer(_ store: OpaquePointer?, _ argument: UnsafeMutableRawPointer?) -> Int32 {
    guard let store, let argument else { return 0 }
    let context = Unmanaged<TLSContext>.fromOpaque(argument).takeUnretainedValue()
    if context.trust?.authorities != nil, X509_verify_cert(store) != 1 { return 0 }
    guard let wanted = context.trust?.fingerprint else { return 1 }
    let got = X509_STORE_CTX_get0_cert(store).flatMap { Certificate.fingerprint(of: $0) } ?? "none"
    if got == wanted { return 1 }
    X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION)
    let ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()).map { OpaquePointer($0) }
    if let session = ssl.flatMap({ SSL_get_ex_data($0, 0) }) {
        Unmanaged<TLSSession>.fromOpaque(session).takeUnretainedValue().unwantedFingerprint = got
    }
    return 0
}
