import WMPWire

/// What a server keeps of a user's password (RFC 5802 §3): enough to check a login and to prove itself, not enough to
/// log in.
package struct ScramSecret: Hashable, Sendable, Secretive {
    /// Why a text is none of a secret; never with a part of the text.
    package struct Malformed: Error, Equatable, CustomStringConvertible {
        package let description: String
    }

    package let salting: Salting
    /// `StoredKey`, 32 bytes.
    let storedKey: [UInt8]
    /// `ServerKey`, 32 bytes.
    let serverKey: [UInt8]

    init(salting: Salting, storedKey: [UInt8], serverKey: [UInt8]) {
        (self.salting, self.storedKey, self.serverKey) = (salting, storedKey, serverKey)
    }

    package init(_ salted: SaltedPassword) {
        self.init(salting: salted.salting, storedKey: salted.storedKey, serverKey: salted.serverKey)
    }

    /// Computes it from a password, by default with a new salt and 16,384 rounds: some milliseconds. nil when the
    /// system has no random numbers, or OpenSSL refuses.
    package init?(password: String, salting: Salting? = .random()) {
        guard let salting, let salted = SaltedPassword(password, salting) else { return nil }
        self.init(salted)
    }

    private static let mechanism = "SCRAM-SHA-256"

    /// Whether a configured password is the text of a secret, well-formed or not, rather than a password.
    static func isSalted(_ password: String) -> Bool { password.hasPrefix(mechanism + "$") }

    /// Reads `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`, all but the number in Base64: the form in
    /// which PostgreSQL keeps it in `pg_authid`.
    package init(text: String) throws(Malformed) {
        let parts = Array(text.utf8).split(separator: UInt8(ascii: "$"), omittingEmptySubsequences: false)
            .map { $0.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false) }
        guard parts.map(\.count) == [1, 2, 2], let mechanism = parts.first?.first,
            let number = parts.dropFirst().first?.first, let saltText = parts.dropFirst().first?.last,
            let storedText = parts.last?.first, let serverText = parts.last?.last
        else { throw Malformed(description: "is not of the form SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey") }
        guard mechanism.elementsEqual(Self.mechanism.utf8) else {
            throw Malformed(description: "does not begin with SCRAM-SHA-256")
        }
        guard let iterations = ScramLimits.iterations(number) else {
            throw Malformed(
                description: "has other than \(ScramLimits.minIterations) to \(ScramLimits.maxIterations) iterations")
        }
        guard let salting = Base64.decode(saltText).flatMap({ Salting(salt: $0, iterations: iterations) }) else {
            throw Malformed(description: "has a salt that is not 1 to 64 bytes in Base64")
        }
        guard let storedKey = Base64.decode(storedText), storedKey.count == ScramLimits.keySize,
            let serverKey = Base64.decode(serverText), serverKey.count == ScramLimits.keySize
        else { throw Malformed(description: "has a key that is not 32 bytes in Base64") }
        self.init(salting: salting, storedKey: storedKey, serverKey: serverKey)
    }

    /// The text that `init(text:)` reads. It holds the keys: who has it can pose as the server, and test guesses.
    package var text: String {
        let salt = Base64.encode(salting.salt)
        let keys = Base64.encode(storedKey) + [UInt8(ascii: ":")] + Base64.encode(serverKey)
        return "\(Self.mechanism)$\(salting.iterations):" + String(decoding: salt, as: UTF8.self) + "$"
            + String(decoding: keys, as: UTF8.self)
    }
}
