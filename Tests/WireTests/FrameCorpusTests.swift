import FuzzChecks
import Glibc
import Testing

/// Replays the corpora of the tunnel's fuzzers, so that what a fuzzer once found stays found without it.
@Suite("Frame corpora")
struct FrameCorpusTests {
    @Test("of one end of a lane hold")
    func frames() throws {
        let files = try TestFiles.contents(of: "Fuzz/Corpus/frames")
        #expect(files.count >= 100)
        for file in files { checkFrames(file) }
    }

    @Test("of two ends of a lane hold")
    func muxPair() throws {
        let files = try TestFiles.contents(of: "Fuzz/Corpus/mux-pair")
        #expect(files.count >= 12)
        for file in files { checkMuxPair(file) }
    }

    @Test("are joined by schedules made up here")
    func randomSchedules() {
        var random = SeededRandom()
        print("mux pair: seed \(random.seed)")
        for _ in 0..<300 {
            checkMuxPair(
                (0..<Int.random(in: 2...300, using: &random)).map { _ in .random(in: 0...255, using: &random) })
        }
    }
}

/// Files beside the tests.
enum TestFiles {
    private static let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(2)
        .joined(separator: "/")

    /// The contents of all files of a directory, by its path under `Tests`.
    static func contents(of directory: String) throws -> [[UInt8]] {
        let listing = try #require(opendir("\(root)/\(directory)"), "there is no \(directory)")
        defer { closedir(listing) }
        var contents: [[UInt8]] = []
        while let entry = readdir(listing) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if !name.hasPrefix(".") { contents.append(try read("\(directory)/\(name)")) }
        }
        return contents
    }

    static func read(_ path: String) throws -> [UInt8] {
        let file = try #require(fopen("\(root)/\(path)", "rb"), "cannot read \(path)")
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = fread(&block, 1, block.count, file)
            guard count > 0 else { return bytes }
            bytes += block[..<count]
        }
    }
}
