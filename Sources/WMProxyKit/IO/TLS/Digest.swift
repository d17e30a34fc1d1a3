import CWMProxyOpenSSL

/// The few primitives the login needs, by OpenSSL.
package enum Digest {
    package static func sha256(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 32)
        SHA256(bytes.baseAddress, bytes.count, &digest)
        return digest
    }

    /// HMAC-SHA-256 (RFC 2104).
    package static func hmac(key: [UInt8], _ message: [UInt8]) -> [UInt8] {
        var code = [UInt8](repeating: 0, count: 32)
        var length: UInt32 = 0
        HMAC(EVP_sha256(), key, Int32(clamping: key.count), message, message.count, &code, &length)
        return code
    }

    /// PBKDF2 with HMAC-SHA-256 (RFC 8018 §5.2), 32 bytes. It takes long by intent, 0.25 µs and more a round: not on
    /// a loop. nil for a count of rounds below 1, and when OpenSSL refuses.
    package static func pbkdf2(password: [UInt8], salt: [UInt8], iterations: Int) -> [UInt8]? {
        guard let rounds = Int32(exactly: iterations), rounds >= 1 else { return nil }
        // On whatever thread: entries of others in the error queue stay, ours go.
        ERR_set_mark()
        defer { ERR_pop_to_mark() }
        var key = [UInt8](repeating: 0, count: 32)
        let result = password.withUnsafeBytes { bytes in
            PKCS5_PBKDF2_HMAC(
                bytes.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(clamping: bytes.count), salt,
                Int32(clamping: salt.count), rounds, EVP_sha256(), Int32(key.count), &key)
        }
        return result == 1 ? key : nil
    }

    /// Random bytes fit for keys; nil when the system has none.
    package static func random(_ count: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        return RAND_bytes(&bytes, Int32(clamping: count)) == 1 ? bytes : nil
    }

    /// In a time that does not depend on the content.
    package static func equal(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        left.count == right.count && CRYPTO_memcmp(left, right, left.count) == 0
    }

    package static func hex(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
