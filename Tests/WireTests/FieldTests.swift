import Testing

@testable import WMPWire

@Suite("Fields")
struct FieldTests {
    private func reader(_ payload: [UInt8]) throws -> FieldReader { try FieldReader(payload.span) }

    @Test("are key, length and value")
    func layout() {
        var fields = FieldWriter()
        fields.add(1, "ab")
        fields.add(2, UInt8(7))
        fields.add(3, UInt16(0x0102))
        fields.add(4, UInt32(0x0102_0304))
        fields.add(5, UInt64(0x0102_0304_0506_0708))
        fields.add(6, [9, 9])
        fields.add(7, [UInt8]())
        fields.add(8, "")
        let expected: [[UInt8]] = [
            [1, 0, 2, 0x61, 0x62], [2, 0, 1, 7], [3, 0, 2, 1, 2], [4, 0, 4, 1, 2, 3, 4],
            [5, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8], [6, 0, 2, 9, 9], [7, 0, 0],
        ]
        #expect(fields.payload == expected.flatMap { $0 }, "an empty text is left out")
    }

    @Test("read back in any order, and unknown ones are nobody's business")
    func reading() throws {
        let fields = try reader([9, 0, 1, 0xFF] + [2, 0, 2, 1, 0] + [1, 0, 2, 0x68, 0x69] + [0, 0, 0])
        #expect(try fields.text(1, max: 2) == "hi")
        #expect(try fields.number(2) == 256)
        #expect(try fields.bytes(9, max: 1) == [0xFF])
        #expect(try fields.bytes(0, max: 0) == [])
    }

    @Test("of all keys at once are read, and one more stands twice")
    func everyKey() throws {
        let payload = (UInt8.min...UInt8.max).flatMap { [$0, 0, 1, ~$0] as [UInt8] }
        let fields = try reader(payload)
        for key in UInt8.min...UInt8.max { #expect(try fields.bytes(key, max: 1) == [~key]) }
        for key in UInt8.min...UInt8.max {
            #expect(throws: ProtocolViolation("field \(key) stands twice")) { try reader(payload + [key, 0, 0]) }
        }
    }

    @Test("that are absent are empty, or what the reader says")
    func absent() throws {
        let fields = try reader([])
        #expect(try fields.text(1, max: 0) == "")
        #expect(try fields.bytes(1, max: 0) == [])
        #expect(try fields.number(1) == 0)
        #expect(try fields.number(1, absent: 7) == 7)
        #expect(try fields.number(1, as: UInt8.self, absent: 255) == 255)
    }

    @Test(
        "that are cut short, too long or there twice are violations",
        arguments: [
            [1], [1, 0], [1, 0, 1], [1, 0, 2, 0], [1, 1, 0, 0], [1, 0xFF, 0xFF], [1, 0, 0, 1, 0, 0],
            [200, 0, 0, 200, 0, 0], [63, 0, 0, 64, 0, 0, 63, 0, 0], [255, 0, 1, 7, 0, 0, 0, 255, 0, 1, 7],
        ] as [[UInt8]])
    func malformed(payload: [UInt8]) {
        #expect(throws: ProtocolViolation.self) { try reader(payload) }
    }

    @Test("of every split of a good payload but the whole are violations, or fewer fields")
    func truncated() throws {
        let payload = Open(mapping: 1, visitor: "203.0.113.7:49152").payload
        var boundaries = 0
        for end in 0..<payload.count {
            guard let fields = try? reader(Array(payload[..<end])) else { continue }
            boundaries += 1
            #expect(try fields.text(2, max: 128) == "")
        }
        #expect(boundaries == 2)
    }

    @Test("as numbers take one to eight bytes that fit")
    func numbers() throws {
        func number<T: FixedWidthInteger>(_ bytes: [UInt8], as type: T.Type) -> T? {
            try? reader([1, 0, UInt8(bytes.count)] + bytes).number(1, as: type)
        }
        #expect(number([], as: UInt64.self) == nil)
        #expect(number([UInt8](repeating: 0, count: 9), as: UInt64.self) == nil)
        #expect(number([UInt8](repeating: 0xFF, count: 8), as: UInt64.self) == .max)
        #expect(number([0, 0, 0, 0, 0, 0, 1, 2], as: UInt16.self) == 0x0102)
        #expect(number([1, 0], as: UInt8.self) == nil)
        #expect(number([0xFF, 0xFF], as: UInt16.self) == .max)
        #expect(number([1, 0, 0], as: UInt16.self) == nil)
        #expect(number([1, 0, 0, 0, 0], as: UInt32.self) == nil)
    }

    @Test("as texts are UTF-8 without control characters")
    func texts() throws {
        func text(_ bytes: [UInt8], max: Int = 100) -> String? {
            try? reader([1, 0, UInt8(bytes.count)] + bytes).text(1, max: max)
        }
        for good in ["", "a", " ", "~", "ü", "\u{A0}", "€", "😀", "\u{FFFD}", "\u{10FFFF}"] {
            #expect(text(Array(good.utf8)).map { Array($0.utf8) } == Array(good.utf8))
        }
        for control in Array(0...0x1F) + Array(0x7F...0x9F) as [UInt32] {
            let scalar = Unicode.Scalar(control).map { "a\($0)b" } ?? ""
            #expect(text(Array(scalar.utf8)) == nil, "U+\(String(control, radix: 16))")
        }
        let bad: [[UInt8]] = [
            [0x80], [0xC3], [0xC3, 0x28], [0xC0, 0xAF], [0xE0, 0x80, 0xAF], [0xED, 0xA0, 0x80],
            [0xF4, 0x90, 0x80, 0x80],
            [0xF8, 0x88, 0x80, 0x80, 0x80], [0xFE], [0xFF],
        ]
        for bytes in bad { #expect(text(bytes) == nil, "\(bytes)") }
        #expect(text(Array("äää".utf8), max: 6) == "äää")
        #expect(text(Array("äää".utf8), max: 5) == nil, "bytes count, not characters")
    }

    @Test("of bytes have their limit")
    func bytes() throws {
        let fields = try reader([1, 0, 3, 0, 1, 2])
        #expect(try fields.bytes(1, max: 3) == [0, 1, 2])
        #expect(throws: ProtocolViolation.self) { try fields.bytes(1, max: 2) }
    }

    @Test("never trap, and say the same of the same bytes, whatever these are")
    func anyBytes() {
        var random = SeededRandom()
        for _ in 0..<3000 {
            let payload = (0..<Int.random(in: 0...40, using: &random)).map { _ in
                UInt8.random(in: 0...(Bool.random(using: &random) ? 4 : 255), using: &random)
            }
            guard let fields = try? reader(payload) else { continue }
            for key in UInt8(0)...5 {
                _ = try? fields.text(key, max: 10)
                _ = try? fields.number(key, as: UInt16.self)
            }
        }
    }
}
