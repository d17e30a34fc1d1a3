package import WMPWire

/// Why a login by SCRAM failed. It is over then, at this end.
package enum ScramFailure: Error, Equatable, Sendable, CustomStringConvertible {
    /// The other side's message is malformed or not the next one.
    case violation(ProtocolViolation)
    /// The other side is bound to something else: somebody is in between, or one side has TLS and the other has not.
    case binding
    /// At the server: the user or the secret is wrong. Which of them is not said, here neither.
    case credential
    /// At the client: the server does not know the secret.
    case server
    /// At the client: the server said no, in its own words.
    case refused(String)
    /// The caller's: the salted password has another salting than was asked for.
    case salting
    /// The caller's: its own user or nonce is not one that a message can carry.
    case unfit

    package var description: String {
        switch self {
        case .violation(let violation): violation.reason
        case .binding: "the other side is bound to another connection, or to none"
        case .credential: "wrong user or secret"
        case .server: "the server does not know the secret"
        case .refused(let word): "the server refused the login: \(word)"
        case .salting: "a password salted otherwise than the server asks"
        case .unfit: "a user or nonce that a login cannot carry"
        }
    }

    /// What `body` reads of the other side's, its violation as a failure.
    static func reading<M>(_ body: () throws(ProtocolViolation) -> M) throws(ScramFailure) -> M {
        do throws(ProtocolViolation) { return try body() } catch { throw .violation(error) }
    }
}
