/// Parses the head of a response (RFC 9112 §4, §5) and holds what it says, as ranges of the octets it was parsed from.
///
/// Works like `RequestHead`. A violation has status 502: the service is at fault, its connection is not used again.
package struct ResponseHead {
    package private(set) var version = HTTPVersion.http11
    /// 100 to 999.
    package private(set) var status = 0
    /// Whether the service accepts another request after this response (RFC 9112 §9.3), provided that the body has an
    /// end of its own.
    package private(set) var keepAlive = false
    /// Octets of the head, once it is complete.
    package private(set) var length: Int?

    var lines: HeadLines
    /// SP and reason phrase of the status line, as they came; the SP may be missing.
    private(set) var reason = 0..<0
    private(set) var options = ConnectionOptions()
    private(set) var framingFields = FramingFields()
    private(set) var upgradeFields = UpgradeFields()
    private var hasStatusLine = false

    package init(limits: HeadLimits = HeadLimits()) {
        lines = HeadLines(limits: limits)
    }

    /// Makes ready for another head; to be called after a complete head and after a violation alike.
    package mutating func reset() {
        lines.reset()
        version = .http11
        status = 0
        keepAlive = false
        length = nil
        reason = 0..<0
        options = ConnectionOptions()
        framingFields = FramingFields()
        upgradeFields = UpgradeFields()
        hasStatusLine = false
    }

    /// Whether another response to the same request follows (RFC 9110 §15.2).
    package var isInterim: Bool { status < 200 && status != 101 }

    /// Parses `input`, which begins with the octets already presented and may go on behind the head.
    ///
    /// - Returns: the octets the head takes, its final empty line included; nil while it is incomplete.
    /// - Throws: 502.
    package mutating func parse(_ input: Span<UInt8>) throws(HTTPViolation) -> Int? {
        do {
            return try parseLines(input)
        } catch {
            throw error.inResponse
        }
    }

    private mutating func parseLines(_ input: Span<UInt8>) throws(HTTPViolation) -> Int? {
        if let length { return length }
        while let line = try lines.takeLine(input, tooLong: .headTooLarge) {
            if !hasStatusLine {
                try takeStatusLine(line, input)
                hasStatusLine = true
            } else if line.isEmpty {
                try finish(input)
                length = lines.next
                return lines.next
            } else {
                let field = try lines.addField(line, input)
                switch field.id {
                case .contentLength, .transferEncoding: try framingFields.note(field, input)
                case .upgrade: upgradeFields.note(field.value, input)
                default: break
                }
            }
        }
        return nil
    }

    /// `HTTP-version SP status-code SP [ reason-phrase ]` (RFC 9112 §4). The second SP may be missing when the phrase
    /// is: many servers forget it, and it is not what anybody reads a response by.
    private mutating func takeStatusLine(_ line: Range<Int>, _ input: Span<UInt8>) throws(HTTPViolation) {
        let codeStart = line.lowerBound + HTTPVersion.length + 1
        let codeEnd = codeStart + 3
        guard codeEnd <= line.upperBound, input[codeStart - 1] == Octet.space else { throw .malformedStatusLine }
        version = try HTTPVersion.parse(input, from: line.lowerBound)
        var code = 0
        for index in codeStart..<codeEnd {
            guard Octet.isDigit(input[index]) else { throw .malformedStatusLine }
            code = code * 10 + Int(input[index] &- 0x30)
        }
        guard code >= 100 else { throw .malformedStatusLine }
        guard codeEnd == line.upperBound || input[codeEnd] == Octet.space else { throw .malformedStatusLine }
        status = code
        reason = codeEnd..<line.upperBound
    }

    private mutating func finish(_ input: Span<UInt8>) throws(HTTPViolation) {
        try framingFields.check(version)
        for index in lines.fields.indices where lines.fields[index].id == .connection {
            try options.note(lines.fields[index].value, input, marking: &lines.fields)
        }
        keepAlive = options.persists(version)
    }

    /// How the body is framed that follows this head on the service's connection (RFC 9112 §6.3).
    package func framing(forRequest method: HTTPMethod) -> BodyFraming {
        if status < 200 || status == 204 || status == 304 || method == .head { return .none }
        if framingFields.isChunked { return .chunked }
        if let length = framingFields.length { return .length(length) }
        return .untilClose
    }
}
