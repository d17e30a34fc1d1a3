/// Why a configuration text is refused, and where: one sentence that names the file, the line, the column and the
/// cause.
package struct ConfigError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The file the text came from; nil for a text handed over in memory.
    package var file: String?
    package var position: Position
    /// The cause alone, without the place. Never contains a secret.
    package var reason: String

    package init(_ reason: String, at position: Position, file: String? = nil) {
        self.file = file
        self.position = position
        self.reason = reason
    }

    /// `config/server.yaml:4:1: unknown key …`, or `line 4, column 1: unknown key …` where there is no file.
    package var description: String { "\(place(position, in: file)): \(reason)" }
}

/// Something in a valid configuration text that its author should know of.
package struct ConfigWarning: Sendable, Equatable, CustomStringConvertible {
    /// How much it matters.
    package enum Level: Sendable, Equatable {
        /// Worth a line for who looks closely.
        case info
        /// Likely not what the author meant, or less safe than it could be.
        case warning
    }

    package var level: Level
    package var file: String?
    package var position: Position
    package var message: String

    init(_ level: Level, _ message: String, at position: Position) {
        self.level = level
        self.position = position
        self.message = message
    }

    package var line: Int { position.line }
    package var column: Int { position.column }

    /// In the form of `ConfigError.description`.
    package var description: String { "\(place(position, in: file)): \(message)" }
}

private func place(_ position: Position, in file: String?) -> String {
    if let file { return "\(file):\(position.line):\(position.column)" }
    return "line \(position.line), column \(position.column)"
}
