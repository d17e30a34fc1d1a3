import Testing

@testable import WMPEngine

/// The first scalar found under `key` at the top of `text`.
private func scalar(_ key: String, in text: String) throws -> String {
    guard case .mapping(let entries) = try Document.read(Array(text.utf8)).content,
        case .scalar(let value, _)? = entries.first(where: { $0.key == key })?.value.content
    else { throw ConfigError("no scalar \(key)", at: .start) }
    return value
}

private func problem(_ text: String) -> ConfigError? { problem(Array(text.utf8)) }

private func problem(_ bytes: [UInt8]) -> ConfigError? {
    do {
        _ = try Document.read(bytes)
        return nil
    } catch {
        return error
    }
}

@Suite struct ConfigDocumentTests {
    @Test func everyNodeKnowsItsPlace() throws {
        let root = try Document.read(Array("a: 1\nlist:\n  - é: [x, \"y\"]\n".utf8))
        guard case .mapping(let top) = root.content, case .sequence(let items) = top[1].value.content,
            case .mapping(let inner) = items[0].content, case .sequence(let words) = inner[0].value.content
        else { throw ConfigError("another shape", at: .start) }
        #expect(root.position == Position(line: 1, column: 1))
        #expect(top[1].position == Position(line: 2, column: 1))
        #expect(items[0].position == Position(line: 3, column: 5))
        #expect(inner[0].key == "é")
        #expect(words.map(\.position) == [Position(line: 3, column: 9), Position(line: 3, column: 12)])
        #expect(words.map(\.content) == [.scalar("x", isPlain: true), .scalar("y", isPlain: false)])
    }

    @Test(arguments: ["", "\n\n", "# nothing\n", "---\n", "~", "null", "{}", "\u{FEFF}", "\u{FEFF}{}", "\"\""])
    func anEmptyTextIsAnEmptyMapping(text: String) throws {
        #expect(try Document.read(Array(text.utf8)).content == .mapping([]))
    }

