/// A configuration text made ready for the YAML reader, which is stricter than JSON in one corner.
///
/// YAML's `\u` names a code point, JSON's a UTF-16 unit: `"\uD83D\uDE00"` is one character in JSON and an error in
/// YAML. JSON also lets a string hold characters that YAML wants escaped (DEL, C1 controls, U+2028 …). In a text that
/// is JSON all of these are rewritten as YAML escapes, and the shifts remembered so that positions still tell of the
/// text as it was written.
struct SourceText {
    /// Longest accepted text, in bytes.
    static let maximumSize = 1 << 20

    /// UTF-8 without byte order mark, every character of which YAML accepts.
    let bytes: [UInt8]
    /// Behind the last character.
    private let end: Position
    private let shifts: [Shift]

    /// From a place in `bytes` on, to the end of its line, columns of the author's text are `total` larger.
    fileprivate struct Shift {
        var line: Int
        var column: Int
        var total: Int
    }

    /// Checks size, encoding and characters of `bytes`.
    init(_ bytes: [UInt8]) throws(ConfigError) {
        guard bytes.count <= Self.maximumSize else {
            throw ConfigError("the text is longer than 1 MiB", at: .start)
        }
        let scalars = try Self.decode(bytes)
        var rewriter = Rewriter(scalars, isJSON: Self.isJSON(scalars))
        try rewriter.run()
        self.bytes = rewriter.output
        shifts = rewriter.shifts
        end = rewriter.original.position
    }

    /// Where the author finds what stands at `line` and `column`, both from 0, in `bytes`.
    func position(line: Int, column: Int) -> Position {
        var low = 0
        var high = shifts.count
        while low < high {
            let middle = (low + high) / 2
            if (shifts[middle].line, shifts[middle].column) < (line, column) { low = middle + 1 } else { high = middle }
        }
        let shift = low > 0 && shifts[low - 1].line == line ? shifts[low - 1].total : 0
        // The YAML reader sees one more line end at the end of a text that has none.
        return min(Position(line: line + 1, column: column + shift + 1), end)
    }

    /// The characters of `bytes`, without the byte order mark that some editors put in front.
    private static func decode(_ bytes: [UInt8]) throws(ConfigError) -> [Unicode.Scalar] {
        var scalars: [Unicode.Scalar] = []
        scalars.reserveCapacity(bytes.count)
        var decoder = Unicode.UTF8()
        var input = bytes.makeIterator()
        while true {
            switch decoder.decode(&input) {
            case .scalarValue(let scalar):
                scalars.append(scalar)
            case .emptyInput:
                if scalars.first == "\u{FEFF}" { scalars.removeFirst() }
                return scalars
            case .error:
                var cursor = Cursor()
                for index in scalars.indices { cursor.pass(scalars[index], before: scalars.element(at: index + 1)) }
                throw ConfigError("the text is not valid UTF-8", at: cursor.position)
            }
        }
    }

    /// JSON begins with a brace or bracket and has no `'` and no `#` outside of its strings. What only looks like it, a
    /// YAML flow text, is rewritten at most where it has double quotes, that is where YAML has the same escapes.
    private static func isJSON(_ scalars: [Unicode.Scalar]) -> Bool {
        guard let first = scalars.first(where: { !$0.isBlank }), first == "{" || first == "[" else { return false }
        var isInString = false
        var isEscaped = false
        for scalar in scalars {
            switch scalar {
            case _ where isEscaped: isEscaped = false
            case "\\" where isInString: isEscaped = true
            case "\"": isInString.toggle()
            case "'" where !isInString, "#" where !isInString: return false
            default: break
            }
        }
        return true
    }
}

/// Counts lines and columns as the YAML reader does, both from 0.
private struct Cursor {
    var line = 0
    var column = 0

    var position: Position { Position(line: line + 1, column: column + 1) }

    mutating func pass(_ scalar: Unicode.Scalar, before next: Unicode.Scalar?) {
        switch scalar {
        case "\n", "\u{85}", "\u{2028}", "\u{2029}": (line, column) = (line + 1, 0)
        case "\r" where next != "\n": (line, column) = (line + 1, 0)
        default: column += 1
        }
    }
}

