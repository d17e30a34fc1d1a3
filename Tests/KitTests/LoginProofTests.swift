import Testing
import WMPIO

@testable import WMPEngine

/// Reads Tests/vectors/login.txt: the fields of each vector by name, the bytes of repeated ones joined.
private func vectors() throws -> [[String: String]] {
    let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(2).joined(separator: "/")
    let text = String(decoding: try System.readFile(root + "/vectors/login.txt", limit: 1 << 20), as: UTF8.self)
    var vectors: [[String: String]] = []
    for line in text.split(separator: "\n") where !line.hasPrefix("#") {
        guard let colon = line.firstIndex(of: ":") else { continue }
        let (name, value) = (String(line[..<colon]), String(line[line.index(after: colon)...].drop { $0 == " " }))
        if name == "vector" { vectors.append([:]) }
        vectors[vectors.count - 1][name, default: ""] += value
    }
    return vectors
}

private func bytes(_ hex: String?) -> [UInt8] {
    (hex ?? "").split(separator: " ").compactMap { UInt8($0, radix: 16) }
}

@Suite("A login's proofs")
struct LoginProofTests {
    @Test("are those of the protocol's vectors")
    func proofs() throws {
        let vectors = try vectors()
        #expect(vectors.count >= 3)
        for vector in vectors {
            let proof = LoginProof(
                user: vector["user"] ?? "", secret: vector["secret"] ?? "", clientNonce: bytes(vector["client_nonce"]),
                serverNonce: bytes(vector["server_nonce"]), binding: bytes(vector["binding"]))
            #expect(proof.ofClient == bytes(vector["client_proof"]), "\(vector["vector"] ?? "")")
            #expect(proof.ofServer == bytes(vector["server_proof"]), "\(vector["vector"] ?? "")")
        }
    }
}
