import Testing

@testable import WMPWire

@Suite("Response head")
struct HTTPResponseHeadTests {
    private func response(_ fields: String, line: String = "HTTP/1.1 200 OK") -> String { "\(line)\r\n\(fields)\r\n" }

    @Test("is refused with 502 when malformed")
    func malformed() {
        let cases = [
            response("", line: "HTTP/1.1 20 OK"), response("", line: "HTTP/1.1 2000 OK"),
            response("", line: "HTTP/1.1 099 No"),
            response("", line: "HTTP/1.1  200 OK"), response("", line: "HTTP/1.1 200OK"),
            response("", line: "HTTP/1.1 2x0 OK"),
            response("", line: "HTTP/1.1"), response("", line: "HTTP/1.1 "), response("", line: "HTTP/2.0 200 OK"),
            response("", line: "ICY 200 OK"), response("", line: "SSH-2.0-OpenSSH_9.2"),
            response("", line: " HTTP/1.1 200 OK"),
            response("", line: ""),
            response("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
            response("Content-Length: 5\r\nContent-Length: 5\r\n"), response("Content-Length: 5, 5\r\n"),
            response("Content-Length: -1\r\n"), response("Content-Length: 9223372036854775808\r\n"),
            response("Transfer-Encoding: gzip, chunked\r\n"), response("Transfer-Encoding: identity\r\n"),
            response("Transfer-Encoding: chunked\r\n", line: "HTTP/1.0 200 OK"),
            response("X: a\r\n b\r\n"), response("X : a\r\n"), response(": a\r\n"), response("X: a\u{0}\r\n"),
            response("X: a\rb\r\n"),
            "HTTP/1.1 200 OK\nContent-Length: 0\n\n", "HTTP/1.1 200 OK\r\nX: y\n\r\n",
            response(String(repeating: "X: y\r\n", count: 101)),
            response("X: " + String(repeating: "y", count: 33_000)),
        ]
        for text in cases { #expect(parseResponse(text).status == 502, "\(text.prefix(200).debugDescription)") }
    }

    @Test("tells how the body ends, by request and status (RFC 9112 §6.3)")
    func framing() throws {
        let cases: [(String, HTTPMethod, BodyFraming)] = [
            (response("Content-Length: 5\r\n"), .get, .length(5)),
            (response("Content-Length: 5\r\n"), .head, .none),
            (response("Transfer-Encoding: Chunked\r\n"), .get, .chunked),
            (response("Transfer-Encoding: chunked\r\n"), .head, .none),
            (response(""), .get, .untilClose),
            (response(""), .head, .none),
            (response("", line: "HTTP/1.0 200 OK"), .post, .untilClose),
            (response("Content-Length: 5\r\n", line: "HTTP/1.1 204 No Content"), .get, .none),
            (response("Content-Length: 5\r\n", line: "HTTP/1.1 304 Not Modified"), .get, .none),
            (response("", line: "HTTP/1.1 100 Continue"), .post, .none),
            (response("", line: "HTTP/1.1 101 Switching Protocols"), .get, .none),
            (response("Content-Length: 0\r\n", line: "HTTP/1.1 404"), .get, .length(0)),
        ]
        for (text, method, framing) in cases {
            let head = try #require(parseResponse(text).head, "\(text.debugDescription)")
            #expect(head.framing(forRequest: method) == framing, "\(text.debugDescription)")
        }
    }

    @Test("tells whether the service's connection can be used again")
    func keepAlive() {
        #expect(parseResponse(response("")).head?.keepAlive == true)
        #expect(parseResponse(response("Connection: close\r\n")).head?.keepAlive == false)
        #expect(parseResponse(response("", line: "HTTP/1.0 200 OK")).head?.keepAlive == false)
        #expect(parseResponse(response("Connection: keep-alive\r\n", line: "HTTP/1.0 200 OK")).head?.keepAlive == true)
    }

    @Test("keeps end-to-end fields and the service's name; drops hop-by-hop ones")
    func plain() throws {
        let result = try downstream(
            response(
                "Date: now\r\nserver: nginx\r\nKeep-Alive: timeout=5\r\nConnection: keep-alive, X-Hop\r\n"
                    + "X-Hop: 1\r\nTrailer: X\r\n"
                    + "Upgrade: h2\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nProxy-Connection: x\r\nContent-Length: 5\r\n"))
        #expect(
            result.text
                == "HTTP/1.1 200 OK\r\nDate: now\r\nserver: nginx\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n"
                + "Content-Length: 5\r\n\r\n"
        )
        #expect(result.downstream == Downstream(framing: .length(5), keepAlive: true))
    }

    @Test("names wmproxy as the server if the service has no name")
    func server() throws {
        #expect(
            try downstream(response("Content-Length: 0\r\n")).text
                == "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nServer: wmproxy\r\n\r\n")
    }

