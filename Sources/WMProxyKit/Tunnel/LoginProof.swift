import WMPIO

/// What a side computes to show that it holds the secret, without showing it (docs/PROTOCOL.md, "Login").
///
/// HMAC-SHA-256 with the secret over a label, the user, both nonces and the TLS channel binding (RFC 9266): a proof is
/// good for one connection between these two ends alone. A man in the middle has two connections and so two bindings.
struct LoginProof {
    let user: String
    let secret: String
    let clientNonce: [UInt8]
    let serverNonce: [UInt8]
    /// Empty without TLS.
    let binding: [UInt8]

    var ofClient: [UInt8] { proof("wmproxy/1 client") }
    var ofServer: [UInt8] { proof("wmproxy/1 server") }

    private func proof(_ label: String) -> [UInt8] {
        var message: [UInt8] = []
        for part in [Array(label.utf8), Array(user.utf8), clientNonce, serverNonce, binding] {
            // Lengths between the parts: no two lists of parts give the same message.
            let length = UInt32(truncatingIfNeeded: part.count)
            message += [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: length >> $0) }
            message += part
        }
        return Digest.hmac(key: Array(secret.utf8), message)
    }
}

extension Credential {
    /// Whose secret it is; a token belongs to a fixed user.
    var user: String {
        switch self {
        case .token: "token"
        case .password(let username, _): username
        }
    }

    var secret: String {
        switch self {
        case .token(let token): token
        case .password(_, let password): password
        }
    }
}
