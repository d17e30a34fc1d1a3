import FuzzChecks
import Glibc
import Testing

/// Replays the corpora of the HTTP fuzzers, so that what a fuzzer once found stays found without it.
@Suite("HTTP corpora")
struct HTTPCorpusTests {
    @Test("of heads hold")
    func heads() throws {
        let files = try Self.files("http-head")
        #expect(files.count >= 30)
        for file in files { checkHTTPHead(file) }
    }

    @Test("of bodies hold")
    func bodies() throws {
        let files = try Self.files("http-body")
        #expect(files.count >= 20)
        for file in files { checkHTTPBody(file) }
    }

    /// The contents of all files of a corpus.
    private static func files(_ corpus: String) throws -> [[UInt8]] {
        let tests = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(2).joined(separator: "/")
        let path = "\(tests)/Fuzz/Corpus/\(corpus)"
        let directory = try #require(opendir(path), "there is no \(path)")
        defer { closedir(directory) }
        var contents: [[UInt8]] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            guard !name.hasPrefix(".") else { continue }
            let file = try #require(fopen("\(path)/\(name)", "rb"), "cannot read \(name)")
            defer { fclose(file) }
            var bytes: [UInt8] = []
            var block = [UInt8](repeating: 0, count: 65_536)
            while true {
                let count = fread(&block, 1, block.count, file)
                guard count > 0 else { break }
                bytes += block[..<count]
            }
            contents.append(bytes)
        }
        return contents
    }
}
