import FuzzChecks
import Testing

@testable import WMPWire

/// The example of RFC 7677 §3.
private let nonce = "rOprNGfwEbeRWgbNEkqO"
private let joined = nonce + "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
private let salt = "W22ZaJ0SNY7soEsUEjb6gQ=="
private let proof = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
private let verifier = "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

private let clientFirst = "n,,n=user,r=\(nonce)"
private let serverFirst = "r=\(joined),s=\(salt),i=4096"
private let clientFinal = "c=biws,r=\(joined),p=\(proof)"
private let serverFinal = "v=\(verifier)"

private func repeated(_ text: String, _ count: Int) -> String { String(repeating: text, count: count) }

private func readClientFirst(_ text: String) throws(ProtocolViolation) -> ScramClientFirst {
    try ScramClientFirst(Array(text.utf8))
}

private func readServerFirst(_ text: String) throws(ProtocolViolation) -> ScramServerFirst {
    try ScramServerFirst(Array(text.utf8))
}

private func readClientFinal(_ text: String) throws(ProtocolViolation) -> ScramClientFinal {
    try ScramClientFinal(Array(text.utf8))
}

private func readServerFinal(_ text: String) throws(ProtocolViolation) -> ScramServerFinal {
    try ScramServerFinal(Array(text.utf8))
}

/// Of the bytes of `text`, each is cut off in turn with all behind it.
private func prefixes(_ text: String) -> [String] {
    (0..<text.utf8.count).map { String(decoding: text.utf8.prefix($0), as: UTF8.self) }
}

@Suite("SCRAM messages")
struct ScramMessageTests {
    @Test("are read and written as in RFC 7677")
    func example() throws {
        let first = try readClientFirst(clientFirst)
        #expect(first == ScramClientFirst(header: .unbound, user: "user", nonce: Array(nonce.utf8)))
        #expect(first.text == Array(clientFirst.utf8) && first.bare == Array("n=user,r=\(nonce)".utf8))

        let saltBytes = try #require(Base64.decode(Array(salt.utf8)[...]))
        let challenge = try readServerFirst(serverFirst)
        #expect(challenge == ScramServerFirst(nonce: Array(joined.utf8), salt: saltBytes, iterations: 4096))
        #expect(challenge.text == Array(serverFirst.utf8))

        let proofBytes = try #require(Base64.decode(Array(proof.utf8)[...]))
        let final = try readClientFinal(clientFinal)
        #expect(
            final
                == ScramClientFinal(
                    channelBinding: Array("n,,".utf8), nonce: Array(joined.utf8), proof: proofBytes))
        #expect(final.text == Array(clientFinal.utf8) && final.withoutProof == Array("c=biws,r=\(joined)".utf8))

