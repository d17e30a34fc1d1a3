/// How large a head may be, counted as it arrives.
package struct HeadLimits: Sendable {
    /// Octets of a head, its final empty line included.
    package let maxBytes: Int
    /// Field lines of a head.
    package let maxFields: Int

    /// Values are brought into what the parser can count: 64 octets to 1 MiB, 1 to 10,000 fields.
    package init(maxBytes: Int = 32_768, maxFields: Int = 100) {
        self.maxBytes = min(max(maxBytes, 64), 1 << 20)
        self.maxFields = min(max(maxFields, 1), 10_000)
    }
}

/// One field line of a head, as offsets into the head's octets (RFC 9112 §5).
struct FieldLine {
    private let start: UInt32
    private let nameEnd: UInt32
    private let valueStart: UInt32
    private let valueEnd: UInt32
    private let end: UInt32
    let id: FieldName
    /// Named by a Connection field: it concerns one connection and goes no further.
    var isNominated = false

    init(line: Range<Int>, nameEnd: Int, value: Range<Int>, id: FieldName) {
        // A head is at most 1 MiB, see HeadLimits.
        start = UInt32(truncatingIfNeeded: line.lowerBound)
        self.nameEnd = UInt32(truncatingIfNeeded: nameEnd)
        valueStart = UInt32(truncatingIfNeeded: value.lowerBound)
        valueEnd = UInt32(truncatingIfNeeded: value.upperBound)
        end = UInt32(truncatingIfNeeded: line.upperBound + 2)
        self.id = id
    }

    var name: Range<Int> { Int(start)..<Int(nameEnd) }
    /// Without the blanks around it.
    var value: Range<Int> { Int(valueStart)..<Int(valueEnd) }
    /// The line as it came, its CRLF included.
    var line: Range<Int> { Int(start)..<Int(end) }
}

/// Cuts a head into lines as its octets arrive, and keeps its field lines.
///
/// No octet is searched twice, however the head is split, and what is found does not depend on the split: only the
/// first `maxBytes` octets are ever looked at, and lines are judged one by one, each when it is complete.
struct HeadLines {
    let limits: HeadLimits
    /// Reused from head to head.
    var fields: [FieldLine] = []
    /// Where the first line not yet taken begins; after the last line, the length of the head.
    private(set) var next = 0
    /// No line end lies before this.
    private var searched = 0

    init(limits: HeadLimits) {
        self.limits = limits
    }

    mutating func reset() {
        fields.removeAll(keepingCapacity: true)
        next = 0
        searched = 0
    }

    /// The next line without its CRLF; nil when it is not complete yet.
    ///
    /// - Throws: `tooLong` when it does not end within the limit, and 400 on any control octet but HTAB, bare CR and LF
    ///   among them (RFC 9112 §2.2, RFC 9110 §5.5).
    @inline(__always)
    mutating func takeLine(
        _ input: Span<UInt8>, tooLong: @autoclosure () -> HTTPViolation
    ) throws(HTTPViolation) -> Range<Int>? {
        let end = min(input.count, limits.maxBytes)
        var index = searched
        while true {
            index = Octet.firstControl(input, from: index, to: end)
            guard index < end else { break }
            let octet = input[index]
            if octet == Octet.carriageReturn {
                guard end - index > 1 else { break }
                guard input[index + 1] == Octet.lineFeed else { throw .bareCarriageReturn }
                let line = next..<index
                next = index + 2
                searched = next
                return line
            }
            guard octet == Octet.tab else { throw octet == Octet.lineFeed ? .bareLineFeed : .controlOctet }
            index += 1
        }
        searched = index
        if end == limits.maxBytes { throw tooLong() }
        return nil
    }

    /// Takes `line` as a field line (RFC 9112 §5) and keeps it.
    @inline(__always)
    mutating func addField(_ line: Range<Int>, _ input: Span<UInt8>) throws(HTTPViolation) -> FieldLine {
        guard fields.count < limits.maxFields else { throw .tooManyFields }
        var nameEnd = line.lowerBound
        var holdsUnderscore = false
        while nameEnd < line.upperBound {
            let octet = input[nameEnd]
            guard Octet.isToken(octet) else { break }
            holdsUnderscore = holdsUnderscore || octet == Octet.underscore
            nameEnd += 1
        }
        guard nameEnd < line.upperBound, nameEnd > line.lowerBound, input[nameEnd] == Octet.colon else {
            throw HeadLines.fault(line, nameEnd, input)
        }
        let id = FieldName.parse(input, line.lowerBound..<nameEnd, holdsUnderscore: holdsUnderscore)
        let value = Octet.trimmed(input, (nameEnd + 1)..<line.upperBound)
        let field = FieldLine(line: line, nameEnd: nameEnd, value: value, id: id)
        if fields.capacity == 0 { fields.reserveCapacity(min(limits.maxFields, 32)) }
        fields.append(field)
        return field
    }

    /// What is wrong with a line whose name stops at `nameEnd`.
    private static func fault(_ line: Range<Int>, _ nameEnd: Int, _ input: Span<UInt8>) -> HTTPViolation {
        guard nameEnd < line.upperBound else { return .missingColon }
        let octet = input[nameEnd]
        if nameEnd == line.lowerBound {
            if octet == Octet.colon { return .emptyFieldName }
            return Octet.isBlank(octet) ? .foldedLine : .malformedFieldName
        }
        return Octet.isBlank(octet) ? .spaceBeforeColon : .malformedFieldName
    }
}
