// What must hold of the HTTP parsers for every input there is. Fuzzers call these, and so does the test that replays
// the corpora. A check that fails stops the process: that is what a fuzzer looks for.
#if canImport(WMPWire)
import WMPWire
#endif

/// Checks the parsers of request and response heads on `bytes`.
package func checkHTTPHead(_ bytes: [UInt8]) {
    let request = parseRequest(bytes, steps: [bytes.count])
    let response = parseResponse(bytes, steps: [bytes.count])
    for steps in splits(of: bytes) {
        let splitRequest = parseRequest(bytes, steps: steps)
        check(splitRequest == request, "a request head parses otherwise when split", bytes, steps)
        let splitResponse = parseResponse(bytes, steps: steps)
        check(splitResponse == response, "a response head parses otherwise when split", bytes, steps)
    }
}

/// Checks the body reader on `bytes`, under each framing.
package func checkHTTPBody(_ bytes: [UInt8]) {
    let framings: [BodyFraming] = [
        .none, .length(0), .length(1), .length(UInt64(bytes.count)), .length(UInt64(bytes.count) + 1),
        .length(UInt64(Int64.max)),
        .chunked, .untilClose,
    ]
    for framing in framings {
        let whole = readBody(bytes, framing, steps: [bytes.count])
        for steps in splits(of: bytes) {
            check(readBody(bytes, framing, steps: steps) == whole, "a body reads otherwise when split", bytes, steps)
        }
        if framing == .chunked {
            check(
                whole.agrees(with: referenceChunked(bytes)), "the chunked coding is read otherwise than by the book",
                bytes, [])
        }
        checkRechunking(whole.payload)
    }
}

// MARK: - Heads

/// All that a parse can tell, written out so that two of them can be compared.
private struct HeadOutcome: Equatable {
    var length: Int?
    var violation: HTTPViolation?
    var facts: [String] = []
    var rewritten: [[UInt8]] = []
}

private let wideLimits = HeadLimits(maxBytes: 1 << 20, maxFields: 1000)

private func parseRequest(_ bytes: [UInt8], steps: [Int]) -> HeadOutcome {
    var head = RequestHead()
    var outcome = HeadOutcome()
    for end in steps {
        let input = bytes.span.extracting(0..<end)
        do {
            guard let length = try head.parse(input) else { continue }
            check(length <= end && length >= 18, "the head has an impossible length", bytes, steps)
            outcome.length = length
            outcome.facts = facts(of: head)
            for visitor in visitors {
                var out = ByteBuffer()
                head.writeUpstream(from: input, visitor: visitor, edits: visitor.isSecure ? edits : [], into: &out)
                let written = out.readable.map { $0 }
                if end == bytes.count { checkUpstream(written, head, visitor, bytes) }
                outcome.rewritten.append(written)
            }
        } catch {
            check(
                [400, 405, 414, 431, 501, 505].contains(error.status), "a request is refused with a strange status",
                bytes, steps)
            outcome.violation = error
        }
        return outcome
    }
    return outcome
}

private let visitors = [
    VisitorInfo(address: "192.0.2.1", isSecure: false),
    VisitorInfo(
        address: "2001:db8::1", isSecure: true, port: 443, hostOverride: HostName("service.internal:8080"),
        trustsForwarded: true),
]

private let edits = [
    FieldEdit(.set, name: "X-Forwarded-For", value: "x"), FieldEdit(.add, name: "X", value: "y\tz"),
    FieldEdit(.remove, name: "Cookie"),
    FieldEdit(.setIfAbsent, name: "Accept", value: "*/*"), FieldEdit(.set, name: "Server", value: "s"),
].compactMap { $0 }

private func facts(of head: RequestHead) -> [String] {
    [
        "\(head.method)", "\(head.version)", "\(head.host)", "\(head.host.port ?? 0)", "\(head.framing)",
        "\(head.keepAlive)",
        "\(head.expectsContinue)", "\(head.upgrade)", "\(head.prefersJSON)", "\(head.target.path)",
        head.target.query.map { "\($0)" } ?? "no query",
    ]
}

