// The four messages of a login by SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802 §7, RFC 7677), in their order.
//
// Users and secrets are bytes of UTF-8 as they are: no SASLprep. Bounds are those of `ScramLimits`; whatever is beyond
// them or has another form is a `ProtocolViolation`. Those who write a message keep the bounds by themselves.

/// What a client says of channel binding, the GS2 header (RFC 5802 §7) of its first message. Who logs in for somebody
/// else (`a=`) is refused: the header has one form each.
package enum ScramHeader: CaseIterable, Sendable {
    /// `n`: the client binds to nothing.
    case unbound
    /// `y`: the client could, and believes that the server cannot.
    case unused
    /// `p`: the login is bound to this TLS connection (RFC 9266).
    case tlsExporter

    package var text: [UInt8] {
        switch self {
        case .unbound: Array("n,,".utf8)
        case .unused: Array("y,,".utf8)
        case .tlsExporter: Array("p=tls-exporter,,".utf8)
        }
    }
}

/// Client → server: `n,,n=user,r=nonce`.
package struct ScramClientFirst: Equatable, Sendable {
    package let header: ScramHeader
    /// 1 … 255 bytes without control characters. In `==` of Swift some are equal whose bytes differ.
    package let user: String
    /// 16 … 128 printable characters without a comma.
    package let nonce: [UInt8]
    /// The message behind its header, as it came: part of what is proven.
    package let bare: [UInt8]

    package init(header: ScramHeader, user: String, nonce: [UInt8]) {
        (self.header, self.user, self.nonce) = (header, user, nonce)
        bare = Array("n=".utf8) + SaslName.write(user) + Array(",r=".utf8) + nonce
    }

    package init(_ text: [UInt8]) throws(ProtocolViolation) {
        guard let header = ScramHeader.allCases.first(where: { text.starts(with: $0.text) }) else {
            throw ProtocolViolation("a SCRAM message without a known header")
        }
        self.header = header
        var attributes = try ScramAttributes(text, behind: header.text.count)
        user = try SaslName.read(try attributes.take("n"))
        nonce = try readNonce(try attributes.take("r"), ScramLimits.nonce)
        try attributes.skipExtensions()
        bare = Array(text.dropFirst(header.text.count))
    }

    package var text: [UInt8] { header.text + bare }
}

/// Server → client: `r=nonce,s=salt,i=iterations`.
package struct ScramServerFirst: Equatable, Sendable {
    /// The client's nonce, and the server's behind it: up to 256 characters.
    package let nonce: [UInt8]
    /// 1 … 64 bytes.
    package let salt: [UInt8]
    /// Rounds of PBKDF2, 4096 … 131072.
    package let iterations: Int
    /// The message as it came: part of what is proven.
    package let text: [UInt8]

    package init(nonce: [UInt8], salt: [UInt8], iterations: Int) {
        (self.nonce, self.salt, self.iterations) = (nonce, salt, iterations)
        text = Array("r=".utf8) + nonce + Array(",s=".utf8) + Base64.encode(salt) + Array(",i=\(iterations)".utf8)
    }

    package init(_ text: [UInt8]) throws(ProtocolViolation) {
        var attributes = try ScramAttributes(text)
        nonce = try readNonce(
            try attributes.take("r"), ScramLimits.nonce.lowerBound...ScramLimits.maxJoinedNonce)
        salt = try readBytes("s", &attributes, ScramLimits.salt)
        guard let iterations = ScramLimits.iterations(try attributes.take("i")) else {
            throw ProtocolViolation(
                "the iterations of a SCRAM message are not \(ScramLimits.minIterations) to "
                    + "\(ScramLimits.maxIterations)")
        }
        self.iterations = iterations
        try attributes.skipExtensions()
        self.text = text
    }
}

