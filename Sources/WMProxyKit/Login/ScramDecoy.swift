import WMPIO
import WMPWire

/// Secrets for users that a server does not have, so that a stranger cannot find out whom it has (RFC 5802 §9).
///
/// A user's decoy is made from the name and the key: asked twice, it has the same salt, as a real one. Real secrets
/// with other iterations or a salt of another size than the decoys' can still be told from them. With a new key all
/// decoys change and no real salt does: who asks before and after sees which are which.
package struct ScramDecoy: Sendable, Secretive {
    /// At least 32 random bytes, kept to itself.
    private let key: [UInt8]
    private let model: Salting

    /// Decoys with as many rounds and as long a salt as `model`'s: those of the server's own secrets.
    package init(key: [UInt8], like model: Salting) { (self.key, self.model) = (key, model) }

    /// With a key of its own: one for a server, from its start to its stop. nil when the system has no random numbers.
    package init?(like model: Salting) {
        guard let key = Digest.random(32) else { return nil }
        self.init(key: key, like: model)
    }

    /// The same for other secrets: those who ask before and after cannot tell.
    package func like(_ model: Salting) -> ScramDecoy { ScramDecoy(key: key, like: model) }

    /// A secret of which nobody knows the password.
    func secret(of user: String) -> ScramSecret {
        ScramSecret(
            salting: model.with(saltFrom: derived("salt 1", user) + derived("salt 2", user)),
            storedKey: derived("stored key", user), serverKey: derived("server key", user))
    }

    private func derived(_ label: String, _ user: String) -> [UInt8] {
        // No label has a zero in it: no two pairs give the same message.
        Digest.hmac(key: key, Array(label.utf8) + [0] + Array(user.utf8))
    }
}