/// What goes upstream is one whole head that says the same as the visitor's.
private func checkUpstream(_ written: [UInt8], _ head: RequestHead, _ visitor: VisitorInfo, _ bytes: [UInt8]) {
    var again = RequestHead(limits: wideLimits)
    do {
        let length = try again.parse(written.span)
        check(length == written.count, "what goes upstream is not exactly one head", bytes, [])
    } catch {
        check(false, "what goes upstream is malformed: \(error.reason)", bytes, [])
    }
    check(again.framing == head.framing, "the framing changes on its way upstream", bytes, [])
    check(again.host == visitor.hostOverride ?? head.host, "the host changes on its way upstream", bytes, [])
    check(again.upgrade == head.upgrade, "the upgrade changes on its way upstream", bytes, [])
    check(again.expectsContinue == head.expectsContinue, "Expect changes on its way upstream", bytes, [])
    check(again.version == .http11 && again.keepAlive, "the connection upstream is not kept alive", bytes, [])
    check(again.target.form != .absolute, "an absolute target goes upstream", bytes, [])
    var twice = ByteBuffer()
    again.writeUpstream(from: written.span, visitor: visitor, into: &twice)
    check(twice.count > 0, "what goes upstream can't be rewritten", bytes, [])
}

private func parseResponse(_ bytes: [UInt8], steps: [Int]) -> HeadOutcome {
    var head = ResponseHead()
    var outcome = HeadOutcome()
    for end in steps {
        let input = bytes.span.extracting(0..<end)
        do {
            guard let length = try head.parse(input) else { continue }
            check(length <= end && length >= 16, "the head has an impossible length", bytes, steps)
            outcome.length = length
            outcome.facts = [
                "\(head.status)", "\(head.version)", "\(head.keepAlive)", "\(head.isInterim)",
                "\(head.framing(forRequest: .get))",
                "\(head.framing(forRequest: .head))",
            ]
            for context in contexts {
                var out = ByteBuffer()
                do {
                    let downstream = try head.writeDownstream(
                        from: input, context: context, edits: context.upgrade ? edits : [], into: &out)
                    let written = out.readable.map { $0 }
                    if end == bytes.count { checkDownstream(written, head, context, downstream, bytes) }
                    outcome.rewritten.append(written)
                } catch {
                    check(error.status == 502 && out.isEmpty, "a refused response is written in part", bytes, steps)
                    outcome.facts.append(error.reason.description)
                }
            }
        } catch {
            check(error.status == 502, "a response is refused with a strange status", bytes, steps)
            outcome.violation = error
        }
        return outcome
    }
    return outcome
}

private let contexts = [
    ResponseContext(method: .get, version: .http11, upgrade: false, keepAlive: true),
    ResponseContext(method: .get, version: .http10, upgrade: false, keepAlive: true),
    ResponseContext(method: .head, version: .http11, upgrade: false, keepAlive: false),
    ResponseContext(method: .get, version: .http11, upgrade: true, keepAlive: true),
]

/// What goes downstream is one whole head that tells the visitor the framing the edge will use.
private func checkDownstream(
    _ written: [UInt8], _ head: ResponseHead, _ context: ResponseContext, _ downstream: Downstream, _ bytes: [UInt8]
) {
    if head.isInterim, context.version == .http10 {
        return check(written.isEmpty, "an interim response reaches HTTP/1.0", bytes, [])
    }
    var again = ResponseHead(limits: wideLimits)
    do {
        let length = try again.parse(written.span)
        check(length == written.count, "what goes downstream is not exactly one head", bytes, [])
    } catch {
        check(false, "what goes downstream is malformed: \(error.reason)", bytes, [])
    }
    check(again.status == head.status, "the status changes on its way downstream", bytes, [])
    check(
        again.framing(forRequest: context.method) == downstream.framing, "the framing downstream is not as told", bytes,
        [])
    let closes = !head.isInterim && head.status != 101 && !downstream.keepAlive
    check(again.keepAlive != closes, "the connection downstream is not as told", bytes, [])
    check(downstream.framing != .untilClose || closes, "a body without an end stays open", bytes, [])
}