    @Test(arguments: [
        (#"{"a": "\ud83d\ude00"}"#, "😀"),
        (#"{"a": "\uD83D\uDE00\ud83d\udE01x"}"#, "😀😁x"),
        (#"{"a": "\u00e9\u0416\ufffd"}"#, "éЖ\u{FFFD}"),
        (#"{"a": "\/path\/to"}"#, "/path/to"),
        (#"{"a": "\"\\\b\f\n\r\t"}"#, "\"\\\u{8}\u{C}\n\r\t"),
        (#"{"a": "\\ud83d\\ude00"}"#, #"\ud83d\ude00"#),
        (#"{"a": "é 😀"}"#, "é 😀"),
        ("{\"a\": \"\u{7F}\u{85}\u{2028}\u{2029}\u{FEFF}|\"}", "\u{7F}\u{85}\u{2028}\u{2029}\u{FEFF}|"),
        ("\u{FEFF}\n {\"a\":\"x\"}", "x"),
        ("{\n\t\"a\":\t\"x\"\n}", "x"),
        (#"{"a":"it's # no comment"}"#, "it's # no comment"),
        (#"{"a": ""}"#, ""),
    ])
    func jsonMeansWhatItMeansElsewhere(text: String, value: String) throws {
        #expect(try scalar("a", in: text) == value)
    }

    @Test(arguments: [
        (#"a: \ud83d\ude00"#, #"\ud83d\ude00"#),
        (#"a: '\ud83d\ude00'"#, #"\ud83d\ude00"#),
        (#"{a: '"\ud83d\ude00"'}"#, #""\ud83d\ude00""#),
        (#"a: "\U0001F600""#, "😀"),
        ("a: |\n  two\n  lines\n", "two\nlines\n"),
    ])
    func yamlMeansWhatYamlSays(text: String, value: String) throws {
        #expect(try scalar("a", in: text) == value)
    }

    @Test(arguments: [
        (#"{"a": "\ud83d"}"#, 8), (#"{"a": "\ud83d\ud83d"}"#, 8), (#"{"a": "x\ude00"}"#, 9),
        (#"{"a": "\ud83d\u00"}"#, 8),
        (#"{"a": "\ud83d\n"}"#, 8), (#"{"a": "\ud83d\ude00\udc00"}"#, 20), (#"{"\ud83d\ude00": "\udfff"}"#, 19),
    ])
    func halfOfASurrogatePairIsAnError(text: String, column: Int) {
        let error = problem(text)
        #expect(error?.position == Position(line: 1, column: column))
        #expect(error?.reason.contains("half of a surrogate pair") == true)
    }

    @Test func surrogatesInYamlAreAnError() {
        #expect(problem(#"a: "\ud83d\ude00""#) != nil)
    }

    @Test func positionsAreThoseOfTheTextAsWritten() throws {
        let text =
            "{\"é\": \"\\ud83d\\ude00\\ud83d\\ude00\", \"b\": [\"\u{7F}\", 1],\n \"c\": \"\\ud83d\\ude00\", \"d\": 2}"
        guard case .mapping(let entries) = try Document.read(Array(text.utf8)).content,
            case .sequence(let items) = entries[1].value.content
        else { throw ConfigError("another shape", at: .start) }
        #expect(entries.map(\.key) == ["é", "b", "c", "d"])
        #expect(entries.map(\.position.line) == [1, 1, 2, 2])
        #expect(entries.map(\.position.column) == [2, 35, 2, 23])
        #expect(entries.map(\.value.position.column) == [7, 40, 7, 28])
        #expect(items.map(\.position.column) == [41, 46])
    }

    @Test(arguments: [
        ("a: 1\nb: 2\na: 3\n", 3, 1, "key 'a' appears twice, first on line 1"),
        ("{\"a\": 1, \"a\": 2}", 1, 10, "appears twice"),
        ("a: &x 1\n", 1, 4, "an anchor"),
        ("a: *x\n", 1, 4, "an alias"),
        ("a: !!str 1\n", 1, 4, "a tag"),
        ("a: !secret x\n", 1, 4, "a tag"),
        ("a: &x [1]\n", 1, 4, "an anchor"),
        ("a: !!set {}\n", 1, 4, "a tag"),
        ("a: 1\n---\nb: 2\n", 2, 1, "second document"),
        ("[a]: 1\n", 1, 1, "a key must be a single word"),
        ("{{a: 1}: 1}\n", 1, 2, "a key must be a single word"),
        ("- a\n", 1, 1, "found a list"),
        ("word\n", 1, 1, "found a single value"),
        ("a: b: c\n", 1, 5, "mapping values are not allowed"),
        ("a: [1\nb: 2\n", 2, 2, "while parsing a flow sequence"),
        ("a: [1", 1, 6, "while parsing a flow sequence"),
        ("a: \"x", 1, 6, "unexpected end of stream"),
        ("a: \"\\q\"\n", 1, 5, "unknown escape character"),
        ("a:\n\t- 1\n", 2, 1, "cannot start any token"),
        ("a: \"x\\0y\"\n", 1, 4, "NUL"),
        ("a: 1\nb: \u{1}\n", 2, 4, "control character (U+1)"),
        ("a: \u{7F}\n", 1, 4, "control character (U+7F)"),
        ("a: x\u{FEFF}\n", 1, 5, "control character (U+FEFF)"),
        ("{\"a\": \"\u{1}\"}", 1, 8, "control character (U+1)"),
        ("a: 1\r\nb: 1\r\na: 2\r\n", 3, 1, "appears twice"),
        ("\u{FEFF}a: 1\na: 2", 2, 1, "appears twice"),
    ])
    func whatIsNotAConfigurationIsRefusedWhereItStands(text: String, line: Int, column: Int, reason: String) {
        let error = problem(text)
        #expect(error?.position == Position(line: line, column: column), "\(String(describing: error))")
        #expect(error?.reason.contains(reason) == true, "\(String(describing: error))")
    }

    @Test(arguments: [
        (Array("a: ".utf8) + [0xFF], 1, 4), (Array("a: 1\nb: é".utf8) + [0xC3], 2, 5),
        (Array("a: ".utf8) + [0xED, 0xA0, 0x80], 1, 4), (Array("a: ".utf8) + [0xC0, 0x80], 1, 4),
        ([0xFF, 0xFE, 0x61, 0x00], 1, 1), (Array("a: x".utf8) + [0x00], 1, 5),
    ])
    func badBytesAreRefusedWhereTheyStand(bytes: [UInt8], line: Int, column: Int) {
        #expect(problem(bytes)?.position == Position(line: line, column: column))
    }

    @Test func sizeDepthAndNodesAreBounded() throws {
        #expect(problem(Array(repeating: UInt8(ascii: "#"), count: SourceText.maximumSize)) == nil)
        #expect(
            problem(Array(repeating: UInt8(ascii: "#"), count: SourceText.maximumSize + 1))?.reason.contains("1 MiB")
                == true)

        let deepest = Document.maximumDepth - 1
        func nested(_ depth: Int) -> String {
            "a: " + String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        #expect(problem(nested(deepest)) == nil)
        #expect(problem(nested(deepest + 1))?.reason.contains("32 levels") == true)
        #expect(problem(String(repeating: "[", count: SourceText.maximumSize)) != nil)
        #expect(problem(String(repeating: "{a: ", count: 250_000)) != nil)
        #expect(problem(String(repeating: "- ", count: 500_000)) != nil)

        // The mapping, its key and the list are three of the nodes.
        func wide(_ items: Int) -> String { "a: [" + String(repeating: "1,", count: items) + "]" }
        #expect(problem(wide(Document.maximumNodes - 3)) == nil)
        #expect(problem(wide(Document.maximumNodes - 2))?.reason.contains("100000 values") == true)
    }

    @Test func anAliasBombDoesNotGoOff() {
        var text = "a: &a [x, x, x, x, x, x, x, x, x]\n"
        for (name, before) in zip("bcdefghi", "abcdefgh") {
            text += "\(name): &\(name) [" + Array(repeating: "*\(before)", count: 9).joined(separator: ", ") + "]\n"
        }
        #expect(problem(text)?.position == Position(line: 1, column: 4))
    }
}
