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
    }

    /// A client's; nil: not by the certificate. The login proves the server, or nobody is to be proven.
    let trust: Trust?
    /// For the tunnel: a peer that does not agree on its protocol is refused; no ALPN at all is no agreement either.
    let isTunnel: Bool
    /// An edge's: the host names that its certificate is for, in lower case, and who shows the others.
    private var ownNames: Set<String> = []
    private var contexts: [String: TLSContext] = [:]
    private var takesOtherNames = true

    private init(server: Bool, protocols names: [String], tunnel: Bool, trust: Trust? = nil) throws(TLSError) {
        isTunnel = tunnel
        self.trust = trust
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

    /// The other side has to show a certificate, which is verified.
    var verifiesPeer: Bool { SSL_CTX_get_verify_mode(context) != SSL_VERIFY_NONE }

    /// For tunnel clients: TLS 1.3 alone, the tunnel's ALPN required, nothing that could be replayed. `authorities`: a
    /// PEM file; clients must show a certificate signed by one of them.
    package static func tunnelServer(
        _ certificate: Certificate, authorities: String? = nil
    ) throws(TLSError) -> TLSContext {
        try TLSError.onHostThread { () throws(TLSError) in try makeTunnelServer(certificate, authorities) }
    }

    private static func makeTunnelServer(
        _ certificate: Certificate, _ authorities: String?
    ) throws(TLSError) -> TLSContext {
        let made = try TLSContext(server: true, protocols: [ProtocolLimits.alpn], tunnel: true)
        _ = wmpo_ctx_set_min_version(made.context, wmpo_tls13)
        SSL_CTX_set_num_tickets(made.context, 0)
        _ = SSL_CTX_set_ciphersuites(made.context, tunnelSuites)
        try made.use(certificate)
        if let authorities, wmpo_ctx_require_client(made.context, authorities) != 1 {
            throw .queued("\(authorities): no certificates that can be read")
        }
        return made
    }

    /// To a tunnel server, which may ask for `certificate`.
    package static func tunnelClient(_ trust: Trust?, certificate: Certificate? = nil) throws(TLSError) -> TLSContext {
        try TLSError.onHostThread { () throws(TLSError) in try makeTunnelClient(trust, certificate) }
    }

    private static func makeTunnelClient(
        _ trust: Trust?, _ certificate: Certificate?
    ) throws(TLSError) -> TLSContext {
        let made = try TLSContext(server: false, protocols: [ProtocolLimits.alpn], tunnel: true, trust: trust)
        _ = wmpo_ctx_set_min_version(made.context, wmpo_tls13)
        _ = SSL_CTX_set_ciphersuites(made.context, tunnelSuites)
        if let certificate { try made.use(certificate) }
        guard let trust else { return made }
        SSL_CTX_set_verify(made.context, SSL_VERIFY_PEER, nil)
        SSL_CTX_set_cert_verify_callback(made.context, verifyServer, Unmanaged.passUnretained(made).toOpaque())
        if let file = trust.authorities {
            let loaded =
                file.isEmpty
                ? SSL_CTX_set_default_verify_paths(made.context) : SSL_CTX_load_verify_file(made.context, file)
            guard loaded == 1 else {
                throw .queued("\(file.isEmpty ? "the system's roots" : file): no certificates that can be read")
            }
        }
        return made
    }

    /// For visitors' browsers. Who asks for a host name (RFC 6066 §3) is shown the first certificate that is for it,
    /// who asks for none the first of all. A name that none is for is refused, unless the edge `takesOtherNames`: then
    /// it is the first again.
    package static func edge(_ certificates: [Certificate], takesOtherNames: Bool) throws(TLSError) -> TLSContext {
        try TLSError.onHostThread { () throws(TLSError) in
            let all = try certificates.map { certificate throws(TLSError) in try makeEdge(certificate) }
            guard let edge = all.first else { throw TLSError("an edge needs a certificate") }
            for (context, certificate) in zip(all, certificates) {
                for name in certificate.hostNames where edge.contexts[name] == nil { edge.contexts[name] = context }
            }
            // Not itself: the circle would never end.
            edge.contexts = edge.contexts.filter { $0.value !== edge }
            edge.ownNames = Set(certificates[0].hostNames)
            edge.takesOtherNames = takesOtherNames
            let itself = Unmanaged.passUnretained(edge).toOpaque()
            wmpo_ctx_set_server_name_callback(edge.context, chooseByName, itself)
            return edge
        }
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

    /// The context for who asks for `name`; nil: nobody answers to it.
    fileprivate func context(for name: String) -> OpaquePointer? {
        let name = name.lowercased()
        let wildcard = "*" + name.drop { $0 != "." }
        for name in [name, wildcard] {
            if ownNames.contains(name) { return context }
            if let other = contexts[name] { return other.context }
        }
        return takesOtherNames ? context : nil
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

private func chooseByName(
    _ ssl: OpaquePointer?, _ alert: UnsafeMutablePointer<Int32>?, _ argument: UnsafeMutableRawPointer?
) -> Int32 {
    guard let ssl, let argument, let name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) else {
        return SSL_TLSEXT_ERR_OK
    }
    let edge = Unmanaged<TLSContext>.fromOpaque(argument).takeUnretainedValue()
    guard let context = edge.context(for: String(cString: name)) else {
        alert?.pointee = SSL_AD_UNRECOGNIZED_NAME
        return SSL_TLSEXT_ERR_ALERT_FATAL
    }
    if context != edge.context { SSL_set_SSL_CTX(ssl, context) }
    return SSL_TLSEXT_ERR_OK
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
