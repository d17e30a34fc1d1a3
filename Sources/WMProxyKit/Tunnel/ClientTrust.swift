import WMPIO

extension ClientOptions {
    /// How to speak TLS to the server, and what its certificate has to show; nil: not at all.
    func makeTLS() throws(TLSError) -> TLSContext? {
        guard usesTLS else { return nil }
        let authorities: String? =
            switch authority {
            case .system: ""
            case .file(let path): path
            case nil: nil
            }
        let isTrusted = authority != nil || fingerprint != nil
        let trust = TLSContext.Trust(
            authorities: authorities, host: domain ?? server.host,
            fingerprint: fingerprint.map { "sha256:" + Digest.hex($0) })
        return try TLSContext.tunnelClient(
            isTrusted ? trust : nil, certificate: try certificate?.load())
    }
}

extension CertificateFiles {
    func load() throws(TLSError) -> Certificate { try Certificate.load(chain: certificate, key: key) }
}

extension ConnectionError {
    /// The likeliest reason why a server could not be reached, where there is one.
    var hint: String {
        let text = description
        let isMismatch = ["wrong version number", "alert protocol version"].contains(where: text.contains)
        guard isMismatch || self == .closedInHandshake else { return "" }
        return ": does the server have 'tc: true', and is this its bind_addr?"
    }
}
