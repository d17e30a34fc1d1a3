import Testing

@testable import WMPWire

/// The messages in `Tests/vectors/login.txt`: their form. Whether they prove anything is asked in KitTests.
@Suite("Login vectors")
struct ProtocolLoginTests {
    @Test("are messages of SCRAM, read and written as they stand")
    func messages() throws {
        let vectors = try ProtocolVector.read("login.txt")
        #expect(vectors.count >= 4)
        for vector in vectors {
            let (ofClient, ofServer) = (try vector.utf8("client_nonce"), try vector.utf8("server_nonce"))
            let binding = try vector.bytes("binding")
            let header = binding.isEmpty ? ScramHeader.unbound : .tlsExporter
            let first = ScramClientFirst(header: header, user: try vector.text("user"), nonce: ofClient)
            #expect(try first.text == vector.utf8("client_first"), "\(vector)")
            #expect(try ScramClientFirst(first.text) == first, "\(vector)")
            let challenge = ScramServerFirst(
                nonce: ofClient + ofServer, salt: try vector.bytes("salt"), iterations: try vector.number("iterations"))
            #expect(try challenge.text == vector.utf8("server_first"), "\(vector)")
            #expect(try ScramServerFirst(challenge.text) == challenge, "\(vector)")
            let last = try ScramClientFinal(vector.utf8("client_final"))
            #expect(last.channelBinding == header.text + binding && last.nonce == challenge.nonce, "\(vector)")
            #expect(try last.text == vector.utf8("client_final"), "\(vector)")
            let answer = try ScramServerFinal(vector.utf8("server_final"))
            #expect(try answer.text == vector.utf8("server_final"), "\(vector)")
            let longest = [first.text, challenge.text, last.text, answer.text].map(\.count).max() ?? 0
            #expect(longest <= ProtocolLimits.maxScramMessage, "\(vector)")
        }
    }

    @Test("are those of the session, without a channel binding")
    func session() throws {
        let session = try ProtocolVector.read("session.txt")
        let login = try #require(try ProtocolVector.read("login.txt").first { $0.name == "token without TLS" })
        let messages = [
            "HELLO": "client_first", "CHALLENGE": "server_first", "LOGIN": "client_final", "WELCOME": "server_final",
        ]
        for (type, key) in messages {
            let frame = try #require(session.first { $0["type"] == type })
            #expect(try frame.text("scram") == login.text(key), "\(type)")
        }
    }
}
