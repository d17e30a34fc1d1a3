/// Why a message was refused: the status to answer with, and the reason in words for the log and the error page.
///
/// After a violation nothing more can be told about where the next message begins, so the connection closes (RFC 9112
/// §9.6); a violation of a service's response also closes the visitor's connection if its response has begun.
package struct HTTPViolation: Error, Equatable, Sendable {
    /// 400, 405, 414, 431, 501 or 505 for a request, 502 for a response.
    package let status: Int
    /// One clause without a full stop, free of anything the peer sent.
    package let reason: StaticString

    package init(status: Int, reason: StaticString) {
        self.status = status
        self.reason = reason
    }

    package static func == (left: HTTPViolation, right: HTTPViolation) -> Bool {
        left.status == right.status && left.reason.description == right.reason.description
    }

    /// The same fault in what a service sent: its fault, so 502 (RFC 9110 §15.6.3).
    var inResponse: HTTPViolation { HTTPViolation(status: 502, reason: reason) }

    func inMessage(_ kind: MessageKind) -> HTTPViolation { kind == .request ? self : inResponse }
}

extension HTTPViolation {
    private static func bad(_ reason: StaticString) -> HTTPViolation { HTTPViolation(status: 400, reason: reason) }

    // Octets (RFC 9112 §2.2)
    static var bareCarriageReturn: HTTPViolation { bad("a CR is not followed by LF") }
    static var bareLineFeed: HTTPViolation { bad("an LF is not preceded by CR") }
    static var controlOctet: HTTPViolation { bad("the head holds a control character") }

    // Start line (RFC 9112 §3, §4)
    static var tooManyEmptyLines: HTTPViolation { bad("too many empty lines before the request line") }
    static var malformedRequestLine: HTTPViolation { bad("the request line is not method, target and version") }
    static var malformedVersion: HTTPViolation { bad("the protocol version is malformed") }
    static var malformedStatusLine: HTTPViolation { bad("the status line is malformed") }
    static var unsupportedVersion: HTTPViolation {
        HTTPViolation(status: 505, reason: "only HTTP/1.0 and HTTP/1.1 are spoken here")
    }
    static var methodTooLong: HTTPViolation { HTTPViolation(status: 501, reason: "the method is not implemented") }
    static var connectRefused: HTTPViolation {
        HTTPViolation(status: 405, reason: "CONNECT is not served here")
    }
    static var requestLineTooLong: HTTPViolation {
        HTTPViolation(status: 414, reason: "the request target is too long")
    }

    // Target (RFC 9112 §3.2)
    static var targetOctet: HTTPViolation { bad("the request target holds a character not allowed there") }
    static var fragmentInTarget: HTTPViolation { bad("the request target holds a fragment") }
    static var targetForm: HTTPViolation { bad("the request target has a form not allowed with this method") }
    static var targetAuthority: HTTPViolation { bad("the authority of the request target is malformed") }

    // Fields (RFC 9112 §5)
    static var headTooLarge: HTTPViolation { HTTPViolation(status: 431, reason: "the header section is too large") }
    static var tooManyFields: HTTPViolation { HTTPViolation(status: 431, reason: "there are too many header fields") }
    static var foldedLine: HTTPViolation { bad("a header field is folded over several lines") }
    static var emptyFieldName: HTTPViolation { bad("a header field has no name") }
    static var spaceBeforeColon: HTTPViolation { bad("a space stands before the colon of a header field") }
    static var malformedFieldName: HTTPViolation { bad("a header field name holds a character not allowed there") }
    static var missingColon: HTTPViolation { bad("a header field has no colon") }
    static var malformedConnection: HTTPViolation { bad("the Connection field is malformed") }
    static var tooManyConnectionOptions: HTTPViolation { bad("the Connection field names too many fields") }

    // Host (RFC 9112 §3.2)
    static var missingHost: HTTPViolation { bad("there is no Host field") }
    static var severalHosts: HTTPViolation { bad("there is more than one Host field") }
    static var malformedHost: HTTPViolation { bad("the Host field is malformed") }
    static var hostMismatch: HTTPViolation { bad("the Host field differs from the request target") }

    // Framing (RFC 9112 §6)
    static var lengthAndTransferEncoding: HTTPViolation { bad("Content-Length comes with Transfer-Encoding") }
    static var severalLengths: HTTPViolation { bad("there is more than one Content-Length") }
    static var malformedLength: HTTPViolation { bad("Content-Length is not a decimal number below 2^63") }
    static var transferEncodingNotChunked: HTTPViolation { bad("Transfer-Encoding is not exactly one chunked") }
    static var transferEncodingBefore11: HTTPViolation { bad("Transfer-Encoding comes with HTTP/1.0") }

    // Chunked coding (RFC 9112 §7.1)
    static var malformedChunkSize: HTTPViolation { bad("a chunk size is malformed") }
    static var chunkTooLarge: HTTPViolation { bad("a chunk size is above 2^63-1") }
    static var malformedChunkExtension: HTTPViolation { bad("a chunk extension is malformed") }
    static var chunkExtensionsTooLarge: HTTPViolation { bad("the chunk extensions are too large") }
    static var malformedChunkEnd: HTTPViolation { bad("a chunk does not end with CRLF") }
    static var malformedTrailer: HTTPViolation { bad("a trailer field is malformed") }
    static var trailersTooLarge: HTTPViolation { bad("the trailer section is too large") }
    static var bodyCutShort: HTTPViolation { bad("the body ends before its end") }

    // Upgrade (RFC 9110 §7.8)
    static var unaskedUpgrade: HTTPViolation {
        HTTPViolation(status: 502, reason: "the service switches protocols unasked")
    }
    static var malformedUpgrade: HTTPViolation {
        HTTPViolation(status: 502, reason: "the service switches protocols without saying to which")
    }
}
