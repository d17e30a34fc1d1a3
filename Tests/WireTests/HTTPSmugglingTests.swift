import Testing

@testable import WMPWire

/// Streams that make some pairs of servers disagree about where a request ends (RFC 9112 §11.2). Here each must be
/// refused, or be passed on in a form that leaves nothing to disagree about.
@Suite("Request smuggling")
struct HTTPSmugglingTests {
    /// What becomes of a stream: the requests as the service sees them, bodies included, then perhaps the status of a
    /// refusal.
    private func outcome(_ stream: String) -> (requests: [String], status: Int?) {
        let bytes = Array(stream.utf8)
        var requests: [String] = []
        for event in HTTPSplitTests.read(bytes, pieces: [bytes.count]) {
            switch event {
            case .head(let text): requests.append(text)
            case .payload(let payload): requests[requests.count - 1] += String(decoding: payload, as: UTF8.self)
            case .end: break
            case .refused(let violation): return (requests, violation.status)
            }
        }
        return (requests, nil)
    }

    @Test("finds no head that two servers could end at different places")
    func refused() {
        let smuggled = "GET /admin HTTP/1.1\r\nHost: a\r\n\r\n"
        let heads = [
            // CL.TE and TE.CL, with every disguise of Transfer-Encoding that has worked somewhere.
            "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n",
            "Content-Length: 6\r\nTransfer-Encoding : chunked\r\n",
            "Content-Length: 6\r\nTransfer-Encoding\t: chunked\r\n",
            "Content-Length: 6\r\n Transfer-Encoding: chunked\r\n",
            "Content-Length: 6\r\nX: y\r\n Transfer-Encoding: chunked\r\n",
            "Content-Length: 6\r\nX: y\nTransfer-Encoding: chunked\r\n",
            "Content-Length: 6\r\nX: y\rTransfer-Encoding: chunked\r\n",
            "Content-Length: 6\r\nTransfer-Encoding:\u{B}chunked\r\n",
            "Content-Length: 6\r\nTransfer-Encoding:\r\n chunked\r\n",
            "Content-Length: 6\r\nTransfer-Encoding: xchunked\r\n",
            "Content-Length: 6\r\nTransfer-Encoding: chunked, identity\r\n",
            "Content-Length: 6\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
            "Content-Length: 6\r\nTransfer-Encoding: \u{0}chunked\r\n",
            "Content-Length: 6\r\n\u{0}Transfer-Encoding: chunked\r\n",
            "Content-Length: 6\r\nTransfer\u{7F}-Encoding: chunked\r\n",
            // CL.CL
            "Content-Length: 6\r\nContent-Length: 0\r\n",
            "Content-Length: 0\r\nContent-Length: 6\r\n",
            "Content-Length: 6, 0\r\n",
            "Content-Length: 0 6\r\n",
            "Content-Length:\r\n 6\r\n",
            "Content-Length : 6\r\n",
            "Content-Length: 6\rX: y\r\n",
            "Content-Length: +6\r\n",
            "Content-Length: 0x6\r\n",
            "Content-Length: 6e0\r\n",
            "Content-Length: \u{660}\r\n",
        ]
        for fields in heads {
            let result = outcome("POST / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n0\r\n\r\n\(smuggled)")
            #expect(result.requests.isEmpty && result.status == 400, "\(fields.debugDescription)")
        }
        let old = outcome("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n\(smuggled)")
        #expect(old.requests.isEmpty && old.status == 400)
    }

    @Test("finds no chunked body that two servers could end at different places")
    func refusedBodies() {
        for body in [
            "5\nhello\r\n0\r\n\r\n", "5;\nhello\r\n0\r\n\r\n", "5\rhello\r\n0\r\n\r\n", "0x5\r\nhello\r\n0\r\n\r\n",
            "5\r\nhello0\r\n\r\n", "5\r\nhelloXX0\r\n\r\n", "5\r\nhello\n0\r\n\r\n", "10000000000000000\r\n", "-1\r\n",
            "5 \r\nhello\r\n0\r\n\r\n",
            "0\r\nX: y\n\r\n", "0\r\nX: y\r\n Z: z\r\n\r\n", "0\r\n\nGET /admin HTTP/1.1\r\n\r\n",
        ] {
            let result = outcome("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\(body)")
            #expect(result.requests.count == 1 && result.status == 400, "\(body.debugDescription)")
        }
    }

    @Test("shows the service nothing of chunk extensions, trailers, or what only looks like framing")
    func cleaned() {
        let result = outcome(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ChUnKeD\r\nContent_Length: 0\r\n"
                + "Transfer_Encoding: x\r\n\r\n"
                + "2;Content-Length=9\r\nhi\r\n0;x\r\nContent-Length: 9\r\nTransfer-Encoding: gzip\r\nHost: b\r\n\r\n"
                + "GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(result.status == nil && result.requests.count == 2)
        #expect(
            result.requests.first
                == "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nX-Forwarded-For: 203.0.113.7\r\n"
                + "X-Forwarded-Proto: http\r\n"
                + "X-Forwarded-Host: a\r\nForwarded: for=203.0.113.7;host=a;proto=http\r\n\r\nhi")
    }

    @Test("takes what looks like a request inside a body for the body")
    func inside() {
        let inner = "GET /admin HTTP/1.1\r\nHost: a\r\n\r\n"
        let result = outcome("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: \(inner.utf8.count)\r\n\r\n\(inner)")
        #expect(
            result.status == nil && result.requests.count == 1
                && result.requests.first?.hasSuffix("\r\n\r\n" + inner) == true)
    }

    @Test("does not believe that a body exists where none is announced")
    func bodiless() {
        let result = outcome("POST / HTTP/1.1\r\nHost: a\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(result.status == nil && result.requests.count == 2)
    }

    @Test("takes no response whose end is in doubt, so that none can answer another's request")
    func responses() {
        for fields in [
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "Content-Length: 5\r\nContent-Length: 6\r\n",
            "Transfer-Encoding: x, chunked\r\n",
            "Content-Length: 5\r\n X: folded\r\n",
        ] {
            #expect(parseResponse("HTTP/1.1 200 OK\r\n\(fields)\r\n").status == 502, "\(fields.debugDescription)")
        }
    }
}
