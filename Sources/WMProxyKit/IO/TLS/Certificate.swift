import CWMProxyOpenSSL

/// A certificate chain with its private key.
///
/// @unchecked Sendable: immutable once made; OpenSSL counts its references atomically.
package final class Certificate: @unchecked Sendable {
    let certificate: OpaquePointer
    let chain: [OpaquePointer]
    let key: OpaquePointer

    private init(certificate: OpaquePointer, chain: [OpaquePointer], key: OpaquePointer) {
        (self.certificate, self.chain, self.key) = (certificate, chain, key)
    }

    deinit {
        X509_free(certificate)
        for link in chain { X509_free(link) }
        EVP_PKEY_free(key)
    }

    /// A fresh self-signed P-256 certificate for one host name, valid for a year.
    package static func selfSigned(name: String) throws(TLSError) -> Certificate {
        try TLSError.onHostThread { () throws(TLSError) in try makeSelfSigned(name) }
    }

    private static func makeSelfSigned(_ name: String) throws(TLSError) -> Certificate {
        var key: OpaquePointer?
        var certificate: OpaquePointer?
        guard wmpo_self_signed(name, 365, &key, &certificate) == 1, let key, let certificate else {
            throw .queued("cannot make a certificate")
        }
        return Certificate(certificate: certificate, chain: [], key: key)
    }

    /// From PEM files: the leaf first, then its chain; and the key.
    package static func load(chain path: String, key keyPath: String) throws(TLSError) -> Certificate {
        try TLSError.onHostThread { () throws(TLSError) in try read(path, keyPath) }
    }

    private static func read(_ path: String, _ keyPath: String) throws(TLSError) -> Certificate {
        let links = try certificates(path)
        guard let leaf = links.first else { throw TLSError("\(path): no certificate in it") }
        func release() { for link in links { X509_free(link) } }
        let keyBytes: [UInt8]
        do throws(SystemError) {
            keyBytes = try System.readFile(keyPath, limit: 1 << 20)
        } catch {
            release()
            throw TLSError("\(keyPath): \(error.text)", .file)
        }
        let key = withMemoryBIO(keyBytes) { bio in
            // No pass phrase is asked for on the terminal: an encrypted key is an error.
            PEM_read_bio_PrivateKey(bio, nil, { _, _, _, _ in 0 }, nil)
        }
        guard let key else {
            release()
            throw .queued("\(keyPath): no private key that can be read")
        }
        guard X509_check_private_key(leaf, key) == 1 else {
            release()
            EVP_PKEY_free(key)
            throw TLSError("\(keyPath): not the key of the certificate in \(path)")
        }
        return Certificate(certificate: leaf, chain: Array(links.dropFirst()), key: key)
    }

    /// The host names it is for, in lower case, `*.example.org` among them: its alternative names, or the common name
    /// if it has none (RFC 6125 §6.4.4).
    var hostNames: [String] {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { room in
            var names: [String] = []
            func add() { if let name = room.baseAddress { names.append(String(cString: name).lowercased()) } }
            var index: Int32 = 0
            while true {
                let found = wmpo_dns_name(certificate, index, room.baseAddress, room.count)
                if found == 0 { break }
                if found == 1 { add() }
                index += 1
            }
            if index == 0, wmpo_subject(certificate, room.baseAddress, room.count) == 1 { add() }
            return names
        }
    }

    private static func certificates(_ path: String) throws(TLSError) -> [OpaquePointer] {
        let bytes: [UInt8]
        do throws(SystemError) { bytes = try System.readFile(path, limit: 1 << 20) } catch {
            throw TLSError("\(path): \(error.text)", .file)
        }
        let links = withMemoryBIO(bytes) { bio in
            var links: [OpaquePointer] = []
            while let link = PEM_read_bio_X509(bio, nil, nil, nil) { links.append(link) }
            return links
        }
        guard !links.isEmpty else { throw .queued("\(path): no certificate that can be read") }
        return links
    }

    private static func withMemoryBIO<R>(_ bytes: [UInt8], _ body: (OpaquePointer?) -> R) -> R {
        bytes.withUnsafeBytes { bytes in
            let bio = BIO_new_mem_buf(bytes.baseAddress, Int32(clamping: bytes.count))
            defer { BIO_free(bio) }
            return body(bio)
        }
    }

    /// SHA-256 of the SubjectPublicKeyInfo, which is what a `fingerprint` pins: "sha256:" and 64 hex digits.
    package var fingerprint: String { Self.fingerprint(of: certificate) ?? "" }

    static func fingerprint(of certificate: OpaquePointer) -> String? {
        var der: UnsafeMutablePointer<UInt8>?
        let length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der)
        guard length > 0, let der else { return nil }
        defer { CRYPTO_free(der, "", 0) }
        return "sha256:" + Digest.hex(Digest.sha256(UnsafeRawBufferPointer(start: der, count: Int(length))))
    }
}
