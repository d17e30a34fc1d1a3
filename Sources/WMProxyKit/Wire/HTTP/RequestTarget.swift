/// The target of a request line (RFC 9112 §3.2), as ranges of the head.
package struct RequestTarget: Sendable {
    package enum Form: Sendable {
        /// `/path?query`.
        case origin
        /// `http://authority/path?query`.
        case absolute
        /// `*`, with OPTIONS only.
        case asterisk
    }

    package private(set) var form = Form.origin
    /// All of the target, as the visitor sent it.
    package private(set) var range = 0..<0
    /// From the first slash up to the query. Empty for `*`, and for an absolute form that has none and means `/`.
    package private(set) var path = 0..<0
    /// What follows the first `?`; nil without one.
    package private(set) var query: Range<Int>?
    /// The authority of an absolute form, and the port that its scheme implies.
    private(set) var authority: Range<Int>?
    private(set) var defaultPort: UInt16 = 80

    init() {}

    /// The target at `range`, which may hold any visible ASCII octet but `#`. RFC 3986 allows fewer, yet browsers send
    /// `|`, `"` or `{` in queries, and none of them tells two readers different things.
    ///
    /// - Throws: 400 for other octets, a fragment, a form the method does not allow, a scheme other than http and
    ///   https.
    init(
        _ input: Span<UInt8>, _ range: Range<Int>, method: HTTPMethod
    ) throws(HTTPViolation) {
        self.range = range
        guard !range.isEmpty else { throw .malformedRequestLine }
        let first = input[range.lowerBound]
        var pathStart = range.lowerBound
        if first != Octet.slash {
            if first == Octet.asterisk, range.count == 1 {
                guard method == .options else { throw .targetForm }
                form = .asterisk
                return
            }
            pathStart = try takeAuthority(input)
        }
        var pathEnd = range.upperBound
        for index in pathStart..<range.upperBound {
            let octet = input[index]
            guard octet > Octet.space, octet < 0x7F else { throw .targetOctet }
            guard octet != Octet.numberSign else { throw .fragmentInTarget }
            if octet == Octet.questionMark {
                pathEnd = index
                break
            }
        }
        path = pathStart..<pathEnd
        guard pathEnd < range.upperBound else { return }
        for index in pathEnd..<range.upperBound {
            let octet = input[index]
            guard octet > Octet.space, octet < 0x7F else { throw .targetOctet }
            guard octet != Octet.numberSign else { throw .fragmentInTarget }
        }
        query = (pathEnd + 1)..<range.upperBound
    }

    /// `scheme "://" authority` of an absolute form (RFC 9112 §3.2.2); the authority itself is judged with the Host
    /// field.
    /// - Returns: where the path begins.
    private mutating func takeAuthority(_ input: Span<UInt8>) throws(HTTPViolation) -> Int {
        func begins(_ scheme: StaticString) -> Bool {
            let length = scheme.utf8CodeUnitCount
            guard range.count >= length else { return false }
            return Octet.equalIgnoringCase(input, range.lowerBound..<(range.lowerBound + length), scheme)
        }
        let start: Int
        if begins("http://") {
            start = range.lowerBound + 7
        } else if begins("https://") {
            start = range.lowerBound + 8
            defaultPort = 443
        } else {
            throw .targetForm
        }
        form = .absolute
        var end = start
        while end < range.upperBound, input[end] != Octet.slash, input[end] != Octet.questionMark {
            guard input[end] != Octet.numberSign else { throw .fragmentInTarget }
            end += 1
        }
        guard end > start else { throw .targetAuthority }
        authority = start..<end
        return end
    }

    /// Appends the target in the form that a service expects: origin-form, or `*` for an OPTIONS about the service as a
    /// whole (RFC 9112 §3.2.1, §3.2.4).
    func writeOriginForm(_ input: Span<UInt8>, isOptions: Bool, into out: inout ByteBuffer) {
        if form == .origin {
            out.append(input.extracting(range))
        } else if form == .asterisk || isOptions && path.isEmpty && query == nil {
            out.append(Octet.asterisk)
        } else {
            if path.isEmpty { out.append(Octet.slash) }
            out.append(input.extracting(path.lowerBound..<range.upperBound))
        }
    }
}
