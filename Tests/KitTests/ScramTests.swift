import Testing
import WMPIO
import WMPWire

@testable import WMPEngine

/// The example of RFC 7677 §3: user `user`, password `pencil`.
private enum Example {
    static let nonce = "rOprNGfwEbeRWgbNEkqO"
    static let serverNonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    static let messages = [
        "n,,n=user,r=\(nonce)",
        "r=\(nonce)\(serverNonce),s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        "c=biws,r=\(nonce)\(serverNonce),p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
    ].map { Array($0.utf8) }
    /// As PostgreSQL keeps it; computed with Python's hashlib.
    static let secretText =
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
        + "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
}

private func bound(_ byte: UInt8) throws -> ScramBinding {
    try #require(ScramBinding(tlsExporter: Array(repeating: byte, count: 32)))
}

private func failure<R>(_ body: () throws -> R) -> ScramFailure? {
    do { _ = try body() } catch { return error as? ScramFailure }
    return nil
}

private func isViolation(_ failure: ScramFailure?) -> Bool {
    if case .violation = failure { true } else { false }
}

/// Which message of the four.
private enum Turn: Int, CaseIterable {
    case clientFirst, serverFirst, clientFinal, serverFinal
}

/// Both ends of logins, joined in memory.
private struct Ends {
    var user = "user"
    var password = "pencil"
    var clientBinding = ScramBinding.plain
    var serverBinding = ScramBinding.plain
    var secrets: [String: ScramSecret]
    let decoy: ScramDecoy

    init() throws {
        let secret = try ScramSecret(text: Example.secretText)
        secrets = ["user": secret]
        decoy = ScramDecoy(key: Array(repeating: 1, count: 32), like: secret.salting)
    }

    /// Both ends say that they have the other; throws what fails first. `meddle` is in between.
    @discardableResult
    func logIn(_ meddle: (Turn, [UInt8]) -> [UInt8] = { $1 }) throws -> String {
        var client = try ScramClient(user: user, nonce: Array(Example.nonce.utf8), binding: clientBinding)
        var server = ScramServer(nonce: Array(Example.serverNonce.utf8), binding: serverBinding, decoy: decoy)
        let serverFirst = try server.start(meddle(.clientFirst, client.clientFirst)) { secrets[$0] }
        let salting = try client.read(serverFirst: meddle(.serverFirst, serverFirst))
        let salted = try #require(SaltedPassword(password, salting))
        let accepted = try server.finish(meddle(.clientFinal, try client.clientFinal(salted)))
        try client.verify(serverFinal: meddle(.serverFinal, accepted.serverFinal))
        return accepted.user
    }
}

@Suite("A SCRAM login")
struct ScramTests {
    @Test("says what RFC 7677 §3 says, at both ends")
    func example() throws {
        var messages: [[UInt8]] = []
        let user = try Ends().logIn { _, message in
            messages.append(message)
            return message
        }
        #expect(user == "user" && messages == Example.messages)
    }

    @Test("is bound to its TLS connection, of any user")
    func bound() throws {
        var ends = try Ends()
        (ends.clientBinding, ends.serverBinding) = (try KitTests.bound(7), try KitTests.bound(7))
        #expect(try ends.logIn() == "user")
        for user in ["a,b=c", "usér", String(repeating: "x", count: 255)] {
            ends.secrets[user] = ends.secrets["user"]
            ends.user = user
            var first: [UInt8] = []
            let accepted = try ends.logIn { turn, message in
                if turn == .clientFirst { first = message }
                return message
            }
            #expect(accepted == user && first.starts(with: Array("p=tls-exporter,,n=".utf8)))
        }
    }