// MARK: - Bodies

private struct BodyOutcome: Equatable {
    var payload: [UInt8] = []
    /// Octets up to the end of the body, once it is found.
    var end: Int?
    var violation: HTTPViolation?

    /// A reference knows whether a body is malformed, not why.
    func agrees(with reference: BodyOutcome) -> Bool {
        payload == reference.payload && end == reference.end && (violation == nil) == (reference.violation == nil)
    }
}

private func readBody(_ bytes: [UInt8], _ framing: BodyFraming, steps: [Int]) -> BodyOutcome {
    var reader = BodyReader(framing)
    var outcome = BodyOutcome()
    var consumed = 0
    for end in steps {
        // What is consumed is not shown again: the reader must not need it.
        let base = consumed
        let input = bytes.span.extracting(base..<end)
        do {
            reading: while true {
                switch try reader.next(input, from: consumed - base) {
                case .payload(let range):
                    check(
                        !range.isEmpty && range.lowerBound >= consumed - base, "a payload is empty or old", bytes, steps
                    )
                    for index in range { outcome.payload.append(input[index]) }
                    consumed = base + range.upperBound
                case .needMore(let through):
                    check(base + through == end, "input is left over, yet more is asked for", bytes, steps)
                    consumed = end
                    break reading
                case .end(let through):
                    check(reader.isComplete && through >= consumed - base, "the end of a body is no end", bytes, steps)
                    outcome.end = base + through
                    return outcome
                }
            }
        } catch {
            outcome.violation = error
            return outcome
        }
    }
    return outcome
}

/// The chunked coding by the book, on the whole input at once: slow and plain, with nothing in common with the reader
/// but the limits.
private func referenceChunked(_ bytes: [UInt8]) -> BodyOutcome {
    var outcome = BodyOutcome()
    let malformed = HTTPViolation(status: 400, reason: "malformed")
    var rest = bytes[...]
    var extensions = 0

    /// Nil when the line is not complete; its octets without CRLF otherwise. `isValid` says which octets it may hold so
    /// far.
    func line(_ isPrefixValid: (ArraySlice<UInt8>) -> Bool) throws(HTTPViolation) -> ArraySlice<UInt8>? {
        let body = rest.prefix { $0 != 13 }
        guard isPrefixValid(body) else { throw malformed }
        guard body.endIndex < rest.endIndex else { return nil }
        let afterReturn = rest[(body.endIndex + 1)...]
        guard let feed = afterReturn.first else {
            // A CR that could not end this line is malformed at once.
            return nil
        }
        guard feed == 10 else { throw malformed }
        rest = afterReturn.dropFirst()
        return body
    }
    func isValue(_ octet: UInt8) -> Bool { octet == 9 || octet >= 32 && octet != 127 }
    func isHexadecimal(_ octet: UInt8) -> Bool {
        (48...57).contains(octet) || (65...70).contains(octet) || (97...102).contains(octet)
    }
    func isName(_ octet: UInt8) -> Bool {
        (48...57).contains(octet) || (65...90).contains(octet) || (97...122).contains(octet)
            || "!#$%&'*+-.^_`|~".utf8.contains(octet)
    }

    do throws(HTTPViolation) {
        while true {
            let before = extensions
            let sizeLine = try line { text in
                let digits = text.prefix(while: isHexadecimal)
                let tail = text[digits.endIndex...]
                let isOpen = text.endIndex == rest.endIndex
                extensions = before + tail.count
                guard digits.count <= 16, extensions <= 4096 else { return false }
                guard !digits.isEmpty else { return isOpen && tail.isEmpty }
                if !tail.isEmpty || !isOpen {
                    guard let size = UInt64(String(decoding: digits, as: UTF8.self), radix: 16),
                        size <= UInt64(Int64.max)
                    else {
                        return false
                    }
                }
                let name = tail.drop { $0 == 32 || $0 == 9 }
                if name.isEmpty { return tail.isEmpty || isOpen }
                return name.first == 59 && name.allSatisfy(isValue)
            }
            guard let sizeLine else { return outcome }
            let size = UInt64(String(decoding: sizeLine.prefix(while: isHexadecimal), as: UTF8.self), radix: 16) ?? 0
            if size == 0 { break }
            let data = rest.prefix(Int(size))
            outcome.payload.append(contentsOf: data)
            rest = rest.dropFirst(data.count)
            if UInt64(data.count) < size { return outcome }
            for expected in [13, 10] as [UInt8] {
                guard let octet = rest.first else { return outcome }
                guard octet == expected else { throw malformed }
                rest = rest.dropFirst()
            }
        }
        let trailerStart = rest.startIndex
        while true {
            let field = try line { text in
                let name = text.prefix(while: isName)
                let isOpen = text.endIndex == rest.endIndex
                guard text.endIndex - trailerStart <= 8192 else { return false }
                if text.isEmpty { return true }
                guard !name.isEmpty else { return false }
                guard name.endIndex < text.endIndex else { return isOpen }
                return text[name.endIndex] == 58 && text[name.endIndex...].allSatisfy(isValue)
            }
            guard let field else {
                // The CR of an unfinished line counts as well.
                if rest.contains(13), rest.endIndex - trailerStart > 8192 { throw malformed }
                return outcome
            }
            guard rest.startIndex - trailerStart <= 8192 else { throw malformed }
            if field.isEmpty {
                outcome.end = rest.startIndex
                return outcome
            }
        }
    } catch {
        outcome.violation = error
        return outcome
    }
}

