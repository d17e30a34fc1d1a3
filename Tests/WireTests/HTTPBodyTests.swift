import Testing

@testable import WMPWire

@Suite("Body")
struct HTTPBodyTests {
    enum Result: Equatable {
        case ended(String, rest: String)
        case unfinished(String)
        case refused(HTTPViolation)
    }

    /// Reads `text` to the end of the body or of the text.
    static func read(_ text: String, _ framing: BodyFraming, of kind: MessageKind = .request) -> Result {
        let bytes = Array(text.utf8)
        var reader = BodyReader(framing, of: kind)
        var payload: [UInt8] = []
        var offset = 0
        do {
            while true {
                switch try reader.next(bytes.span, from: offset) {
                case .payload(let range):
                    payload += bytes[range]
                    offset = range.upperBound
                case .needMore:
                    return .unfinished(String(decoding: payload, as: UTF8.self))
                case .end(let through):
                    return .ended(
                        String(decoding: payload, as: UTF8.self),
                        rest: String(decoding: bytes[through...], as: UTF8.self))
                }
            }
        } catch {
            return .refused(error)
        }
    }

    @Test("with a length ends there, and what follows is the next message's")
    func length() {
        #expect(Self.read("helloGET", .length(5)) == .ended("hello", rest: "GET"))
        #expect(Self.read("hell", .length(5)) == .unfinished("hell"))
        #expect(Self.read("GET", .length(0)) == .ended("", rest: "GET"))
        #expect(Self.read("GET", .none) == .ended("", rest: "GET"))
        #expect(Self.read("all", .untilClose) == .unfinished("all"))
    }

    @Test("is complete with its last octet, not a call later")
    func complete() throws {
        var reader = BodyReader(.length(2))
        #expect(!reader.isComplete && reader.remaining == 2)
        _ = try reader.next(Array("a".utf8).span, from: 0)
        #expect(!reader.isComplete && reader.remaining == 1)
        _ = try reader.next(Array("b".utf8).span, from: 0)
        #expect(reader.isComplete && reader.remaining == 0)
        #expect(BodyReader(.none).isComplete && BodyReader(.length(0)).isComplete)
    }

    @Test("can be cut short only where the close is its end")
    func closing() throws {
        var untilClose = BodyReader(.untilClose, of: .response)
        try untilClose.close()
        #expect(untilClose.isComplete)
        for framing in [BodyFraming.length(1), .chunked] {
            var reader = BodyReader(framing, of: .response)
            #expect(throws: HTTPViolation.bodyCutShort.inResponse) { try reader.close() }
        }
        var none = BodyReader(.none)
        try none.close()
    }

    @Test(
        "in chunks is put together again",
        arguments: [
            ("5\r\nhello\r\n0\r\n\r\nGET", "hello", "GET"),
            ("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world", ""),
            ("0\r\n\r\n", "", ""),
            ("000\r\n\r\n", "", ""),
            ("0000000000000005\r\nhello\r\n0\r\n\r\n", "hello", ""),
            ("a\r\n0123456789\r\n0\r\n\r\n", "0123456789", ""),
            ("A\r\n0123456789\r\n0\r\n\r\n", "0123456789", ""),
            ("5;name=value\r\nhello\r\n0;last=\"a b\"\r\n\r\n", "hello", ""),
            ("5 \t ; name = value\r\nhello\r\n0\r\n\r\n", "hello", ""),
            ("5\r\n\r\n\r\n\n\r\n0\r\n\r\n", "\r\n\r\n\n", ""),
            ("0\r\nX-Sum: 1\r\nExpires: \t never\r\n\r\nGET", "", "GET"),
            ("0\r\nEmpty:\r\n\r\n", "", ""),
        ])
    func chunked(text: String, payload: String, rest: String) {
        #expect(Self.read(text, .chunked) == .ended(payload, rest: rest))
    }

