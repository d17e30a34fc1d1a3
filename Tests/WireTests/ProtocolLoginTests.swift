import Testing

@testable import WMPWire

/// The proofs in `Tests/vectors/login.txt`, computed by hand: from docs/PROTOCOL.md, FIPS 180-4 and RFC 2104 alone.
@Suite("Login vectors")
struct ProtocolLoginTests {
    private func part(_ bytes: [UInt8]) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: bytes.count >> $0) } + bytes
    }

    @Test("are HMAC-SHA-256 over label, user, nonces and channel binding")
    func proofs() throws {
        let vectors = try ProtocolVector.read("login.txt")
        #expect(vectors.count >= 4)
        for vector in vectors {
            for side in ["client", "server"] {
                let parts = [
                    Array("wmproxy/1 \(side)".utf8), Array(try vector.text("user").utf8),
                    try vector.bytes("client_nonce"), try vector.bytes("server_nonce"), try vector.bytes("binding"),
                ]
                let message = parts.flatMap(part)
                #expect(try message == vector.bytes("\(side)_message"), "\(vector)")
                let proof = hmac(key: Array(try vector.text("secret").utf8), message)
                #expect(try proof == vector.bytes("\(side)_proof"), "\(vector)")
            }
        }
    }

    @Test("of the session are those of its secret, without a channel binding")
    func session() throws {
        let session = try ProtocolVector.read("session.txt")
        let login = try #require(try ProtocolVector.read("login.txt").first { $0.name == "token without TLS" })
        func value(_ type: String, _ key: String) throws -> [UInt8] {
            try #require(session.first { $0["type"] == type }).bytes(key)
        }
        #expect(try value("HELLO", "nonce") == login.bytes("client_nonce"))
        #expect(try value("CHALLENGE", "nonce") == login.bytes("server_nonce"))
        #expect(try value("LOGIN", "proof") == login.bytes("client_proof"))
        #expect(try value("WELCOME", "proof") == login.bytes("server_proof"))
    }

    @Test("rest on a hash that knows its own")
    func hash() {
        func hex(_ bytes: [UInt8]) -> String {
            bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
        }
        #expect(
            hex(sha256(Array("abc".utf8))) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        // RFC 4231, test case 2.
        #expect(
            hex(hmac(key: Array("Jefe".utf8), Array("what do ya want for nothing?".utf8)))
                == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
    }

    private func hmac(key: [UInt8], _ message: [UInt8]) -> [UInt8] {
        var block = key.count > 64 ? sha256(key) : key
        block += [UInt8](repeating: 0, count: 64 - block.count)
        return sha256(block.map { $0 ^ 0x5C } + sha256(block.map { $0 ^ 0x36 } + message))
    }

    private func sha256(_ message: [UInt8]) -> [UInt8] {
        var padded = message + [0x80]
        padded += [UInt8](repeating: 0, count: (120 - padded.count % 64) % 64)
        padded += (0..<8).map { UInt8(truncatingIfNeeded: (UInt64(message.count) * 8) >> (56 - 8 * UInt64($0))) }
        let primes = (2...311).filter { number in !(2..<number).contains { number % $0 == 0 } }
        // The first 32 bits of the fraction of the root.
        let constants = primes.map { fraction(of: $0, root: 3) }
        var state = primes.prefix(8).map { fraction(of: $0, root: 2) }
        for start in stride(from: 0, to: padded.count, by: 64) {
            var words = (0..<16).map { word in
                padded[start + word * 4..<start + word * 4 + 4].reduce(0) { $0 << 8 | UInt32($1) }
            }
            for index in 16..<64 {
                let (two, fifteen) = (words[index - 2], words[index - 15])
                let mixedTwo = rotate(two, 17) ^ rotate(two, 19) ^ two >> 10
                let mixedFifteen = rotate(fifteen, 7) ^ rotate(fifteen, 18) ^ fifteen >> 3
                words.append(words[index - 16] &+ mixedFifteen &+ words[index - 7] &+ mixedTwo)
            }
            var (a, b, c, d, e, f, g, h) = (
                state[0], state[1], state[2], state[3], state[4], state[5], state[6], state[7]
            )
            for index in 0..<64 {
                let choice = (e & f) ^ (~e & g)
                let one =
                    h &+ (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) &+ choice &+ constants[index] &+ words[index]
                let majority = (a & b) ^ (a & c) ^ (b & c)
                let two = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) &+ majority
                (a, b, c, d, e, f, g, h) = (one &+ two, a, b, c, d &+ one, e, f, g)
            }
            state = zip(state, [a, b, c, d, e, f, g, h]).map { $0 &+ $1 }
        }
        return state.flatMap { word in [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: word >> $0) } }
    }

    private func rotate(_ word: UInt32, _ count: UInt32) -> UInt32 { word >> count | word << (32 - count) }

    /// By bisection in whole numbers: the greatest x with (x / 2³²)^root ≤ number.
    private func fraction(of number: Int, root: Int) -> UInt32 {
        var low: UInt64 = 0
        var high = UInt64(32) << 32
        while high - low > 1 {
            let middle = (low + high) / 2
            if power(middle, root, isAtMost: UInt64(number)) { low = middle } else { high = middle }
        }
        return UInt32(truncatingIfNeeded: low)
    }

    private func power(_ base: UInt64, _ exponent: Int, isAtMost limit: UInt64) -> Bool {
        // 37 bits to the third are 111: in 128 bits.
        let value = (0..<exponent).reduce(UInt128(1)) { power, _ in power * UInt128(base) }
        return value <= UInt128(limit) << (32 * UInt128(exponent))
    }
}
