import WMPIO

/// What a server does by its configuration, from its start or a reload to the next: never changed, replaced as a whole.
final class ServerPolicy: Sendable {
    let options: ServerOptions
    let access: Access
    /// nil: the tunnel is plain (`tc: false`).
    let tunnelContext: TLSContext?
    let edgeContext: TLSContext?
    /// Those that were made for lack of configured ones: they last as long as the server runs.
    private let made: Made

    private struct Made {
        var tunnel: Certificate?
        var edge: Certificate?
    }

    /// Reads certificates, salts passwords: on a host's thread.
    init(_ options: ServerOptions, after earlier: ServerPolicy? = nil) throws(TunnelError) {
        self.options = options
        access = try Access(options, after: earlier?.access)
        var made = earlier?.made ?? Made()
        do throws(TLSError) {
            var tunnelContext: TLSContext?
            if options.usesTLS {
                let host = options.bindAddr.host
                let certificate = try options.certificate.load(or: &made.tunnel, for: host, "tunnel")
                tunnelContext = try .tunnelServer(certificate, authorities: options.clientAuthorities)
            }
            self.tunnelContext = tunnelContext
            var edgeContext: TLSContext?
            if let edge = options.mapHTTPSBind {
                var certificates = [try options.mapCertificate.load(or: &made.edge, for: edge.host, "HTTPS edge")]
                for files in options.mapCertificates { certificates.append(try files.load()) }
                edgeContext = try .edge(certificates, takesOtherNames: options.mapCertificate == nil)
            }
            self.edgeContext = edgeContext
        } catch { throw TunnelError(error) }
        self.made = made
    }
}

extension CertificateFiles? {
    /// That of the files; without files the one that was made, which is made now if it was not.
    fileprivate func load(
        or made: inout Certificate?, for host: String, _ use: String
    ) throws(TLSError) -> Certificate {
        if let self { return try self.load() }
        if let made { return made }
        let name = SocketAddress(numeric: host, port: 0) == nil && !host.isEmpty ? host : "localhost"
        let certificate = try Certificate.selfSigned(name: name)
        Log.info("\(use): certificate made for this run, fingerprint \(certificate.fingerprint)")
        made = certificate
        return certificate
    }
}
