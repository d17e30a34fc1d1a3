/// A protocol version this edge speaks (RFC 9112 §2.3).
///
/// Only 1.0 and 1.1 exist on this wire: any other well-formed version is refused, with 505 in a request and 502 in a
/// response. HTTP/2 is negotiated by ALPN and never reaches this parser, so its connection preface is a wrong version
/// here and nothing else.
package enum HTTPVersion: UInt8, Sendable {
    case http10
    case http11

    /// Octets of `HTTP/d.d`.
    static let length = 8

    /// The version in the eight octets from `start`; `HTTP` is case-sensitive (RFC 9112 §2.3).
    static func parse(_ input: Span<UInt8>, from start: Int) throws(HTTPViolation) -> HTTPVersion {
        guard start >= 0, input.count - start >= length else { throw .malformedVersion }
        let word = UInt64(
            littleEndian: input.bytes.unsafeLoadUnaligned(fromByteOffset: start, as: UInt64.self))
        if word == http11Word { return .http11 }
        if word == http10Word { return .http10 }
        // "HTTP/" and "." in place, and two digits: a version, but not ours.
        guard word & shapeMask == http10Word & shapeMask, Octet.isDigit(input[start + 5]),
            Octet.isDigit(input[start + 7])
        else { throw .malformedVersion }
        throw .unsupportedVersion
    }

    /// `HTTP/1.1` and `HTTP/1.0`, first octet lowest.
    private static let http11Word: UInt64 = 0x312E_312F_5054_5448
    private static let http10Word: UInt64 = 0x302E_312F_5054_5448
    /// Everything but the two digits.
    private static let shapeMask: UInt64 = 0x00FF_00FF_FFFF_FFFF
}

/// Which of the two messages of an exchange (RFC 9112 §2.1): it decides who is at fault when the message is malformed.
package enum MessageKind: Sendable {
    /// From a visitor: malformed means 400.
    case request
    /// From a service: malformed means 502.
    case response
}
