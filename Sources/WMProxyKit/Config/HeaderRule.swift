/// One change to the header fields of a request or of a response.
struct HeaderRule: Sendable, Equatable {
    /// Which message is changed.
    enum Message: Sendable, Equatable {
        /// What goes to the local service: the word `proxy` in front.
        case request
        /// What goes back to the visitor.
        case response
    }

    /// What is done with the field.
    enum Operation: String, Sendable, Equatable {
        case set = ""
        case add = "+"
        case remove = "-"
        case setIfAbsent = "?"
    }

    var message: Message
    var operation: Operation
    /// A field name (RFC 9110 §5.6.2: a token), as written.
    var name: String
    /// The field's value with its `{url}`-like variables still in it; empty for `remove`.
    var value: String

    /// Reads the words of a rule: `[proxy] [+ | - | ?] name [value]`. Nil if they are not a rule or would not make a
    /// valid header field.
    init?(words: [String]) {
        var words = words[...]
        message = words.first == "proxy" ? .request : .response
        if message == .request { words = words.dropFirst() }
        if let first = words.first, !first.isEmpty, let operation = Operation(rawValue: first) {
            self.operation = operation
            words = words.dropFirst()
        } else {
            operation = .set
        }
        guard words.count == (operation == .remove ? 1 : 2), let name = words.first, name.isHeaderToken else {
            return nil
        }
        let value = words.dropFirst().first ?? ""
        guard value.utf8.allSatisfy({ $0 == 9 || $0 >= 0x20 && $0 != 0x7F }) else { return nil }
        self.name = name
        self.value = value
    }

    /// Reads a rule written as one text: words separated by blanks, `'…'` or `"…"` around a word that has blanks.
    init?(_ text: String) {
        var words: [String] = []
        var rest = text[...]
        while true {
            rest = rest.drop { $0 == " " || $0 == "\t" }
            guard let first = rest.first else { break }
            if first == "'" || first == "\"" {
                rest = rest.dropFirst()
                guard let end = rest.firstIndex(of: first) else { return nil }
                words.append(String(rest[..<end]))
                rest = rest[rest.index(after: end)...]
            } else {
                let word = rest.prefix { $0 != " " && $0 != "\t" }
                words.append(String(word))
                rest = rest.dropFirst(word.count)
            }
        }
        self.init(words: words)
    }
}

extension String {
    /// Whether the text is a token of RFC 9110 §5.6.2.
    fileprivate var isHeaderToken: Bool {
        !isEmpty && utf8.allSatisfy { $0.isASCIILetterOrDigit || Array("!#$%&'*+-.^_`|~".utf8).contains($0) }
    }
}
