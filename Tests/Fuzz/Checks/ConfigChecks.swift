// What must hold of the configuration reader for every text there is. The fuzzer calls this, and so does the test that
// replays the corpus. A check that fails stops the process: that is what a fuzzer looks for.
#if canImport(WMPEngine)
import WMPEngine
#endif

/// Checks that `bytes` are read or refused in good order, and that they mean the same written as JSON, flat and nested.
package func checkConfig(_ bytes: [UInt8]) {
    checkEveryReader(Text(bytes))
    let root: Node
    do {
        root = try Document.read(bytes)
    } catch {
        return checkMessage("\(error)", error.position, Text(bytes))
    }
    guard root.isWritable else { return }
    let json = Array(root.json.utf8)
    guard json.count < 1 << 20 else { return }
    do {
        let again = try Document.read(json)
        check(again.means(root), "JSON means something else", bytes)
    } catch {
        check(false, "JSON is refused: \(error)", bytes)
    }
    let nested = Array("{\"proxy\": ".utf8) + json + Array("}".utf8)
    checkSame(bytes, json, nested) { try ServerOptions.parse(bytes: $0).options }
    checkSame(bytes, json, nested) { try ClientOptions.parse(bytes: $0).options }
    checkSame(bytes, json, nested) { try EngineOptions.parse(bytes: $0).options }
}

/// Every reader takes the text or refuses it with one printable line that points into the text.
private func checkEveryReader(_ text: Text) {
    let bytes = text.bytes
    checkReader(text) { try ServerOptions.parse(bytes: bytes).warnings }
    checkReader(text) { try ClientOptions.parse(bytes: bytes).warnings }
    checkReader(text) { try EngineOptions.parse(bytes: bytes).warnings }
    checkReader(text) { try MappingOptions.parse(bytes: bytes).warnings }
    checkReader(text) { try MappingOptions.parse(bytes: bytes, visitors: .listener).warnings }
    checkReader(text) { try CheckReport.check(bytes: bytes).warnings }
}

private func checkReader(_ text: Text, _ read: () throws -> [ConfigWarning]) {
    do {
        for warning in try read() { checkMessage("\(warning)", warning.position, text) }
    } catch let error as ConfigError {
        checkMessage("\(error)", error.position, text)
    } catch {
        check(false, "another error: \(error)", text.bytes)
    }
}

private func checkMessage(_ message: String, _ position: Position, _ text: Text) {
    check(
        message.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0 != "\u{7F}" }, "a message breaks the line",
        text.bytes)
    check(message.utf8.count <= 2000, "a message without end", text.bytes)
    check((1...text.lines).contains(position.line), "line \(position.line) of \(text.lines)", text.bytes)
    check((1...text.bytes.count + 1).contains(position.column), "column \(position.column)", text.bytes)
}

/// An input, and how many lines it has: NEL, LS and PS end one as well.
private struct Text {
    let bytes: [UInt8]
    let lines: Int

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        let scalars = String(decoding: bytes, as: UTF8.self).unicodeScalars
        lines = 1 + scalars.count { ["\n", "\r", "\u{85}", "\u{2028}", "\u{2029}"].contains($0) }
    }
}

/// The three texts give equal options, or none does.
private func checkSame<Options: Equatable>(
    _ bytes: [UInt8], _ json: [UInt8], _ nested: [UInt8], _ read: ([UInt8]) throws -> Options
) {
    let original = try? read(bytes)
    check((try? read(json)) == original, "JSON gives other options", bytes)
    guard let original else { return }
    // What stands under `proxy` already cannot be put there once more.
    if case .mapping(let entries)? = (try? Document.read(bytes))?.content, entries.first?.key == "proxy" { return }
    check((try? read(nested)) == original, "a nested text gives other options", bytes)
}

extension Node {
    /// Whether YAML takes the JSON form: its keys end within 1024 characters.
    fileprivate var isWritable: Bool {
        switch content {
        case .scalar: true
        case .sequence(let items): items.allSatisfy(\.isWritable)
        case .mapping(let entries): entries.allSatisfy { $0.key.utf8.count < 160 && $0.value.isWritable }
        }
    }

    /// The tree as Python's json.dumps would write it.
    fileprivate var json: String {
        switch content {
        case .scalar(_, isPlain: true) where isEmpty: "null"
        case .scalar(let text, _): quoted(text)
        case .sequence(let items): "[" + items.map(\.json).joined(separator: ", ") + "]"
        case .mapping(let entries):
            "{" + entries.map { quoted($0.key) + ": " + $0.value.json }.joined(separator: ", ") + "}"
        }
    }

    /// Equal but for positions and quotes.
    fileprivate func means(_ other: Node) -> Bool {
        switch (content, other.content) {
        case (.scalar(let one, _), .scalar(let two, _)):
            isEmpty ? other.isEmpty : one.unicodeScalars.elementsEqual(two.unicodeScalars)
        case (.sequence(let one), .sequence(let two)):
            one.count == two.count && zip(one, two).allSatisfy { $0.means($1) }
        case (.mapping(let one), .mapping(let two)):
            one.count == two.count && zip(one, two).allSatisfy { $0.key == $1.key && $0.value.means($1.value) }
        default: false
        }
    }
}

/// `text` as a JSON string in ASCII.
private func quoted(_ text: String) -> String {
    var result = "\""
    for unit in text.utf16 {
        switch unit {
        case 0x22: result += "\\\""
        case 0x5C: result += "\\\\"
        case 0x2F: result += "\\/"
        case 0x20...0x7F: result += String(UnicodeScalar(UInt8(unit)))
        default:
            let digits = String(unit, radix: 16)
            result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        }
    }
    return result + "\""
}

private func check(_ condition: Bool, _ message: @autoclosure () -> String, _ bytes: [UInt8]) {
    precondition(condition, "\(message()): \(String(decoding: bytes.prefix(400), as: UTF8.self).debugDescription)")
}