    @Test("with random nonces says something new each time")
    func nonces() throws {
        let nonces = try (0..<100).map { _ in try #require(ScramNonce.random()) }
        #expect(Set(nonces).count == 100 && nonces.allSatisfy { $0.count == 32 })
        for nonce in nonces { _ = try ScramClient(user: "user", nonce: nonce, binding: .plain) }
    }

    @Test("of a client that a message cannot carry does not begin")
    func unfit() {
        let nonce = Array(Example.nonce.utf8)
        for user in ["", String(repeating: "x", count: 256), "a\nb", "a\0b", "a\u{85}b"] {
            #expect(failure { try ScramClient(user: user, nonce: nonce, binding: .plain) } == .unfit)
        }
        let long = String(repeating: "x", count: 129)
        for nonce in ["", "short", long, "a,comma,and,more,of,it", "blanks are not printable"] {
            #expect(failure { try ScramClient(user: "user", nonce: Array(nonce.utf8), binding: .plain) } == .unfit)
        }
    }

    // MARK: Who may not

    @Test("with a wrong secret fails at the server", arguments: ["", "Pencil", "pencil ", "penci", "pencil\u{301}"])
    func wrongSecret(password: String) throws {
        var ends = try Ends()
        ends.password = password
        #expect(failure { try ends.logIn() } == .credential)
        (ends.clientBinding, ends.serverBinding) = (try KitTests.bound(7), try KitTests.bound(7))
        #expect(failure { try ends.logIn() } == .credential)
    }

    @Test("of an unknown user fails as one with a wrong secret does, and looks the same")
    func unknownUser() throws {
        var ends = try Ends()
        var said: [String: [[UInt8]]] = [:]
        for user in ["user", "resu", "User"] {
            for _ in 0..<2 {
                ends.user = user
                ends.password = user == "user" ? "wrong" : "pencil"
                #expect(
                    failure {
                        try ends.logIn { turn, message in
                            if turn == .serverFirst { said[user, default: []].append(message) }
                            return message
                        }
                    } == .credential)
            }
        }
        let messages = said.values.flatMap(\.self)
        #expect(messages.count == 6 && Set(messages.map(\.count)).count == 1)
        // The same user has the same salt each time, and nobody else's.
        #expect(said.values.allSatisfy { Set($0).count == 1 } && Set(messages).count == 3)
        for message in messages {
            let read = try ScramServerFirst(message)
            #expect(read.salt.count == 16 && read.iterations == 4096)
        }
    }

