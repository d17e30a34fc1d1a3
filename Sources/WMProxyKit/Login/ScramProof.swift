import WMPIO
import WMPWire

/// What a side computes from the exchange to show that it has the keys (RFC 5802 §3).
struct ScramProof {
    /// `AuthMessage`: all that was said before the proof, to the byte.
    private let message: [UInt8]

    init(_ clientFirst: ScramClientFirst, _ serverFirst: ScramServerFirst, withoutProof: [UInt8]) {
        message = clientFirst.bare + [0x2C] + serverFirst.text + [0x2C] + withoutProof
    }

    /// `ClientProof`: the client's key under a mask that only who has the stored key can take off.
    func ofClient(_ salted: SaltedPassword) -> [UInt8] { masked(salted.clientKey, salted.storedKey) }

    /// Whether `proof` is of the client whose stored key this is; in a time that does not depend on it.
    func isProven(_ proof: [UInt8], storedKey: [UInt8]) -> Bool {
        Digest.equal(masked(proof, storedKey).withUnsafeBytes(Digest.sha256), storedKey)
    }

    /// `ServerSignature`.
    func ofServer(_ serverKey: [UInt8]) -> [UInt8] { Digest.hmac(key: serverKey, message) }

    private func masked(_ bytes: [UInt8], _ storedKey: [UInt8]) -> [UInt8] {
        zip(bytes, Digest.hmac(key: storedKey, message)).map { $0 ^ $1 }
    }
}