/// Client → server: `c=binding,r=nonce,p=proof`.
package struct ScramClientFinal: Equatable, Sendable {
    /// The header again, and the bytes of the binding behind it.
    package let channelBinding: [UInt8]
    /// That of the server's message.
    package let nonce: [UInt8]
    /// 32 bytes.
    package let proof: [UInt8]
    /// The message before `,p=`, as it came: part of what is proven.
    package let withoutProof: [UInt8]

    package init(channelBinding: [UInt8], nonce: [UInt8], proof: [UInt8]) {
        (self.channelBinding, self.nonce, self.proof) = (channelBinding, nonce, proof)
        withoutProof = Self.withoutProof(channelBinding: channelBinding, nonce: nonce)
    }

    package init(_ text: [UInt8]) throws(ProtocolViolation) {
        var attributes = try ScramAttributes(text)
        channelBinding = try readBytes("c", &attributes, 1...ScramLimits.maxChannelBinding)
        nonce = try readNonce(
            try attributes.take("r"), ScramLimits.nonce.lowerBound...ScramLimits.maxJoinedNonce)
        try attributes.skipExtensions(before: "p")
        proof = try readBytes("p", &attributes, ScramLimits.keySize...ScramLimits.keySize)
        try attributes.finish()
        // The proof is behind the last comma: Base64 has none.
        withoutProof = Array(text.prefix(upTo: text.lastIndex(of: Octet.comma) ?? text.startIndex))
    }

    /// What of the message the proof itself covers.
    package static func withoutProof(channelBinding: [UInt8], nonce: [UInt8]) -> [UInt8] {
        Array("c=".utf8) + Base64.encode(channelBinding) + Array(",r=".utf8) + nonce
    }

    package var text: [UInt8] { withoutProof + Array(",p=".utf8) + Base64.encode(proof) }
}

/// Server → client: `v=verifier` or `e=error`.
package enum ScramServerFinal: Equatable, Sendable {
    /// The server's own proof, 32 bytes.
    case verifier([UInt8])
    /// Why not: a word of RFC 5802 §7 or another, 1 … 128 bytes without control characters.
    case error(String)

    package init(_ text: [UInt8]) throws(ProtocolViolation) {
        var attributes = try ScramAttributes(text)
        if attributes.has("e") {
            let value = try attributes.take("e")
            let isShort = value.count <= ScramLimits.maxError
            guard isShort, !value.withUnsafeBytes(Field.hasControls),
                let word = String(validating: value, as: UTF8.self)
            else { throw ProtocolViolation("the error of a SCRAM message is not a short text") }
            self = .error(word)
        } else {
            self = .verifier(try readBytes("v", &attributes, ScramLimits.keySize...ScramLimits.keySize))
        }
        try attributes.skipExtensions()
    }

    package var text: [UInt8] {
        switch self {
        case .verifier(let verifier): Array("v=".utf8) + Base64.encode(verifier)
        case .error(let word): Array("e=\(word)".utf8)
        }
    }
}

/// Printable ASCII; there is no comma in an attribute's value.
private func readNonce(_ value: ArraySlice<UInt8>, _ count: ClosedRange<Int>) throws(ProtocolViolation) -> [UInt8] {
    guard count.contains(value.count), value.allSatisfy({ (0x21...0x7E).contains($0) }) else {
        throw ProtocolViolation(
            "the nonce of a SCRAM message is not \(count.lowerBound) to \(count.upperBound) printable characters")
    }
    return Array(value)
}

/// The next attribute, which has to be `name`, in Base64.
private func readBytes(
    _ name: Unicode.Scalar, _ attributes: inout ScramAttributes, _ count: ClosedRange<Int>
) throws(ProtocolViolation) -> [UInt8] {
    guard let bytes = Base64.decode(try attributes.take(name)), count.contains(bytes.count) else {
        throw ProtocolViolation(
            "'\(name)=' of a SCRAM message is not \(count.lowerBound) to \(count.upperBound) bytes in Base64")
    }
    return bytes
}
