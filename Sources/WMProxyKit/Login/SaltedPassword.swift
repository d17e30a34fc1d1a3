import WMPIO
import WMPWire

/// With what a password is salted, and how often. Clients keep salted passwords by it.
package struct Salting: Hashable, Sendable {
    /// Rounds of PBKDF2 for new secrets: about 4 ms of a core, four times what RFC 7677 asks for.
    package static let defaultIterations = 16_384
    /// Bytes of salt in new secrets, as PostgreSQL has it.
    package static let defaultSaltSize = 16

    /// 1 … 64 bytes.
    package let salt: [UInt8]
    /// Rounds of PBKDF2, 4096 … 131072.
    package let iterations: Int

    /// nil beyond the limits.
    package init?(salt: [UInt8], iterations: Int) {
        guard ScramLimits.salt.contains(salt.count),
            (ScramLimits.minIterations...ScramLimits.maxIterations).contains(iterations)
        else { return nil }
        self.init(checked: salt, iterations)
    }

    private init(checked salt: [UInt8], _ iterations: Int) { (self.salt, self.iterations) = (salt, iterations) }

    /// A new salt; nil beyond the limits, or when the system has no random numbers.
    package static func random(iterations: Int = defaultIterations) -> Salting? {
        Digest.random(defaultSaltSize).flatMap { Salting(salt: $0, iterations: iterations) }
    }

    /// As many rounds with another salt, as many of the first bytes of `bytes` as this one has.
    func with(saltFrom bytes: [UInt8]) -> Salting { Salting(checked: Array(bytes.prefix(salt.count)), iterations) }
}

/// A password after PBKDF2, `SaltedPassword` of RFC 5802 §3. Whoever has it can log in wherever the password stands
/// with the same salting.
package struct SaltedPassword: Sendable, Secretive {
    package let salting: Salting
    /// 32 bytes.
    private let key: [UInt8]

    /// Computes it, for as long as `salting.iterations` takes: not on a loop. The password is the bytes of its UTF-8
    /// as they are, without SASLprep. nil when OpenSSL refuses.
    package init?(_ password: String, _ salting: Salting) {
        let bytes = Array(password.utf8)
        guard let key = Digest.pbkdf2(password: bytes, salt: salting.salt, iterations: salting.iterations) else {
            return nil
        }
        self.init(key: key, salting)
    }

    /// One that was computed before.
    package init(key: [UInt8], _ salting: Salting) { (self.key, self.salting) = (key, salting) }

    /// `ClientKey` of RFC 5802 §3: who shows it has proven to know the password.
    var clientKey: [UInt8] { Digest.hmac(key: key, Array("Client Key".utf8)) }

    /// `StoredKey`: by it the server knows the client's key, and cannot make it.
    var storedKey: [UInt8] { clientKey.withUnsafeBytes(Digest.sha256) }

    /// `ServerKey`: by it the server proves that it is the one.
    var serverKey: [UInt8] { Digest.hmac(key: key, Array("Server Key".utf8)) }
}