    @Test("of an unknown user has another salt with another key, of the size and rounds of the model")
    func decoys() throws {
        for size in [1, 16, 32, 33, 64] {
            let model = try #require(Salting(salt: Array(repeating: 0, count: size), iterations: 5000 + size))
            let decoys = [
                ScramDecoy(key: Array(repeating: 1, count: 32), like: model),
                ScramDecoy(key: Array(repeating: 2, count: 32), like: model), try #require(ScramDecoy(like: model)),
            ]
            let secrets = decoys.flatMap { [$0.secret(of: "a"), $0.secret(of: "b")] }
            #expect(secrets.allSatisfy { $0.salting.salt.count == size && $0.salting.iterations == 5000 + size })
            if size > 1 { #expect(Set(secrets.map(\.salting.salt)).count == 6) }
            #expect(Set(secrets.flatMap { [$0.storedKey, $0.serverKey] }).count == 12)
            #expect(decoys.allSatisfy { $0.secret(of: "a") == $0.secret(of: "a") })
        }
    }

    // MARK: Bindings

    @Test("with somebody in the middle, who has two TLS connections, fails")
    func manInTheMiddle() throws {
        var ends = try Ends()
        (ends.clientBinding, ends.serverBinding) = (try KitTests.bound(7), try KitTests.bound(8))
        #expect(failure { try ends.logIn() } == .binding)
        // The other binding put in its place is not what the client has proven.
        let other = Base64.encode(ends.serverBinding.input)
        let failed = failure {
            try ends.logIn { turn, message in
                guard turn == .clientFinal, let comma = message.firstIndex(of: 0x2C) else { return message }
                return Array("c=".utf8) + other + message[comma...]
            }
        }
        #expect(failed == .credential)
    }

    @Test("cannot be stripped of its binding", arguments: ["n,,", "y,,"])
    func strippedBinding(header: String) throws {
        var ends = try Ends()
        ends.serverBinding = try KitTests.bound(7)
        // By a client that has none …
        #expect(failure { try ends.logIn() } == .binding)
        // … or by somebody on the way, at a server with and one without.
        ends.clientBinding = try KitTests.bound(7)
        for serverBinding in [try KitTests.bound(7), .plain] {
            ends.serverBinding = serverBinding
            let failed = failure {
                try ends.logIn { turn, message in
                    guard turn == .clientFirst else { return message }
                    return Array(header.utf8) + message.dropFirst("p=tls-exporter,,".utf8.count)
                }
            }
            #expect(failed == .binding)
        }
    }

    @Test("without TLS is taken with 'n' alone")
    func plain() throws {
        var ends = try Ends()
        let unused = failure {
            try ends.logIn { turn, message in turn == .clientFirst ? Array("y".utf8) + message.dropFirst() : message }
        }
        #expect(unused == .binding)
        ends.clientBinding = try KitTests.bound(7)
        #expect(failure { try ends.logIn() } == .binding)
        // What it says at the end has to be what it said at first.
        ends.clientBinding = .plain
        let changed = failure {
            try ends.logIn { turn, message in
                guard turn == .clientFinal else { return message }
                return Array("c=eSws".utf8) + message.dropFirst("c=biws".utf8.count)
            }
        }
        #expect(changed == .binding)
    }

    @Test("has no binding but one of 32 bytes", arguments: [0, 1, 31, 33, 64])
    func bindingSize(size: Int) {
        #expect(ScramBinding(tlsExporter: Array(repeating: 7, count: size)) == nil)
    }

    // MARK: What is said twice, short or in disorder

    @Test("cannot be played again on another nonce")
    func replay() throws {
        let ends = try Ends()
        for (nonce, isPatched) in [("another-nonce-of-the-server", false), ("one-more-nonce-of-the-server", true)] {
            var server = ScramServer(nonce: Array(nonce.utf8), binding: .plain, decoy: ends.decoy)
            _ = try server.start(Example.messages[0]) { ends.secrets[$0] }
            // Patched: with the new nonce in place of the old, the proof is none of it.
            let proof = String(decoding: Example.messages[2].suffix(44), as: UTF8.self)
            let final =
                isPatched ? Array("c=biws,r=\(Example.nonce)\(nonce),p=\(proof)".utf8) : Example.messages[2]
            let failed = failure { try server.finish(final) }
            #expect(isPatched ? failed == .credential : isViolation(failed))
        }
    }

    @Test("cut short anywhere succeeds at neither end", arguments: Turn.allCases)
    private func cutShort(turn: Turn) throws {
        let ends = try Ends()
        for size in 0..<Example.messages[turn.rawValue].count {
            let failed = failure { try ends.logIn { $0 == turn ? Array($1.prefix(size)) : $1 } }
            // A shorter nonce may be one, but is not the client's.
            #expect(isViolation(failed), "\(turn) of \(size) bytes")
        }
    }

    @Test("with any bit changed on the way succeeds at neither end", arguments: Turn.allCases)
    private func changed(turn: Turn) throws {
        let ends = try Ends()
        for index in Example.messages[turn.rawValue].indices {
            for bit: UInt8 in [1, 32, 128] {
                let failed = failure {
                    try ends.logIn { at, message in
                        guard at == turn else { return message }
                        var message = message
                        message[index] ^= bit
                        return message
                    }
                }
                #expect(failed != nil, "\(turn), byte \(index)")
            }
        }
    }

    @Test("takes extensions on the way for what they are: a change")
    func addedExtension() throws {
        let ends = try Ends()
        let more = Array(",x=1".utf8)
        #expect(failure { try ends.logIn { $0 == .clientFirst ? $1 + more : $1 } } == .credential)
        #expect(failure { try ends.logIn { $0 == .serverFirst ? $1 + more : $1 } } == .credential)
        let failed = failure {
            try ends.logIn { $0 == .clientFinal ? $1.dropLast(47) + more + $1.suffix(47) : $1 }
        }
        #expect(failed == .credential)
    }

    @Test("is over at the server with its first failure, and with its success")
    func serverOver() throws {
        let ends = try Ends()
        var server = ScramServer(nonce: Array(Example.serverNonce.utf8), binding: .plain, decoy: ends.decoy)
        #expect(isViolation(failure { try server.finish(Example.messages[2]) }), "the last message first")
        #expect(isViolation(failure { try server.start(Example.messages[0]) { ends.secrets[$0] } }))

        server = ScramServer(nonce: Array(Example.serverNonce.utf8), binding: .plain, decoy: ends.decoy)
        _ = try server.start(Example.messages[0]) { ends.secrets[$0] }
        let wrong = Example.messages[2].dropLast(44) + Base64.encode(Array(repeating: 0, count: 32))
        #expect(failure { try server.finish(Array(wrong)) } == .credential)
        #expect(isViolation(failure { try server.finish(Example.messages[2]) }), "a second guess")

        server = ScramServer(nonce: Array(Example.serverNonce.utf8), binding: .plain, decoy: ends.decoy)
        _ = try server.start(Example.messages[0]) { ends.secrets[$0] }
        #expect(isViolation(failure { try server.start(Example.messages[0]) { ends.secrets[$0] } }), "begun twice")
        #expect(isViolation(failure { try server.finish(Example.messages[2]) }))

        server = ScramServer(nonce: Array(Example.serverNonce.utf8), binding: .plain, decoy: ends.decoy)
        _ = try server.start(Example.messages[0]) { ends.secrets[$0] }
        #expect(try server.finish(Example.messages[2]).serverFinal == Example.messages[3])
        #expect(isViolation(failure { try server.finish(Example.messages[2]) }), "logged in twice")
    }

    // MARK: At the client

    private func client() throws -> ScramClient {
        try ScramClient(user: "user", nonce: Array(Example.nonce.utf8), binding: .plain)
    }

    @Test("fails at the client when the server does not know the secret")
    func impostor() throws {
        let ends = try Ends()
        let verifier = ScramServerFinal.verifier(Array(repeating: 0, count: 32)).text
        #expect(failure { try ends.logIn { $0 == .serverFinal ? verifier : $1 } } == .server)
        // It cannot send back what the client has proven either.
        var proof: [UInt8] = []
        let mirrored = failure {
            try ends.logIn { turn, message in
                if turn == .clientFinal { proof = Array(message.suffix(44)) }
                return turn == .serverFinal ? Array("v=".utf8) + proof : message
            }
        }
        #expect(mirrored == .server)
        let refusal = ScramServerFinal.error("other-error").text
        #expect(failure { try ends.logIn { $0 == .serverFinal ? refusal : $1 } } == .refused("other-error"))
    }

    @Test("goes on at the client with its own nonce alone, made longer")
    func clientNonce() throws {
        let rest = ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
        for nonce in [
            Example.nonce, "x" + Example.nonce, String(Example.nonce.dropLast()) + "xyz",
            Example.nonce.lowercased() + "x", "another-nonce-of-another-login",
        ] {
            var client = try client()
            #expect(isViolation(failure { try client.read(serverFirst: Array("r=\(nonce)\(rest)".utf8)) }), "\(nonce)")
        }
        var client = try client()
        #expect(try client.read(serverFirst: Array("r=\(Example.nonce)x\(rest)".utf8)).iterations == 4096)
    }

    @Test("lets no server make the client compute for long, or next to nothing", arguments: [0, 1, 4095, 131_073])
    func iterations(count: Int) throws {
        var client = try client()
        let serverFirst = "r=\(Example.nonce)x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=\(count)"
        #expect(isViolation(failure { try client.read(serverFirst: Array(serverFirst.utf8)) }))
    }

    @Test("is over at the client with its first failure, and goes in order")
    func clientOver() throws {
        let salting = try ScramSecret(text: Example.secretText).salting
        let salted = try #require(SaltedPassword("pencil", salting))
        var login = try client()
        #expect(isViolation(failure { try login.verify(serverFinal: Example.messages[3]) }))
        #expect(isViolation(failure { try login.read(serverFirst: Example.messages[1]) }))

        login = try client()
        #expect(isViolation(failure { try login.clientFinal(salted) }))

        login = try client()
        #expect(try login.read(serverFirst: Example.messages[1]) == salting)
        #expect(isViolation(failure { try login.verify(serverFinal: Example.messages[3]) }))

        login = try client()
        _ = try login.read(serverFirst: Example.messages[1])
        let other = try #require(Salting(salt: salting.salt, iterations: 4097))
        #expect(failure { try login.clientFinal(try #require(SaltedPassword("pencil", other))) } == .salting)
        #expect(isViolation(failure { try login.clientFinal(salted) }))

        login = try client()
        _ = try login.read(serverFirst: Example.messages[1])
        #expect(try login.clientFinal(salted) == Example.messages[2])
        try login.verify(serverFinal: Example.messages[3])
        #expect(isViolation(failure { try login.verify(serverFinal: Example.messages[3]) }))
    }
}