        let verifierBytes = try #require(Base64.decode(Array(verifier.utf8)[...]))
        #expect(try readServerFinal(serverFinal) == .verifier(verifierBytes))
        #expect(ScramServerFinal.verifier(verifierBytes).text == Array(serverFinal.utf8))
    }

    @Test("have one of three headers", arguments: zip(ScramHeader.allCases, ["n,,", "y,,", "p=tls-exporter,,"]))
    func headers(header: ScramHeader, text: String) throws {
        let first = try readClientFirst("\(text)n=user,r=\(nonce)")
        #expect(first.header == header && first.text == Array("\(text)n=user,r=\(nonce)".utf8))
    }

    @Test("carry every user that is a text, commas and equals signs escaped")
    func users() throws {
        for (user, written) in [
            ("a,b=c", "a=2Cb=3Dc"), (",,==", "=2C=2C=3D=3D"), ("=2C", "=3D2C"), ("usér 🦊", "usér 🦊"),
            (repeated(",", 255), repeated("=2C", 255)), ("e\u{301}", "e\u{301}"),
        ] {
            let first = ScramClientFirst(header: .unbound, user: user, nonce: Array(nonce.utf8))
            #expect(first.text == Array("n,,n=\(written),r=\(nonce)".utf8))
            let read = try ScramClientFirst(first.text)
            // Byte by byte: no form of Unicode is made into another.
            #expect(Array(read.user.utf8) == Array(user.utf8) && read.bare == first.bare)
        }
    }

    @Test("at their largest are read back")
    func largest() throws {
        let longest = repeated("x", 128)
        let first = ScramClientFirst(
            header: .tlsExporter, user: repeated(",", 255), nonce: Array(longest.utf8))
        #expect(try ScramClientFirst(first.text) == first)
        #expect(first.text.count == 914 && first.text.count <= ScramLimits.maxMessage)
        for (size, iterations) in [(1, 4096), (64, 131_072)] {
            let challenge = ScramServerFirst(
                nonce: Array((longest + longest).utf8), salt: pattern(size), iterations: iterations)
            #expect(try ScramServerFirst(challenge.text) == challenge)
        }
        let final = ScramClientFinal(
            channelBinding: ScramHeader.tlsExporter.text + pattern(32), nonce: Array((longest + longest).utf8),
            proof: pattern(32))
        #expect(try ScramClientFinal(final.text) == final)
        #expect(try readServerFinal("e=" + repeated("x", 128)) == .error(repeated("x", 128)))
    }

    @Test("may have extensions behind what is known, which stay in what is proven")
    func extensions() throws {
        let more = ",x=1,Y=a=b,z=é,x=1"
        let first = try readClientFirst(clientFirst + more)
        #expect(first.user == "user" && first.bare == Array("n=user,r=\(nonce)\(more)".utf8))
        let challenge = try readServerFirst(serverFirst + more)
        #expect(challenge.iterations == 4096 && challenge.text == Array((serverFirst + more).utf8))
        let final = try readClientFinal("c=biws,r=\(joined)\(more),p=\(proof)")
        #expect(final.withoutProof == Array("c=biws,r=\(joined)\(more)".utf8))
        #expect(final.text == Array("c=biws,r=\(joined)\(more),p=\(proof)".utf8))
        let whole = try readServerFinal(serverFinal)
        #expect(try readServerFinal(serverFinal + more) == whole)
        #expect(try readServerFinal("e=other-error" + more) == .error("other-error"))
    }

    /// What behind a message is no extension, and what is none anywhere.
    private static let badExtensions = [
        ",", ",x", ",x=", ",=1", ",1=x", ",é=1", ",xy=1", ", x=1", ",,x=1", ",x=1,", ",m=1", ",x=1,m=1", ",r=1", ",n=1",
        ",a=1", ",c=1", ",s=1", ",i=1", ",v=1", ",e=1", ",p=1", ",x=\0",
    ]

    @Test("of a client that are malformed are refused")
    func malformedClientFirst() {
        for text in [
            "", "n", "n,", "n,,", "n=user,r=\(nonce)", "N,,n=user,r=\(nonce)", "x,,n=user,r=\(nonce)",
            "n,a=admin,n=user,r=\(nonce)", "n,x,n=user,r=\(nonce)", "p=,,n=user,r=\(nonce)", "p,,n=user,r=\(nonce)",
            "p=tls-unique,,n=user,r=\(nonce)", "p=tls-server-end-point,,n=user,r=\(nonce)",
            "p=TLS-exporter,,n=user,r=\(nonce)", "p=tls-exporter2,,n=user,r=\(nonce)", " n,,n=user,r=\(nonce)",
            "n,,n=user", "n,,r=\(nonce)", "n,,r=\(nonce),n=user", "n,,n=user,n=user,r=\(nonce)", "n,,user,r=\(nonce)",
            "n,,N=user,r=\(nonce)", "n,,n=user,R=\(nonce)", "n,,n=user;r=\(nonce)", "n,,m=x,n=user,r=\(nonce)",
            "n,,x=1,n=user,r=\(nonce)", "n,,n=user,x=1,r=\(nonce)", "n,,a=b,n=user,r=\(nonce)",
            // Users.
            "n,,n=,r=\(nonce)", "n,,n=a=b,r=\(nonce)", "n,,n=a=2cb,r=\(nonce)", "n,,n=a=3db,r=\(nonce)",
            "n,,n=a=2,r=\(nonce)", "n,,n=a=,r=\(nonce)", "n,,n=a=2D,r=\(nonce)", "n,,n=a=3C,r=\(nonce)",
            "n,,n=a==2C,r=\(nonce)", "n,,n=\(repeated("x", 256)),r=\(nonce)", "n,,n=\(repeated("é", 128)),r=\(nonce)",
            "n,,n=\(repeated("=2C", 256)),r=\(nonce)", "n,,n=a\nb,r=\(nonce)", "n,,n=a\0b,r=\(nonce)",
            "n,,n=a\u{7F},r=\(nonce)", "n,,n=a\u{9B}1m,r=\(nonce)", "n,,n=a\tb,r=\(nonce)",
            // Nonces.
            "n,,n=user,r=", "n,,n=user,r=\(repeated("x", 15))", "n,,n=user,r=\(repeated("x", 129))",
            "n,,n=user,r=\(nonce) ", "n,,n=user,r=\(nonce)\n", "n,,n=user,r=\(nonce)\u{7F}", "n,,n=user,r=\(nonce)é",
        ] + Self.badExtensions.map({ clientFirst + $0 }) + [clientFirst + ",x=" + repeated("x", 2048)] {
            #expect(throws: ProtocolViolation.self, "\(text.debugDescription)") { try readClientFirst(text) }
        }
    }

    @Test("of a server that are malformed are refused")
    func malformedServerFirst() {
        for text in [
            "", "r", "r=", "r=\(joined)", "r=\(joined),s=\(salt)", "s=\(salt),r=\(joined),i=4096",
            "r=\(joined),i=4096,s=\(salt)", "m=x,r=\(joined),s=\(salt),i=4096", "x=1,r=\(joined),s=\(salt),i=4096",
            "r=\(joined),x=1,s=\(salt),i=4096", "R=\(joined),s=\(salt),i=4096", "e=other-error", " \(serverFirst)",
            "r=\(repeated("x", 15)),s=\(salt),i=4096", "r=\(repeated("x", 257)),s=\(salt),i=4096",
            "r=\(joined) ,s=\(salt),i=4096", "r=\(joined)é,s=\(salt),i=4096",
            // Salts.
            "r=\(joined),s=,i=4096", "r=\(joined),s=====,i=4096", "r=\(joined),s=W22ZaJ0SNY7soEsUEjb6gQ=,i=4096",
            "r=\(joined),s=W22ZaJ0SNY7soEsUEjb6gQ,i=4096", "r=\(joined),s=W22ZaJ0SNY7soEsUEjb6gR==,i=4096",
            "r=\(joined),s= W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "r=\(joined),s=W22ZaJ0SNY7soEsUEjb6g-==,i=4096",
            "r=\(joined),s=\(repeated("AAAA", 22)),i=4096",
            // Iterations.
            "r=\(joined),s=\(salt),i=", "r=\(joined),s=\(salt),i=0", "r=\(joined),s=\(salt),i=1",
            "r=\(joined),s=\(salt),i=4095", "r=\(joined),s=\(salt),i=131073", "r=\(joined),s=\(salt),i=1000000",
            "r=\(joined),s=\(salt),i=04096", "r=\(joined),s=\(salt),i=+4096", "r=\(joined),s=\(salt),i=-4096",
            "r=\(joined),s=\(salt),i=4096 ", "r=\(joined),s=\(salt),i=4096.0", "r=\(joined),s=\(salt),i=0x1000",
            "r=\(joined),s=\(salt),i=4e4", "r=\(joined),s=\(salt),i=99999999999999999999999",
            "r=\(joined),s=\(salt),i=١٦٣٨٤",
        ] + Self.badExtensions.map({ serverFirst + $0 }) + [serverFirst + ",x=" + repeated("x", 2048)] {
            #expect(throws: ProtocolViolation.self, "\(text.debugDescription)") { try readServerFirst(text) }
        }
    }

    @Test("with a client's proof that are malformed are refused")
    func malformedClientFinal() {
        for text in [
            "", "c", "c=biws", "c=biws,r=\(joined)", "p=\(proof)", ",p=\(proof)", "c=biws,p=\(proof)",
            "r=\(joined),p=\(proof)", "r=\(joined),c=biws,p=\(proof)", "c=biws,p=\(proof),r=\(joined)",
            "m=x,c=biws,r=\(joined),p=\(proof)", "c=biws,m=x,r=\(joined),p=\(proof)", " \(clientFinal)",
            // Bindings.
            "c=,r=\(joined),p=\(proof)", "c=n,r=\(joined),p=\(proof)", "c=n,,,r=\(joined),p=\(proof)",
            "c=biw,r=\(joined),p=\(proof)", "c=biws=,r=\(joined),p=\(proof)", "c=bi ws,r=\(joined),p=\(proof)",
            "c=\(repeated("AAAA", 43)),r=\(joined),p=\(proof)",
            // Nonces.
            "c=biws,r=\(repeated("x", 15)),p=\(proof)", "c=biws,r=\(repeated("x", 257)),p=\(proof)",
            "c=biws,r=\(joined)\t,p=\(proof)",
            // Proofs.
            "c=biws,r=\(joined),p=", "c=biws,r=\(joined),P=\(proof)", "c=biws,r=\(joined),p=\(proof)=",
            "c=biws,r=\(joined),p=\(proof.dropLast())", "c=biws,r=\(joined),p=AAAA\(proof)",
            "c=biws,r=\(joined),p=\(proof.dropFirst(4))", "c=biws,r=\(joined),p=\(proof.dropLast(2))R=",
            "c=biws,r=\(joined),p=\(proof),p=\(proof)",
        ] + Self.badExtensions.map({ clientFinal + $0 })
            + Self.badExtensions.map({ "c=biws,r=\(joined)\($0),p=\(proof)" })
            // Behind the proof, not even an extension.
            + [clientFinal + ",x=1", "c=biws,r=\(joined),x=\(repeated("x", 2048)),p=\(proof)"]
        {
            #expect(throws: ProtocolViolation.self, "\(text.debugDescription)") { try readClientFinal(text) }
        }
    }

    @Test("with a server's answer that are malformed are refused")
    func malformedServerFinal() {
        for text in [
            "", "v", "v=", "e", "e=", "x=1", "m=1,\(serverFinal)", "V=\(verifier)", " \(serverFinal)",
            "v=\(verifier)=", "v=\(verifier.dropLast())", "v=AAAA\(verifier)", "v=\(verifier.dropFirst(4))",
            "e=\(repeated("x", 129))", "e=a\nb", "e=a\u{9B}b", "e=a\0b", "e=a,v=\(verifier)", "v=\(verifier),e=a",
        ] + Self.badExtensions.map({ serverFinal + $0 }) + [serverFinal + ",x=" + repeated("x", 2048)] {
            #expect(throws: ProtocolViolation.self, "\(text.debugDescription)") { try readServerFinal(text) }
        }
    }

    @Test("that are not UTF-8 are refused")
    func notText() {
        for bytes: [UInt8] in [[0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xC3], [0xF4, 0x90, 0x80, 0x80]] {
            let first = Array("n,,n=a".utf8) + bytes + Array(",r=\(nonce)".utf8)
            #expect(throws: ProtocolViolation.self) { try ScramClientFirst(first) }
            #expect(throws: ProtocolViolation.self) { try ScramServerFirst(Array("\(serverFirst),x=".utf8) + bytes) }
            let final = Array("c=biws,r=\(joined),x=".utf8) + bytes + Array(",p=\(proof)".utf8)
            #expect(throws: ProtocolViolation.self) { try ScramClientFinal(final) }
            #expect(throws: ProtocolViolation.self) { try ScramServerFinal(Array("e=".utf8) + bytes) }
        }
    }

    @Test("cut short anywhere are refused, but for a nonce that is long enough")
    func cutShort() {
        for text in prefixes(clientFirst) {
            let first = try? readClientFirst(text)
            #expect((first != nil) == (text.utf8.count >= "n,,n=user,r=".utf8.count + 16))
            #expect(first.map { $0.nonce.count < nonce.utf8.count } != false)
        }
        for text in prefixes(serverFirst) { #expect((try? readServerFirst(text)) == nil) }
        for text in prefixes(clientFinal) { #expect((try? readClientFinal(text)) == nil) }
        for text in prefixes(serverFinal) { #expect((try? readServerFinal(text)) == nil) }
    }

    @Test("of the fuzzer's corpus hold")
    func corpus() throws {
        let files = try TestFiles.contents(of: "Fuzz/Corpus/login")
        #expect(files.count >= 25)
        for file in files { checkLogin(file) }
    }

    @Test("of the fuzzer's corpus hold with a byte changed, cut out or doubled")
    func changedCorpus() throws {
        var random = SeededRandom()
        print("SCRAM: seed \(random.seed)")
        let files = try TestFiles.contents(of: "Fuzz/Corpus/login").filter { !$0.isEmpty }
        for _ in 0..<1000 {
            guard var file = files.randomElement(using: &random), let at = file.indices.randomElement(using: &random)
            else { continue }
            switch Int.random(in: 0..<3, using: &random) {
            case 0: file[at] = .random(in: 0...255, using: &random)
            case 1: file.remove(at: at)
            default: file.insert(file[at], at: at)
            }
            checkLogin(file)
        }
    }
}

@Suite("Base64 of SCRAM")
struct ScramBase64Tests {
    @Test("is that of RFC 4648 §10")
    func vectors() {
        for (plain, text) in [
            ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            #expect(Base64.encode(Array(plain.utf8)) == Array(text.utf8))
            #expect(Base64.decode(Array(text.utf8)[...]) == Array(plain.utf8))
        }
        #expect(Base64.encode([0xFB, 0xEF, 0xFF]) == Array("++//".utf8))
    }

    @Test("reads back what it writes, of every size")
    func roundTrip() {
        for size in 0...260 {
            let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 167 &+ size) }
            #expect(Base64.decode(Base64.encode(bytes)[...]) == bytes)
        }
    }

    @Test("refuses what it would not write")
    func malformed() {
        for text in [
            "Z", "Zg", "Zg=", "Zg===", "Zg==Zg==", "=", "==", "===", "====", "Z===", "=Zg=", "Zm=v", "Zm8=Zm9v", "Zh==",
            "Zm9=", "Zm9v\n", "Zm 9", "Zm9v ", "Zm-_", "Zm9\u{E9}", "Zm9\0", "Zg=A",
        ] {
            #expect(Base64.decode(Array(text.utf8)[...]) == nil, "\(text.debugDescription)")
        }
    }
}
