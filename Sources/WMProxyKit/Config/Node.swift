/// Where something stands in a text: line and column count from 1, columns in Unicode code points.
package struct Position: Sendable, Hashable, Comparable {
    package var line: Int
    package var column: Int

    /// The very beginning of a text.
    package static let start = Position(line: 1, column: 1)

    package static func < (one: Position, other: Position) -> Bool {
        (one.line, one.column) < (other.line, other.column)
    }
}

/// One value of a configuration text, with the place where it stands.
package struct Node: Sendable, Equatable {
    /// What a node holds.
    package enum Content: Sendable, Equatable {
        /// A word, number or text. `isPlain` says that it was written without quotes, so that `null` can mean
        /// "nothing".
        case scalar(String, isPlain: Bool)
        case sequence([Node])
        /// In the order of the text; the reader has refused duplicate keys.
        case mapping([Entry])
    }

    /// One `key: value` of a mapping.
    package struct Entry: Sendable, Equatable {
        package var key: String
        package var position: Position
        package var value: Node
    }

    package var position: Position
    package var content: Content

    /// Whether the value says nothing, which means "the default": `key:`, `""`, `null` or `~`.
    package var isEmpty: Bool {
        switch content {
        case .scalar(let text, let isPlain): text.isEmpty || isPlain && ["~", "null", "Null", "NULL"].contains(text)
        case .sequence, .mapping: false
        }
    }

    /// How a message names what was found, shortened and free of control characters.
    var shown: String {
        switch content {
        case .scalar(let text, _): text.quoted
        case .sequence, .mapping: shape
        }
    }

    /// What kind of thing was found, without what it says: that might be a secret.
    var shape: String {
        switch content {
        case .scalar: isEmpty ? "nothing" : "a single value"
        case .sequence: "a list"
        case .mapping: "a group of keys"
        }
    }
}

extension String {
    /// The text in single quotes as a message may show it: one line, at most 60 characters, nothing that moves a
    /// cursor.
    var quoted: String {
        var shown = "'"
        for scalar in unicodeScalars.prefix(60) {
            let isSafe = scalar.properties.generalCategory != .control && scalar.properties.generalCategory != .format
            shown += isSafe ? String(scalar) : "\\u{" + String(scalar.value, radix: 16) + "}"
        }
        return shown + (unicodeScalars.dropFirst(60).isEmpty ? "'" : "…'")
    }
}
