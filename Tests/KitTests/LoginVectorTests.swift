import Testing
import WMPIO
import WMPWire

@testable import WMPEngine

/// One login in Tests/vectors/login.txt; docs/PROTOCOL.md, "Test vectors", describes the format.
private struct LoginVector: CustomStringConvertible, Sendable {
    private let values: [String: String]

    var description: String { self["vector"] }

    /// "" if it is not there: nothing that is compared is.
    subscript(key: String) -> String { values[key] ?? "" }

    func bytes(_ key: String) -> [UInt8] { self[key].split(separator: " ").compactMap { UInt8($0, radix: 16) } }

    func utf8(_ key: String) -> [UInt8] { Array(self[key].utf8) }

    func salting() throws -> Salting {
        let iterations = try #require(Int(self["iterations"]))
        return try #require(Salting(salt: bytes("salt"), iterations: iterations))
    }

    func binding() throws -> ScramBinding {
        self["binding"].isEmpty ? .plain : try #require(ScramBinding(tlsExporter: bytes("binding")))
    }

    static func read() throws -> [LoginVector] {
        let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(2).joined(separator: "/")
        let text = String(decoding: try System.readFile(root + "/vectors/login.txt", limit: 1 << 20), as: UTF8.self)
        var entries: [[String: String]] = []
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            let colon = try #require(line.firstIndex(of: ":"))
            let (key, value) = (String(line[..<colon]), String(line[line.index(after: colon)...].drop { $0 == " " }))
            if key == "vector" { entries.append([:]) }
            entries[entries.count - 1][key] = value
        }
        return entries.map { LoginVector(values: $0) }
    }
}

/// The vectors were computed by another implementation: what they say, both ends say.
@Suite("A login of the protocol's vectors")
struct LoginVectorTests {
    private let vectors: [LoginVector]

    init() throws {
        vectors = try LoginVector.read()
        #expect(vectors.count >= 4)
    }

    @Test("has their keys")
    func keys() throws {
        for vector in vectors {
            let secret = try #require(ScramSecret(password: vector["password"], salting: try vector.salting()))
            #expect(secret.storedKey == vector.bytes("stored_key"), "\(vector)")
            #expect(secret.serverKey == vector.bytes("server_key"), "\(vector)")
            let kept = SaltedPassword(key: vector.bytes("salted_password"), try vector.salting())
            #expect(ScramSecret(kept) == secret, "\(vector)")
        }
    }

    @Test("says their words at the client")
    func client() throws {
        for vector in vectors {
            var login = try ScramClient(
                user: vector["user"], nonce: vector.utf8("client_nonce"), binding: try vector.binding())
            #expect(login.clientFirst == vector.utf8("client_first"), "\(vector)")
            let salting = try login.read(serverFirst: vector.utf8("server_first"))
            #expect(try salting == vector.salting(), "\(vector)")
            let salted = try #require(SaltedPassword(vector["password"], salting))
            #expect(try login.clientFinal(salted) == vector.utf8("client_final"), "\(vector)")
            try login.verify(serverFinal: vector.utf8("server_final"))
        }
    }

    @Test("says their words at the server")
    func server() throws {
        for vector in vectors {
            let secret = try #require(ScramSecret(password: vector["password"], salting: try vector.salting()))
            let decoy = ScramDecoy(key: Array(repeating: 1, count: 32), like: secret.salting)
            var login = ScramServer(nonce: vector.utf8("server_nonce"), binding: try vector.binding(), decoy: decoy)
            let serverFirst = try login.start(vector.utf8("client_first")) { $0 == vector["user"] ? secret : nil }
            #expect(serverFirst == vector.utf8("server_first"), "\(vector)")
            let accepted = try login.finish(vector.utf8("client_final"))
            #expect(accepted.user == vector["user"], "\(vector)")
            #expect(accepted.serverFinal == vector.utf8("server_final"), "\(vector)")
        }
    }
}