/// Copies a text, writing what JSON allows in a string and YAML does not as YAML escapes.
private struct Rewriter {
    private(set) var output: [UInt8] = []
    private(set) var shifts: [SourceText.Shift] = []
    private let scalars: [Unicode.Scalar]
    private let isJSON: Bool
    private var index = 0
    private var isInString = false
    private(set) var original = Cursor()
    private var rewritten = Cursor()

    init(_ scalars: [Unicode.Scalar], isJSON: Bool) {
        self.scalars = scalars
        self.isJSON = isJSON
        output.reserveCapacity(scalars.count)
    }

    mutating func run() throws(ConfigError) {
        while let scalar = scalars.element(at: index) {
            if isInString, scalar == "\\" {
                try escape()
            } else if isInString, !scalar.isPlainInYAML {
                replace(1, by: scalar.value)
            } else if scalar.isAcceptedByYAML {
                if isJSON, scalar == "\"" { isInString.toggle() }
                keep()
            } else {
                let code = String(scalar.value, radix: 16, uppercase: true)
                throw ConfigError("a control character (U+\(code)) is not allowed here", at: original.position)
            }
        }
    }

    /// At a backslash inside a JSON string.
    private mutating func escape() throws(ConfigError) {
        guard let high = unit(at: index), 0xD800...0xDFFF ~= high else {
            keep()
            if index < scalars.count, scalars[index].isPlainInYAML { keep() }
            return
        }
        guard high < 0xDC00, let low = unit(at: index + 6), 0xDC00...0xDFFF ~= low else {
            throw ConfigError("'\\u\(String(high, radix: 16))' is half of a surrogate pair", at: original.position)
        }
        replace(12, by: 0x10000 + (high - 0xD800) << 10 + (low - 0xDC00))
    }

    /// The UTF-16 unit that an escape such as `\u00E9` at `index` stands for.
    private func unit(at index: Int) -> UInt32? {
        guard scalars.element(at: index) == "\\", scalars.element(at: index + 1) == "u" else { return nil }
        var value: UInt32 = 0
        for offset in 2..<6 {
            guard let digit = scalars.element(at: index + offset).flatMap({ Character($0).hexDigitValue }) else {
                return nil
            }
            value = value << 4 | UInt32(digit)
        }
        return value
    }

    private mutating func keep() {
        let scalar = scalars[index]
        index += 1
        original.pass(scalar, before: scalars.element(at: index))
        rewritten.pass(scalar, before: scalars.element(at: index))
        output.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
    }

    /// Writes `count` characters as the escape of one code point.
    private mutating func replace(_ count: Int, by code: UInt32) {
        let digits = String(code, radix: 16)
        output.append(contentsOf: "\\U".utf8)
        output.append(contentsOf: repeatElement(UInt8(ascii: "0"), count: max(0, 8 - digits.utf8.count)))
        output.append(contentsOf: digits.utf8)
        index += count
        original.column += count
        rewritten.column += 10
        // The shift holds for what comes behind the escape.
        shifts.append(
            .init(line: rewritten.line, column: rewritten.column - 1, total: original.column - rewritten.column))
    }
}

extension Unicode.Scalar {
    /// Space and line ends.
    fileprivate var isBlank: Bool { self == " " || self == "\t" || self == "\n" || self == "\r" }

    /// Whether the YAML reader lets it stand anywhere (YAML 1.1, section 4.1.1: `c-printable`).
    fileprivate var isAcceptedByYAML: Bool {
        switch value {
        case 0x09, 0x0A, 0x0D, 0x20...0x7E, 0x85, 0xA0...0xD7FF, 0xE000...0xFFFD, 0x10000...0x10FFFF: self != "\u{FEFF}"
        default: false
        }
    }

    /// Whether it means itself inside of double quotes: YAML folds its own line ends, which JSON does not know. What
    /// JSON forbids in a string, the characters below U+0020, is left to fail as it would in YAML.
    fileprivate var isPlainInYAML: Bool {
        value < 0x20 || isAcceptedByYAML && ![0x85, 0x2028, 0x2029].contains(value)
    }
}

extension [Unicode.Scalar] {
    /// The element, or nil behind the end.
    fileprivate func element(at index: Int) -> Unicode.Scalar? { index < count ? self[index] : nil }
}