    @Test("in chunks is refused when malformed, with 400 from a visitor and 502 from a service")
    func malformed() {
        let cases: [(String, HTTPViolation)] = [
            ("\r\n", .malformedChunkSize), ("x\r\n", .malformedChunkSize), ("-5\r\n", .malformedChunkSize),
            ("+5\r\n", .malformedChunkSize), ("0x5\r\n", .malformedChunkSize), (" 5\r\n", .malformedChunkSize),
            (";a\r\n", .malformedChunkSize), ("5\nhello", .malformedChunkSize), ("5\r5", .malformedChunkSize),
            ("5_0\r\n", .malformedChunkSize), ("5\u{0}\r\n", .malformedChunkSize),
            ("00000000000000000\r\n", .malformedChunkSize), ("10000000000000000\r\n", .malformedChunkSize),
            ("8000000000000000\r\n", .chunkTooLarge), ("ffffffffffffffff\r\n", .chunkTooLarge),
            ("5 \r\nhello", .malformedChunkExtension), ("5 6\r\nhello", .malformedChunkExtension),
            ("5;a\nhello", .malformedChunkExtension), ("5;a\u{0}\r\n", .malformedChunkExtension),
            ("5;a\r ", .malformedChunkSize),
            ("5;" + String(repeating: "a", count: 4096), .chunkExtensionsTooLarge),
            (String(repeating: "1;abc\r\nx\r\n", count: 1024) + "1;", .chunkExtensionsTooLarge),
            ("5\r\nhello0\r\n\r\n", .malformedChunkEnd), ("5\r\nhello\n0\r\n", .malformedChunkEnd),
            ("5\r\nhello\r0\r\n", .malformedChunkEnd),
            ("5\r\nhello \r\n", .malformedChunkEnd), ("5\r\nhello!\r\n", .malformedChunkEnd),
            ("0\r\n\n", .malformedTrailer), ("0\r\n\r\r\n", .malformedTrailer), ("0\r\n A: b\r\n", .malformedTrailer),
            ("0\r\nA: b\r\n c\r\n", .malformedTrailer), ("0\r\nA : b\r\n", .malformedTrailer),
            ("0\r\n: b\r\n", .malformedTrailer),
            ("0\r\nA\r\n", .malformedTrailer), ("0\r\nA: b\n", .malformedTrailer), ("0\r\nA: b\rc", .malformedTrailer),
            ("0\r\nA: b\u{0}\r\n", .malformedTrailer), ("0\r\nGET / HTTP/1.1\r\n", .malformedTrailer),
            ("0\r\nA: " + String(repeating: "b", count: 8192), .trailersTooLarge),
            ("0\r\n" + String(repeating: "A: b\r\n", count: 1400), .trailersTooLarge),
        ]
        for (text, violation) in cases {
            #expect(Self.read(text, .chunked) == .refused(violation), "\(text.prefix(80).debugDescription)")
            #expect(
                Self.read(text, .chunked, of: .response) == .refused(violation.inResponse),
                "\(text.prefix(80).debugDescription)")
            #expect(violation.status == 400)
        }
    }

    @Test("in chunks may have extensions of 4 KiB and trailers of 8 KiB, no more")
    func limits() {
        let extensions = ";" + String(repeating: "a", count: 4095)
        #expect(Self.read("1\(extensions)\r\nx\r\n0\r\n\r\n", .chunked) == .ended("x", rest: ""))
        let trailers = "A: " + String(repeating: "b", count: 8192 - 7) + "\r\n\r\n"
        #expect(Self.read("0\r\n\(trailers)", .chunked) == .ended("", rest: ""))
    }

    @Test("may have a chunk of 2⁶³−1 octets")
    func largest() {
        #expect(Self.read("7fffffffffffffff\r\nhello", .chunked) == .unfinished("hello"))
    }

    @Test("is chunked with sizes in plain hexadecimal, and never by an empty chunk")
    func writing() {
        for (size, header) in [(1, "1"), (9, "9"), (10, "a"), (15, "f"), (16, "10"), (255, "ff"), (65_536, "10000")] {
            let payload = [UInt8](repeating: 0x78, count: size)
            let text = written { ChunkWriter.writeChunk(payload.span, into: &$0) }
            #expect(text == "\(header)\r\n\(String(repeating: "x", count: size))\r\n")
        }
        #expect(written { ChunkWriter.writeHeader(.max, into: &$0) } == "7fffffffffffffff\r\n")
        #expect(written { ChunkWriter.writeChunk([UInt8]().span, into: &$0) } == "")
        #expect(written { ChunkWriter.writeHeader(0, into: &$0) } == "")
        #expect(written { ChunkWriter.writeEnd(into: &$0) } == "0\r\n\r\n")
    }
}
