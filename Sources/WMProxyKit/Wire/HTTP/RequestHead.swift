/// Parses the head of a request (RFC 9112 §3, §5) and holds what it says, as ranges of the octets it was parsed from.
///
/// Present the octets received so far, from the first one, until the head is complete; then read the properties, and
/// hand the same octets to `writeUpstream`. What is refused, is refused for good: there is no lenient mode, and two
/// readers can't disagree about a head that passed. One `RequestHead` serves one connection, head after head: `reset`
/// keeps the memory of the fields, so that a warm parser allocates nothing (a Host of more than 64 octets excepted).
package struct RequestHead {
    package private(set) var method = HTTPMethod.get
    package private(set) var target = RequestTarget()
    package private(set) var version = HTTPVersion.http11
    /// The host asked for; the port it names, if any, is `host.port`.
    package private(set) var host = HostName()
    package private(set) var framing = BodyFraming.none
    /// Whether the visitor can send another request afterwards (RFC 9112 §9.3).
    package private(set) var keepAlive = false
    /// Whether the visitor waits for 100 before it sends the body (RFC 9110 §10.1.1).
    package private(set) var expectsContinue = false
    /// Whether the visitor asks to switch protocols (RFC 9110 §7.8). Switching to `h2c` is never passed on: behind it
    /// the edge could no longer tell one request from the next, and RFC 9113 §3.1 has withdrawn it.
    package private(set) var upgrade = false
    /// Whether Accept names application/json before text/html.
    package private(set) var prefersJSON = false
    /// Octets of the head, once it is complete.
    package private(set) var length: Int?

    var lines: HeadLines
    private(set) var requestLine = 0..<0
    /// The value of the Host field.
    private(set) var hostField = 0..<0
    private var stage = Stage.requestLine
    private var emptyLines = 0
    private var framingFields = FramingFields()
    private var upgradeFields = UpgradeFields()

    private enum Stage { case requestLine, fields }

    /// Empty lines that may precede a request line (RFC 9112 §2.2).
    private static let maximumEmptyLines = 4

    package init(limits: HeadLimits = HeadLimits()) {
        lines = HeadLines(limits: limits)
    }

    /// Makes ready for another head; to be called after a complete head and after a violation alike.
    package mutating func reset() {
        lines.reset()
        method = .get
        target = RequestTarget()
        version = .http11
        host = HostName()
        requestLine = 0..<0
        hostField = 0..<0
        framing = .none
        keepAlive = false
        expectsContinue = false
        upgrade = false
        prefersJSON = false
        length = nil
        stage = .requestLine
        emptyLines = 0
        framingFields = FramingFields()
        upgradeFields = UpgradeFields()
    }

    /// Parses `input`, which begins with the octets already presented and may go on behind the head.
    ///
    /// - Returns: the octets the head takes, its final empty line and leading ones included; nil while it is
    ///   incomplete.
    /// - Throws: 400 if malformed, 405 for CONNECT, 414 or 431 above the limits, 501 for a method of more than 32
    ///   octets, 505 for another version. No further octet of the connection can be understood then.
    package mutating func parse(_ input: Span<UInt8>) throws(HTTPViolation) -> Int? {
        if let length { return length }
        while let line = try lines.takeLine(
            input, tooLong: stage == .requestLine ? .requestLineTooLong : .headTooLarge)
        {
            switch stage {
            case .requestLine:
                if line.isEmpty {
                    emptyLines += 1
                    guard emptyLines <= RequestHead.maximumEmptyLines else { throw .tooManyEmptyLines }
                } else {
                    requestLine = line
                    try takeRequestLine(line, input)
                    stage = .fields
                }
            case .fields:
                if line.isEmpty {
                    try finish(input)
                    length = lines.next
                    return lines.next
                }
                try note(lines.addField(line, input), input)
            }
        }
        return nil
    }

    /// `method SP request-target SP HTTP-version` (RFC 9112 §3), one SP each.
    private mutating func takeRequestLine(_ line: Range<Int>, _ input: Span<UInt8>) throws(HTTPViolation) {
        var methodEnd = line.lowerBound
        while methodEnd < line.upperBound, Octet.isToken(input[methodEnd]) { methodEnd += 1 }
        guard methodEnd > line.lowerBound, methodEnd < line.upperBound, input[methodEnd] == Octet.space else {
            throw .malformedRequestLine
        }
        guard methodEnd - line.lowerBound <= HTTPMethod.maximumLength else { throw .methodTooLong }
        let versionStart = line.upperBound - HTTPVersion.length
        guard versionStart - 1 > methodEnd, input[versionStart - 1] == Octet.space else { throw .malformedRequestLine }
        version = try HTTPVersion.parse(input, from: versionStart)
        method = HTTPMethod.parse(input, line.lowerBound..<methodEnd)
        guard method != .connect else { throw .connectRefused }
        target = try RequestTarget(input, (methodEnd + 1)..<(versionStart - 1), method: method)
    }

    @inline(__always)
    private mutating func note(_ field: FieldLine, _ input: Span<UInt8>) throws(HTTPViolation) {
        switch field.id {
        case .other: return
        case .host:
            guard host.count == 0 else { throw .severalHosts }
            guard let host = HostName(input.extracting(field.value)) else { throw .malformedHost }
            self.host = host
            hostField = field.value
        case .contentLength, .transferEncoding: try framingFields.note(field, input)
        case .expect: expectsContinue = expectsContinue || Octet.equalIgnoringCase(input, field.value, "100-continue")
        case .upgrade: upgradeFields.note(field.value, input)
        case .accept: notePreference(field.value, input)
        default: return
        }
    }

    private mutating func notePreference(_ value: Range<Int>, _ input: Span<UInt8>) {
        guard !prefersJSON else { return }
        var elements = ListElements(value)
        while let element = elements.take(input) {
            var end = element.lowerBound
            while end < element.upperBound, input[end] != Octet.semicolon { end += 1 }
            let range = Octet.trimmed(input, element.lowerBound..<end)
            if Octet.equalIgnoringCase(input, range, "text/html") { return }
            if Octet.equalIgnoringCase(input, range, "application/json") {
                prefersJSON = true
                return
            }
        }
    }

    /// Judges the head as a whole.
    private mutating func finish(_ input: Span<UInt8>) throws(HTTPViolation) {
        try checkHost(input)
        try framingFields.check(version)
        if framingFields.isChunked {
            framing = .chunked
        } else if let length = framingFields.length {
            framing = .length(length)
        }
        var options = ConnectionOptions()
        for index in lines.fields.indices where lines.fields[index].id == .connection {
            try options.note(lines.fields[index].value, input, marking: &lines.fields)
        }
        keepAlive = options.persists(version)
        // RFC 9110 §7.8, §10.1.1: neither means anything in HTTP/1.0.
        upgrade = options.upgrade && upgradeFields.isOffered && version == .http11
        expectsContinue = expectsContinue && version == .http11 && hasBody
    }

    /// Whether octets of a body follow.
    package var hasBody: Bool { framing != .none && framing != .length(0) }

    /// One Host field, for HTTP/1.0 too, since it decides the route; and the same as the authority of an absolute form,
    /// since the service might read either (RFC 9112 §3.2, §3.2.2).
    private func checkHost(_ input: Span<UInt8>) throws(HTTPViolation) {
        guard host.count > 0 else { throw .missingHost }
        guard let range = target.authority else { return }
        guard let authority = HostName(input.extracting(range)) else { throw .targetAuthority }
        guard authority == host, authority.port ?? target.defaultPort == host.port ?? target.defaultPort else {
            throw .hostMismatch
        }
    }
}

/// What the Upgrade fields of a head offer.
struct UpgradeFields {
    private var names = false
    private var namesHTTP2 = false

    mutating func note(_ value: Range<Int>, _ input: Span<UInt8>) {
        var elements = ListElements(value)
        while let element = elements.take(input) {
            names = true
            if Octet.equalIgnoringCase(input, element, "h2c") { namesHTTP2 = true }
        }
    }

    var isOffered: Bool { names && !namesHTTP2 }
}
