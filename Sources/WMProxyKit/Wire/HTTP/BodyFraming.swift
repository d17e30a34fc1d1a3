/// How the end of a message's body is told (RFC 9112 §6.3).
package enum BodyFraming: Equatable, Sendable {
    /// There is no body.
    case none
    /// Content-Length: exactly so many octets, 0 to 2⁶³−1.
    case length(UInt64)
    /// Transfer-Encoding: chunked.
    case chunked
    /// A response that lasts until the connection closes.
    case untilClose
}

/// Content-Length and Transfer-Encoding of one head, refused as soon as two readers could understand them differently.
///
/// RFC 9112 §6.1 and §6.3 leave room for repair; here nothing is repaired, because the service behind may repair it
/// otherwise, and that difference is request smuggling (RFC 9112 §11.2).
struct FramingFields {
    private(set) var length: UInt64?
    private(set) var isChunked = false

    /// Takes note of a field if it is one of the two.
    mutating func note(_ field: FieldLine, _ input: Span<UInt8>) throws(HTTPViolation) {
        switch field.id {
        case .contentLength:
            guard length == nil else { throw .severalLengths }
            length = try FramingFields.decimal(input, field.value)
        case .transferEncoding:
            guard !isChunked, Octet.equalIgnoringCase(input, field.value, "chunked") else {
                throw .transferEncodingNotChunked
            }
            isChunked = true
        default: break
        }
    }

    /// Judges the two together, once all fields are known.
    func check(_ version: HTTPVersion) throws(HTTPViolation) {
        guard isChunked else { return }
        if length != nil { throw .lengthAndTransferEncoding }
        if version == .http10 { throw .transferEncodingBefore11 }
    }

    /// 1*DIGIT up to 2⁶³−1: no sign, no blank, no list.
    private static func decimal(_ input: Span<UInt8>, _ range: Range<Int>) throws(HTTPViolation) -> UInt64 {
        guard !range.isEmpty else { throw .malformedLength }
        var value: Int64 = 0
        for index in range {
            let octet = input[index]
            guard Octet.isDigit(octet) else { throw .malformedLength }
            let (tenfold, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = tenfold.addingReportingOverflow(Int64(octet &- 0x30))
            guard !overflow, !carry else { throw .malformedLength }
            value = sum
        }
        return UInt64(value)
    }
}
