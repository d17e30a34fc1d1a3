import CWMProxyOpenSSL
import WMPWire

/// What the TLS connections of one role share. Never changed once made: a reload makes another.
///
/// @unchecked Sendable: immutable; OpenSSL counts references atomically.
package final class TLSContext: @unchecked Sendable {
    let context: OpaquePointer
    /// The protocols offered or taken in ALPN, in its wire form (RFC 7301 §3.1); libssl holds the pointer.
    private let protocols: UnsafeMutableBufferPointer<UInt8>
    let isServer: Bool

    /// How a client decides that the server's certificate is the right one; each condition that is set must hold.
    package struct Trust: Equatable, Sendable {
        /// The certificate chains to one in this PEM file ("": to the system's roots) …
        package var authorities: String?
        /// … and names this host.
        package var host: String
        /// Its key has this fingerprint, as `Certificate.fingerprint` writes it.
        package var fingerprint: String?

        package init(authorities: String? = nil, host: String = "", fingerprint: String? = nil) {
            (self.authorities, self.host, self.fingerprint) = (authorities, host, fingerprint)
        }

        /// Not by the certificate: the login proves the server, or nobody is to be proven.
        package static let none = Trust()
    }

    /// For the tunnel: a peer that does not agree on its protocol is refused; no ALPN at all is no agreement either.
    let isTunnel: Bool

    private init(server: Bool, protocols names: [String], tunnel: Bool) throws(TLSError) {
        isTunnel = tunnel
        guard let context = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method()) else {
            throw .queued("cannot set up TLS")
        }
        self.context = context
        isServer = server
        let wire = names.flatMap { [UInt8(truncatingIfNeeded: $0.utf8.count)] + Array($0.utf8) }
        protocols = .allocate(capacity: wire.count)
        _ = protocols.initialize(from: wire)
        wmpo_ctx_set_modes(context)
        wmpo_ctx_disable_session_cache(context)
        SSL_CTX_set_options(context, wmpo_edge_options)
        _ = wmpo_ctx_set_groups(context, "X25519:P-256")
        if server {
            SSL_CTX_set_alpn_select_cb(context, selectProtocol, Unmanaged.passUnretained(self).toOpaque())
        } else {
            SSL_CTX_set_alpn_protos(context, protocols.baseAddress, UInt32(protocols.count))
        }
    }

    deinit {
        SSL_CTX_free(context)
        protocols.deallocate()
    }

    /// For tunnel clients: TLS 1.3 alone, the tunnel's ALPN required, nothing that could be replayed.
    package static func tunnelServer(_ certificate: Certificate) throws(TLSError) -> TLSContext {
        try TLSError.onHostThread { () throws(TLSError) in try makeTunnelServer(certificate) }
    }

    private static func makeTunnelServer(_ certificate: Certificate) throws(TLSError) -> TLSContext {
        let made = try TLSContext(server: true, protocols: [ProtocolLimits.alpn], tunnel: true)
        _ = wmpo_ctx_set_min_version(made.context, wmpo_tls13)
        SSL_CTX_set_num_tickets(made.context, 0)
        _ = SSL_CTX_set_ciphersuites(made.context, tunnelSuites)
        try made.use(certificate)
        return made
    }

    /// To a tunnel server.
    package static func tunnelClient(_ trust: Trust) throws(TLSError) -> TLSContext {
        try TLSError.onHostThread { () throws(TLSError) in try makeTunnelClient(trust) }
    }

    private static func makeTunnelClient(_ trust: Trust) throws(TLSError) -> TLSContext {
        let made = try TLSContext(server: false, protocols: [ProtocolLimits.alpn], tunnel: true)
        _ = wmpo_ctx_set_min_version(made.context, wmpo_tls13)
        _ = SSL_CTX_set_ciphersuites(made.context, tunnelSuites)
        if let file = trust.authorities {
            let loaded =
                file.isEmpty
                ? SSL_CTX_set_default_verify_paths(made.context) : SSL_CTX_load_verify_file(made.context, file)
            guard loaded == 1 else {
                throw .queued("\(file.isEmpty ? "the system's roots" : file): no certificates that can be read")
            }
            SSL_CTX_set_verify(made.context, SSL_VERIFY_PEER, nil)
        }
        return made
    }

    /// For visitors' browsers.
    package static func edge(_ certificate: Certificate) throws(TLSError) -> TLSContext {
        try TLSError.onHostThread { () throws(TLSError) in try makeEdge(certificate) }
    }

    private static func makeEdge(_ certificate: Certificate) throws(TLSError) -> TLSContext {
        let made = try TLSContext(server: true, protocols: ["http/1.1"], tunnel: false)
        _ = wmpo_ctx_set_min_version(made.context, wmpo_tls12)
        _ = SSL_CTX_set_cipher_list(made.context, "ECDHE+AESGCM:ECDHE+CHACHA20")
        try made.use(certificate)
        return made
    }

    /// AES-128-GCM first, for processors with AES instructions; the others follow for peers that want them.
    private static let tunnelSuites = "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384"

    private func use(_ certificate: Certificate) throws(TLSError) {
        guard SSL_CTX_use_certificate(context, certificate.certificate) == 1,
            SSL_CTX_use_PrivateKey(context, certificate.key) == 1
        else { throw .queued("certificate not usable") }
        for link in certificate.chain {
            guard wmpo_ctx_add_chain_certificate(context, link) == 1 else {
                throw .queued("certificate chain not usable")
            }
        }
    }

    fileprivate func select(
        _ out: UnsafeMutablePointer<UnsafePointer<UInt8>?>, _ outLength: UnsafeMutablePointer<UInt8>,
        _ offered: UnsafePointer<UInt8>, _ offeredLength: UInt32
    ) -> Int32 {
        var chosen: UnsafeMutablePointer<UInt8>?
        let result = SSL_select_next_proto(
            &chosen, outLength, protocols.baseAddress, UInt32(protocols.count), offered, offeredLength)
        guard result == OPENSSL_NPN_NEGOTIATED else { return SSL_TLSEXT_ERR_ALERT_FATAL }
        out.pointee = UnsafePointer(chosen)
        return SSL_TLSEXT_ERR_OK
    }
}

private func selectProtocol(
    _ ssl: OpaquePointer?, _ out: UnsafeMutablePointer<UnsafePointer<UInt8>?>?,
    _ outLength: UnsafeMutablePointer<UInt8>?,
    _ offered: UnsafePointer<UInt8>?, _ offeredLength: UInt32, _ argument: UnsafeMutableRawPointer?
) -> Int32 {
    guard let out, let outLength, let offered, let argument else { return SSL_TLSEXT_ERR_ALERT_FATAL }
    return Unmanaged<TLSContext>.fromOpaque(argument).takeUnretainedValue().select(
        out, outLength, offered, offeredLength)
}

extension TLSContext {
    /// Loads OpenSSL, so that its exit handler is registered before the engine's.
    package static func prepareProcess() { OPENSSL_init_ssl(0, nil) }
}