/// Any payload, chunked, reads back as it was, whatever the sizes of the chunks.
private func checkRechunking(_ payload: [UInt8]) {
    var out = ByteBuffer()
    var start = 0
    var size = 1
    while start < payload.count {
        let end = min(start + size, payload.count)
        ChunkWriter.writeChunk(payload.span.extracting(start..<end), into: &out)
        start = end
        size = size * 2 + 1
    }
    ChunkWriter.writeEnd(into: &out)
    let written = out.readable.map { $0 }
    let outcome = readBody(written, .chunked, steps: [written.count])
    check(
        outcome == BodyOutcome(payload: payload, end: written.count), "a chunked body reads back otherwise", payload, []
    )
}

// MARK: - Splitting

/// Ways to present `bytes` in growing pieces: octet by octet while that is cheap, and some at random. The randomness
/// comes from the bytes themselves, so that a finding repeats.
private func splits(of bytes: [UInt8]) -> [[Int]] {
    guard !bytes.isEmpty else { return [] }
    var result: [[Int]] = []
    if bytes.count <= 2048 { result.append(Array(1..<(bytes.count + 1))) }
    var seed: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in bytes.prefix(64) { seed = (seed ^ UInt64(byte)) &* 0x100_0000_01B3 }
    for _ in 0..<3 {
        var ends: [Int] = []
        var end = 0
        while end < bytes.count {
            seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let most = max(bytes.count / 4, 2)
            end = min(end + 1 + Int(truncatingIfNeeded: (seed >> 33) % UInt64(most)), bytes.count)
            ends.append(end)
        }
        result.append(ends)
    }
    return result
}

private func check(
    _ condition: Bool, _ message: @autoclosure () -> String, _ bytes: [UInt8], _ steps: [Int]
) {
    guard !condition else { return }
    // Not `precondition`: an optimised build would keep the message to itself.
    let text = String(decoding: bytes.prefix(400), as: UTF8.self).debugDescription
    fatalError("\(message()): \(text), split at \(steps.prefix(40))")
}
