import WMPIO
import WMPWire

/// One login at the server (RFC 5802 §3, §5; RFC 7677): SCRAM-SHA-256-PLUS inside TLS, SCRAM-SHA-256 without.
///
///     var login = ScramServer(nonce: nonce, binding: binding, decoy: decoy)
///     let serverFirst = try login.start(clientFirst) { secrets[$0] }
///     let accepted = try login.finish(clientFinal)
///
/// A user that there is not and a wrong secret take the same way: the decoy's secret is computed for every user, every
/// proof is checked, and the two failures are one. A failure ends the login: one guess for each.
///
/// A server bound to a TLS connection takes `p=tls-exporter` alone, one without TLS `n` alone. `y`, which RFC 5802 §6
/// would let a server without TLS take, is always refused: both ends are configured alike, nothing is negotiated and
/// so nothing can be negotiated down.
package struct ScramServer: Secretive {
    /// A login that succeeded.
    package struct Accepted: Equatable, Sendable {
        /// Whose secret was proven, as the client wrote it.
        package let user: String
        /// The server's own proof, for the client.
        package let serverFinal: [UInt8]
    }

    private enum State {
        case begun
        case challenged(Challenge)
        case over
    }

    /// What was said, and what the answer is checked against.
    private struct Challenge {
        let clientFirst: ScramClientFirst
        let serverFirst: ScramServerFirst
        let secret: ScramSecret
        /// Not the decoy's.
        let isKnown: Bool
    }

    private let nonce: [UInt8]
    private let binding: ScramBinding
    private let decoy: ScramDecoy
    private var state = State.begun

    /// `nonce` is new for each login, 16 … 128 printable characters without a comma: `ScramNonce.random`.
    package init(nonce: [UInt8], binding: ScramBinding, decoy: ScramDecoy) {
        (self.nonce, self.binding, self.decoy) = (nonce, binding, decoy)
    }

    /// Takes the client's first message; returns the server's, at most 358 bytes.
    ///
    /// `secretOf` is asked once, with a name that a stranger chose: 1 … 255 bytes without control characters. It should
    /// not take longer for some names than for others.
    package mutating func start(
        _ clientFirst: [UInt8], secretOf: (String) -> ScramSecret?
    ) throws(ScramFailure) -> [UInt8] {
        guard case .begun = take() else { throw .violation(Self.outOfTurn) }
        let clientFirst = try ScramFailure.reading { () throws(ProtocolViolation) in try ScramClientFirst(clientFirst) }
        guard clientFirst.header == binding.header else { throw .binding }
        let decoy = decoy.secret(of: clientFirst.user)
        let secret = secretOf(clientFirst.user)
        let salting = (secret ?? decoy).salting
        let serverFirst = ScramServerFirst(
            nonce: clientFirst.nonce + nonce, salt: salting.salt, iterations: salting.iterations)
        state = .challenged(
            Challenge(
                clientFirst: clientFirst, serverFirst: serverFirst, secret: secret ?? decoy, isKnown: secret != nil))
        return serverFirst.text
    }

    /// Takes the client's last message; returns who is logged in, and the server's last message.
    package mutating func finish(_ clientFinal: [UInt8]) throws(ScramFailure) -> Accepted {
        guard case .challenged(let challenge) = take() else { throw .violation(Self.outOfTurn) }
        let clientFinal = try ScramFailure.reading { () throws(ProtocolViolation) in try ScramClientFinal(clientFinal) }
        guard clientFinal.nonce == challenge.serverFirst.nonce else {
            throw .violation(ProtocolViolation("a SCRAM message with the nonce of another login"))
        }
        guard Digest.equal(clientFinal.channelBinding, binding.input) else { throw .binding }
        let proof = ScramProof(
            challenge.clientFirst, challenge.serverFirst, withoutProof: clientFinal.withoutProof)
        // The proof first: it is checked for users that there are not as well.
        let isProven = proof.isProven(clientFinal.proof, storedKey: challenge.secret.storedKey)
        guard isProven, challenge.isKnown else { throw .credential }
        let verifier = ScramServerFinal.verifier(proof.ofServer(challenge.secret.serverKey))
        return Accepted(user: challenge.clientFirst.user, serverFinal: verifier.text)
    }

    /// The state; the login is over unless it is given another.
    private mutating func take() -> State {
        defer { state = .over }
        return state
    }

    private static let outOfTurn = ProtocolViolation("a SCRAM message out of turn")
}
