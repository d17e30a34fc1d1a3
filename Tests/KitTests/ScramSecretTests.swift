import CWMProxyOpenSSL
import Testing
import WMPIO
import WMPWire

@testable import WMPEngine

private let salt = "W22ZaJ0SNY7soEsUEjb6gQ=="
private let stored = "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
private let server = "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
private let text = "SCRAM-SHA-256$4096:\(salt)$\(stored):\(server)"

@Suite("SCRAM secrets")
struct ScramSecretTests {
    @Test("are computed from a password as PostgreSQL does")
    func computed() throws {
        let bytes = try #require(Base64.decode(Array(salt.utf8)[...]))
        let salting = try #require(Salting(salt: bytes, iterations: 4096))
        let secret = try #require(ScramSecret(password: "pencil", salting: salting))
        #expect(secret.text == text)
        #expect(try ScramSecret(text: text) == secret)
        #expect(ScramSecret(password: "pencils", salting: salting) != secret)
    }

    @Test("have a salt of their own, and rounds enough")
    func fresh() throws {
        let secrets = try (0..<2).map { _ in try #require(ScramSecret(password: "pencil")) }
        #expect(secrets.allSatisfy { $0.salting.salt.count == 16 && $0.salting.iterations == 16_384 })
        #expect(Set(secrets.map(\.salting)).count == 2 && Set(secrets.map(\.storedKey)).count == 2)
        for secret in secrets { #expect(try ScramSecret(text: secret.text) == secret) }
    }

    @Test("are salted within the limits")
    func limits() throws {
        for (size, iterations) in [(0, 4096), (65, 4096), (16, 4095), (16, 131_073), (16, 0), (16, -1), (16, .max)] {
            #expect(Salting(salt: Array(repeating: 1, count: size), iterations: iterations) == nil)
        }
        #expect(Salting.random(iterations: 1) == nil)
        for (size, iterations) in [(1, 4096), (64, 131_072)] {
            let salting = try #require(Salting(salt: Array(repeating: 1, count: size), iterations: iterations))
            let key = [UInt8](repeating: 2, count: 32)
            let secret = ScramSecret(SaltedPassword(key: key, salting))
            #expect(try ScramSecret(text: secret.text) == secret)
        }
    }

    @Test("of another form are refused, in words without a key")
    func malformed() {
        for wrong in [
            "", "$", "$:$:", "SCRAM-SHA-256", "SCRAM-SHA-256$", "md5c4ca4238a0b923820dcc509a6f75849b",
            "SCRAM-SHA-1$4096:\(salt)$\(stored):\(server)", "scram-sha-256$4096:\(salt)$\(stored):\(server)",
            "SCRAM-SHA-256-PLUS$4096:\(salt)$\(stored):\(server)", " \(text)", "\(text) ", "\(text)\n", "\(text)$",
            "\(text):", "\(text):\(server)", "SCRAM-SHA-256$4096$\(salt)$\(stored):\(server)",
            "SCRAM-SHA-256:4096:\(salt)$\(stored):\(server)", "SCRAM-SHA-256$4096:\(salt):\(stored):\(server)",
            "SCRAM-SHA-256$4096:\(salt)$\(stored)$\(server)", "SCRAM-SHA-256$4096:\(salt)$\(stored)",
            "SCRAM-SHA-256$:\(salt)$\(stored):\(server)", "SCRAM-SHA-256$4095:\(salt)$\(stored):\(server)",
            "SCRAM-SHA-256$131073:\(salt)$\(stored):\(server)", "SCRAM-SHA-256$+4096:\(salt)$\(stored):\(server)",
            "SCRAM-SHA-256$04096:\(salt)$\(stored):\(server)", "SCRAM-SHA-256$4096 :\(salt)$\(stored):\(server)",
            "SCRAM-SHA-256$4096:$\(stored):\(server)", "SCRAM-SHA-256$4096:\(salt.dropLast())$\(stored):\(server)",
            "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gR==$\(stored):\(server)",
            "SCRAM-SHA-256$4096:\(String(repeating: "AAAA", count: 22))$\(stored):\(server)",
            "SCRAM-SHA-256$4096:\(salt)$:\(server)", "SCRAM-SHA-256$4096:\(salt)$\(stored):",
            "SCRAM-SHA-256$4096:\(salt)$\(stored.dropFirst(4)):\(server)",
            "SCRAM-SHA-256$4096:\(salt)$\(stored):AAAA\(server)",
            "SCRAM-SHA-256$4096:\(salt)$\(stored):\(server.dropLast(2))V=",
        ] {
            do throws(ScramSecret.Malformed) {
                _ = try ScramSecret(text: wrong)
                Issue.record("\(wrong.debugDescription) is taken")
            } catch {
                #expect(!error.description.contains("WG5d8") && !error.description.contains("wfPL"))
            }
        }
        for size in 0..<text.utf8.count {
            #expect(throws: ScramSecret.Malformed.self) { try ScramSecret(text: String(text.prefix(size))) }
        }
    }

    @Test("and all that holds keys show none")
    func shown() throws {
        let secret = try ScramSecret(text: text)
        let salted = try #require(SaltedPassword("pencil", secret.salting))
        let decoy = ScramDecoy(key: Array(repeating: 77, count: 32), like: secret.salting)
        var login = ScramServer(nonce: Array("a-nonce-of-the-server".utf8), binding: .plain, decoy: decoy)
        _ = try login.start(Array("n,,n=user,r=a-nonce-of-the-client".utf8)) { _ in secret }
        var client = try ScramClient(user: "user", nonce: Array("a-nonce-of-the-client".utf8), binding: .plain)
        _ = try client.read(serverFirst: Array("r=a-nonce-of-the-client1,s=\(salt),i=4096".utf8))
        _ = try client.clientFinal(salted)
        for (value, name) in [
            (secret, "ScramSecret"), (salted, "SaltedPassword"), (decoy, "ScramDecoy"), (login, "ScramServer"),
            (client, "ScramClient"),
        ] as [(Any, String)] {
            var dumped = ""
            dump(["key": value], to: &dumped)
            for shown in ["\(value)", String(reflecting: value), "\(Optional(value) as Any)", dumped] {
                #expect(shown.contains(name) && !shown.contains("UInt8") && !shown.contains("77"), "\(shown)")
                #expect(!shown.contains("88") && !shown.contains("WG5d8"), "\(shown)")
            }
        }
    }

    @Test("are computed by PBKDF2 of RFC 8018, with OpenSSL's error queue as it was")
    func pbkdf2() {
        // RFC 7914 §11.
        let key = Digest.pbkdf2(password: Array("passwd".utf8), salt: Array("salt".utf8), iterations: 1)
        #expect(
            key.map(Digest.hex) == "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc")
        let second = Digest.pbkdf2(password: Array("Password".utf8), salt: Array("NaCl".utf8), iterations: 80_000)
        #expect(
            second.map(Digest.hex) == "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56")
        #expect(Digest.pbkdf2(password: [], salt: [], iterations: 1)?.count == 32)
        for rounds in [0, -1, Int.min, Int.max, 1 << 31] {
            #expect(Digest.pbkdf2(password: [1], salt: [1], iterations: rounds) == nil)
        }
        #expect(ERR_peek_error() == 0)
    }
}