    @Test("keeps the reason phrase, and makes do without")
    func reason() throws {
        #expect(
            try downstream(response("Server: s\r\n", line: "HTTP/1.0 404 Not \u{E9} here"), method: .head).text
                == "HTTP/1.1 404 Not \u{E9} here\r\nServer: s\r\n\r\n")
        #expect(
            try downstream(response("Server: s\r\n", line: "HTTP/1.1 204"), method: .head).text
                == "HTTP/1.1 204 \r\nServer: s\r\n\r\n")
        #expect(
            try downstream(response("Server: s\r\n", line: "HTTP/1.1 204 "), method: .head).text
                == "HTTP/1.1 204 \r\nServer: s\r\n\r\n")
    }

    @Test("is framed for the visitor's version: chunks for HTTP/1.1, the close for HTTP/1.0")
    func visitorFraming() throws {
        for fields in ["Server: s\r\n", "Server: s\r\nTransfer-Encoding: chunked\r\n"] {
            let modern = try downstream(response(fields))
            #expect(modern.text == "HTTP/1.1 200 OK\r\nServer: s\r\nTransfer-Encoding: chunked\r\n\r\n")
            #expect(modern.downstream == Downstream(framing: .chunked, keepAlive: true))
            let old = try downstream(response(fields), version: .http10)
            #expect(old.text == "HTTP/1.1 200 OK\r\nServer: s\r\nConnection: close\r\n\r\n")
            #expect(old.downstream == Downstream(framing: .untilClose, keepAlive: false))
        }
    }

    @Test("says whether the visitor's connection stays")
    func visitorConnection() throws {
        let text = response("Server: s\r\nContent-Length: 0\r\n")
        let start = "HTTP/1.1 200 OK\r\nServer: s\r\nContent-Length: 0\r\n"
        #expect(try downstream(text).text == start + "\r\n")
        #expect(try downstream(text, keepAlive: false).text == start + "Connection: close\r\n\r\n")
        #expect(try downstream(text, version: .http10).text == start + "Connection: keep-alive\r\n\r\n")
        #expect(try downstream(text, version: .http10, keepAlive: false).text == start + "Connection: close\r\n\r\n")
    }

    @Test("to HEAD and as 304 keeps the length that GET would have; as 204 it has none")
    func bodiless() throws {
        let head = try downstream(response("Server: s\r\nContent-Length: 5\r\n"), method: .head)
        #expect(head.text == "HTTP/1.1 200 OK\r\nServer: s\r\nContent-Length: 5\r\n\r\n")
        #expect(head.downstream.framing == .none)
        let chunked = try downstream(response("Server: s\r\nTransfer-Encoding: chunked\r\n"), method: .head)
        #expect(chunked.text == "HTTP/1.1 200 OK\r\nServer: s\r\n\r\n")
        let notModified = try downstream(
            response("Server: s\r\nContent-Length: 5\r\n", line: "HTTP/1.1 304 Not Modified"))
        #expect(notModified.text == "HTTP/1.1 304 Not Modified\r\nServer: s\r\nContent-Length: 5\r\n\r\n")
        let noContent = try downstream(response("Server: s\r\nContent-Length: 5\r\n", line: "HTTP/1.1 204 No Content"))
        #expect(noContent.text == "HTTP/1.1 204 No Content\r\nServer: s\r\n\r\n")
    }

    @Test("passes interim responses on to HTTP/1.1 with their own fields only, to HTTP/1.0 not at all")
    func interim() throws {
        let hints = response("Link: </a.css>\r\nConnection: close\r\n", line: "HTTP/1.1 103 Early Hints")
        #expect(try downstream(hints, keepAlive: false).text == "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n")
        #expect(try downstream(hints, version: .http10).text == "")
        #expect(parseResponse(hints).head?.isInterim == true)
        #expect(try downstream(response("", line: "HTTP/1.1 100 Continue")).text == "HTTP/1.1 100 Continue\r\n\r\n")
    }

    @Test("switches protocols only if the request asked for it and the service says to which")
    func switching() throws {
        let text = response(
            "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n",
            line: "HTTP/1.1 101 Switching Protocols")
        let result = try downstream(text, upgrade: true)
        #expect(
            result.text
                == "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n"
                + "Server: wmproxy\r\n"
                + "Connection: Upgrade\r\n\r\n")
        #expect(parseResponse(text).head?.isInterim == false)
        #expect(throws: HTTPViolation.unaskedUpgrade) { try downstream(text) }
        for fields in [
            "", "Connection: upgrade\r\n", "Upgrade: websocket\r\n", "Connection: upgrade\r\nUpgrade: h2c\r\n",
        ] {
            #expect(throws: HTTPViolation.malformedUpgrade) {
                try downstream(response(fields, line: "HTTP/1.1 101 Switching Protocols"), upgrade: true)
            }
        }
    }

    @Test("does not let Connection take the length away")
    func nomination() throws {
        #expect(
            try downstream(response("Server: s\r\nConnection: Content-Length\r\nContent-Length: 5\r\n")).text
                == "HTTP/1.1 200 OK\r\nServer: s\r\nContent-Length: 5\r\n\r\n")
    }
}
