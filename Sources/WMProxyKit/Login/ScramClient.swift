import WMPIO
import WMPWire

/// One login at the client (RFC 5802 §3, §5; RFC 7677).
///
///     var login = try ScramClient(user: user, nonce: nonce, binding: binding)
///     send(login.clientFirst)
///     let salting = try login.read(serverFirst: serverFirst)
///     let salted = SaltedPassword(password, salting)      // long: off the loop, and kept by its salting
///     send(try login.clientFinal(salted))
///     try login.verify(serverFinal: serverFinal)
///
/// Until `verify` has returned, the server has shown nothing. A failure ends the login.
package struct ScramClient: Secretive {
    private enum State {
        case begun
        case asked(ScramServerFirst, Salting)
        /// What the server has to answer.
        case proven(verifier: [UInt8])
        case over
    }

    private let first: ScramClientFirst
    private let binding: ScramBinding
    private var state = State.begun

    /// `nonce` is new for each login: `ScramNonce.random`. Throws `unfit` for a user that is not 1 … 255 bytes without
    /// control characters, or a nonce that is not 16 … 128 printable characters without a comma.
    package init(user: String, nonce: [UInt8], binding: ScramBinding) throws(ScramFailure) {
        first = ScramClientFirst(header: binding.header, user: user, nonce: nonce)
        self.binding = binding
        guard (try? ScramClientFirst(first.text)) == first else { throw .unfit }
    }

    /// The first message.
    package var clientFirst: [UInt8] { first.text }

    /// Takes the server's first message; returns what the password is to be salted with.
    package mutating func read(serverFirst: [UInt8]) throws(ScramFailure) -> Salting {
        guard case .begun = take() else { throw .violation(Self.outOfTurn) }
        let serverFirst = try ScramFailure.reading { () throws(ProtocolViolation) in try ScramServerFirst(serverFirst) }
        guard serverFirst.nonce.starts(with: first.nonce), serverFirst.nonce.count > first.nonce.count else {
            throw .violation(ProtocolViolation("a SCRAM message with the nonce of another login"))
        }
        guard let salting = Salting(salt: serverFirst.salt, iterations: serverFirst.iterations) else {
            throw .violation(ProtocolViolation("a SCRAM message with a salt beyond its limits"))
        }
        state = .asked(serverFirst, salting)
        return salting
    }

    /// The last message. Throws `salting` if the password is salted otherwise than `read` said.
    package mutating func clientFinal(_ salted: SaltedPassword) throws(ScramFailure) -> [UInt8] {
        guard case .asked(let serverFirst, let salting) = take() else { throw .violation(Self.outOfTurn) }
        guard salted.salting == salting else { throw .salting }
        let withoutProof = ScramClientFinal.withoutProof(channelBinding: binding.input, nonce: serverFirst.nonce)
        let proof = ScramProof(first, serverFirst, withoutProof: withoutProof)
        state = .proven(verifier: proof.ofServer(salted.serverKey))
        let clientFinal = ScramClientFinal(
            channelBinding: binding.input, nonce: serverFirst.nonce, proof: proof.ofClient(salted))
        return clientFinal.text
    }

    /// Takes the server's last message; returns if the server has proven that it knows the secret.
    package mutating func verify(serverFinal: [UInt8]) throws(ScramFailure) {
        guard case .proven(let expected) = take() else { throw .violation(Self.outOfTurn) }
        switch try ScramFailure.reading({ () throws(ProtocolViolation) in try ScramServerFinal(serverFinal) }) {
        case .error(let word): throw .refused(word)
        case .verifier(let verifier): guard Digest.equal(verifier, expected) else { throw .server }
        }
    }

    /// The state; the login is over unless it is given another.
    private mutating func take() -> State {
        defer { state = .over }
        return state
    }

    private static let outOfTurn = ProtocolViolation("a SCRAM message out of turn")
}
