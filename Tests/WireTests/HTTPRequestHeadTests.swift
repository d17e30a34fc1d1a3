import Testing

@testable import WMPWire

@Suite("Request head")
struct HTTPRequestHeadTests {
    /// Every way to be malformed, and the status it must be answered with.
    static let malformed: [(String, Int)] = [
        // Framing that two readers could understand differently (RFC 9112 §6.1, §6.3, §11.2).
        (request("Host: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400),
        (request("Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n"), 400),
        (request("Host: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400),
        (request("Host: a\r\nTransfer-Encoding: chunked, chunked\r\n"), 400),
        (request("Host: a\r\nTransfer-Encoding: gzip, chunked\r\n"), 400),
        (request("Host: a\r\nTransfer-Encoding: chunked, identity\r\n"), 400),
        (request("Host: a\r\nTransfer-Encoding: identity\r\n"), 400),
        (request("Host: a\r\nTransfer-Encoding: xchunked\r\n"), 400),
        (request("Host: a\r\nTransfer-Encoding: chunked;q=1\r\n"), 400),
        (request("Host: a\r\nTransfer-Encoding: \"chunked\"\r\n"), 400),
        (request("Host: a\r\nTransfer-Encoding: ,chunked\r\n"), 400),
        (request("Host: a\r\nTransfer-Encoding: \r\n"), 400),
        (request("Host: a\r\nTransfer-Encoding: chunked\u{B}\r\n"), 400),
        (request("Host: a\r\nTransfer-Encoding: chunked\r\n", line: "POST / HTTP/1.0"), 400),
        (request("Host: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n"), 400),
        (request("Host: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n"), 400),
        (request("Host: a\r\nContent-Length: 5, 5\r\n"), 400),
        (request("Host: a\r\nContent-Length: +5\r\n"), 400),
        (request("Host: a\r\nContent-Length: -5\r\n"), 400),
        (request("Host: a\r\nContent-Length: 0x5\r\n"), 400),
        (request("Host: a\r\nContent-Length: 5 5\r\n"), 400),
        (request("Host: a\r\nContent-Length: 5.0\r\n"), 400),
        (request("Host: a\r\nContent-Length: five\r\n"), 400),
        (request("Host: a\r\nContent-Length: \r\n"), 400),
        (request("Host: a\r\nContent-Length: 9223372036854775808\r\n"), 400),
        (request("Host: a\r\nContent-Length: 18446744073709551621\r\n"), 400),
        (request("Host: a\r\nContent-Length: 99999999999999999999999999999999\r\n"), 400),
        // Line ends and control characters (RFC 9112 §2.2, RFC 9110 §5.5).
        ("GET / HTTP/1.1\nHost: a\n\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\n\n", 400),
        ("GET / HTTP/1.1\rHost: a\r\n\r\n", 400),
        (request("Host: a\r\nX: b\rc\r\n"), 400),
        (request("Host: a\r\nX: b\r\r\n"), 400),
        (request("Host: a\r\nX: b\u{0}c\r\n"), 400),
        (request("Host: a\r\nX: b\u{1}c\r\n"), 400),
        (request("Host: a\r\nX: b\u{7F}c\r\n"), 400),
        (request("Host: a\r\nX: b\u{1B}[0m\r\n"), 400),
        (request("Host: a\r\nX\u{0}: b\r\n"), 400),
        // Field lines (RFC 9112 §5).
        (request("Host: a\r\nX: b\r\n c\r\n"), 400),
        (request("Host: a\r\nX: b\r\n\tc\r\n"), 400),
        (request(" Host: a\r\n"), 400),
        (request("Host: a\r\nX : b\r\n"), 400),
        (request("Host: a\r\nX\t: b\r\n"), 400),
        (request("Host : a\r\n"), 400),
        (request("Host: a\r\n: b\r\n"), 400),
        (request("Host: a\r\nX\r\n"), 400),
        (request("Host: a\r\nX Y: b\r\n"), 400),
        (request("Host: a\r\nX(Y): b\r\n"), 400),
        (request("Host: a\r\nX\u{E9}: b\r\n"), 400),
        (request("Host: a\r\nConnection: a b\r\n"), 400),
        (request("Host: a\r\nConnection: \"close\"\r\n"), 400),
        (request("Host: a\r\nConnection: " + String(repeating: "x, ", count: 33) + "y\r\n"), 400),
        // Host (RFC 9112 §3.2).
        (request(""), 400),
        (request("", line: "GET / HTTP/1.0"), 400),
        (request("", line: "GET http://a/ HTTP/1.1"), 400),
        (request("Host: a\r\nHost: a\r\n"), 400),
        (request("Host: a\r\nHost: b\r\n"), 400),
        (request("Host: a\r\nhost: b\r\n"), 400),
        (request("Host: \r\n"), 400),
        (request("Host: a, b\r\n"), 400),
        (request("Host: a b\r\n"), 400),
        (request("Host: a/b\r\n"), 400),
        (request("Host: user@a\r\n"), 400),
        (request("Host: user:pass@a\r\n"), 400),
        (request("Host: http://a\r\n"), 400),
        (request("Host: a:b\r\n"), 400),
        (request("Host: a:80:80\r\n"), 400),
        (request("Host: a:65536\r\n"), 400),
        (request("Host: a:+80\r\n"), 400),
        (request("Host: a#b\r\n"), 400),
        (request("Host: a?b\r\n"), 400),
        (request("Host: a%41\r\n"), 400),
        (request("Host: a\\b\r\n"), 400),
        (request("Host: a..b\r\n"), 400),
        (request("Host: .a\r\n"), 400),
        (request("Host: .\r\n"), 400),
        (request("Host: [::1\r\n"), 400),
        (request("Host: [:::1]\r\n"), 400),
        (request("Host: ::1\r\n"), 400),
        (request("Host: [::1]a\r\n"), 400),
        (request("Host: \u{E9}\r\n"), 400),
        (request("Host: b\r\n", line: "GET http://a/ HTTP/1.1"), 400),
        (request("Host: a:81\r\n", line: "GET http://a/ HTTP/1.1"), 400),
        (request("Host: a\r\n", line: "GET http://a:81/ HTTP/1.1"), 400),
        (request("Host: a:80\r\n", line: "GET https://a/ HTTP/1.1"), 400),
        // Request line (RFC 9112 §3).
        (request("Host: a\r\n", line: "GET /#top HTTP/1.1"), 400),
        (request("Host: a\r\n", line: "GET /?q#top HTTP/1.1"), 400),
        (request("Host: a\r\n", line: "GET http://a#b/ HTTP/1.1"), 400),
        (request("Host: a\r\n", line: "GET http://user@a/ HTTP/1.1"), 400),
        (request("Host: a\r\n", line: "GET http:/// HTTP/1.1"), 400),
        (request("Host: a\r\n", line: "GET http:// HTTP/1.1"), 400),
        (request("Host: a\r\n", line: "GET ftp://a/ HTTP/1.1"), 400),
        (request("Host: a\r\n", line: "GET a HTTP/1.1"), 400),
        (request("Host: a\r\n", line: "GET * HTTP/1.1"), 400),
        (request("Host: a\r\n", line: "OPTIONS ** HTTP/1.1"), 400),
        (request("Host: a\r\n", line: "GET  / HTTP/1.1"), 400),
        (request("Host: a\r\n", line: "GET /  HTTP/1.1"), 400),
        (request("Host: a\r\n", line: "GET / HTTP/1.1 "), 400),
        (request("Host: a\r\n", line: " GET / HTTP/1.1"), 400),
        (request("Host: a\r\n", line: "GET\t/ HTTP/1.1"), 400),
        (request("Host: a\r\n", line: "GET /\tb HTTP/1.1"), 400),
        (request("Host: a\r\n", line: "GET / b HTTP/1.1"), 400),
        (request("Host: a\r\n", line: "GET /\u{E9} HTTP/1.1"), 400),
        (request("Host: a\r\n", line: "GET /"), 400),
        (request("Host: a\r\n", line: "GET"), 400),
        (request("Host: a\r\n", line: "GET HTTP/1.1"), 400),
        (request("Host: a\r\n", line: "G(T / HTTP/1.1"), 400),
        (request("Host: a\r\n", line: "GET / http/1.1"), 400),
        (request("Host: a\r\n", line: "GET / HTTP/11"), 400),
        (request("Host: a\r\n", line: "GET / HTTP/1.10"), 400),
        (request("Host: a\r\n", line: "GET / HTTP/1.x"), 400),
        (request("Host: a\r\n", line: "GET / HTTPS/1.1"), 400),
        ("\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("\u{16}\u{3}\u{1}\u{0}", 400),
        // Known, but not here.
        (request("Host: a:443\r\n", line: "CONNECT a:443 HTTP/1.1"), 405),
        (request("Host: a\r\n", line: "GET / HTTP/2.0"), 505),
        (request("Host: a\r\n", line: "GET / HTTP/1.2"), 505),
        (request("Host: a\r\n", line: "GET / HTTP/0.9"), 505),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (request("Host: a\r\n", line: String(repeating: "M", count: 33) + " / HTTP/1.1"), 501),
    ]

    @Test("is refused when malformed, each case with its status")
    func isRefused() {
        for (text, status) in Self.malformed {
            #expect(parseRequest(text).status == status, "\(text.debugDescription)")
        }
    }

    @Test("is refused for any octet but a token's in a field name, and any control but HTAB in a value")
    func octets() {
        let token = Set("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)
        for octet in UInt8.min...UInt8.max {
            let inName = Array("GET / HTTP/1.1\r\nHost: a\r\nX".utf8) + [octet] + Array("Y: b\r\n\r\n".utf8)
            #expect(
                (parseRequest(inName).head != nil) == (token.contains(octet) || octet == 0x3A),
                "octet \(octet) in a name")
            let inValue = Array("GET / HTTP/1.1\r\nHost: a\r\nX: b".utf8) + [octet] + Array("c\r\n\r\n".utf8)
            let isText = octet >= 0x20 && octet != 0x7F || octet == 0x09
            #expect((parseRequest(inValue).head != nil) == isText, "octet \(octet) in a value")
            let inTarget = Array("GET /b".utf8) + [octet] + Array("c HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
            let isVisible = (0x21...0x7E).contains(octet) && octet != 0x23
            #expect((parseRequest(inTarget).head != nil) == isVisible, "octet \(octet) in a target")
            let inHost = Array("GET / HTTP/1.1\r\nHost: b".utf8) + [octet] + Array("c\r\n\r\n".utf8)
            let isHost = token.contains(octet) && !"!#$%&'*+^`|~".utf8.contains(octet)
            #expect((parseRequest(inHost).head != nil) == isHost, "octet \(octet) in a host")
        }
    }

    @Test("says what was asked for")
    func says() throws {
        let text = request(
            "Host: Example.COM.:8080\r\nUser-Agent: x\r\nContent-Length: 12\r\nExpect: 100-Continue\r\n",
            line: "POST /a/b?c=d?e HTTP/1.1")
        guard case .complete(let head, let length) = parseRequest(text + "hello") else {
            Issue.record("not accepted")
            return
        }
        #expect(length == text.utf8.count)
        #expect(head.length == length)
        #expect(head.method == .post)
        #expect(head.version == .http11)
        #expect(head.host == HostName("example.com"))
        #expect(head.host.port == 8080)
        #expect(head.framing == .length(12))
        #expect(head.expectsContinue && head.keepAlive && !head.upgrade && !head.prefersJSON)
        let bytes = Array(text.utf8)
        #expect(String(decoding: bytes[head.target.path], as: UTF8.self) == "/a/b")
        #expect(String(decoding: bytes[try #require(head.target.query)], as: UTF8.self) == "c=d?e")
    }

    @Test(
        "knows the methods, and any other token",
        arguments: [
            ("GET", HTTPMethod.get), ("HEAD", .head), ("POST", .post), ("PUT", .put), ("DELETE", .delete),
            ("OPTIONS", .options),
            ("PATCH", .patch), ("TRACE", .trace), ("PROPFIND", .other(0..<8)), ("get", .other(0..<3)),
            ("M-SEARCH", .other(0..<8)),
            (String(repeating: "M", count: 32), .other(0..<32)),
        ])
    func methods(name: String, method: HTTPMethod) {
        #expect(parseRequest(request("Host: a\r\n", line: "\(name) / HTTP/1.1")).head?.method == method)
    }

    /// Strange, but understood by everyone alike.
    static let strange = [
        request("host:a\r\n"),
        request("HOST: \t a \t \r\n"),
        request("Host: a\r\nEmpty:\r\n"),
        request("Host: a\r\nX: a\tb\r\n"),
        request("Host: a:\r\n"),
        request("Host: a_b-c.d\r\n"),
        request("Host: [2001:db8::1]:8080\r\n"),
        request("Host: 192.0.2.1\r\n"),
        request("Host: a\r\nContent-Length: 9223372036854775807\r\n"),
        request("Host: a\r\nContent-Length: 007\r\n"),
        request("Host: a\r\nTransfer-Encoding: CHUNKED\r\n"),
        request("Host: a\r\nTransfer-Encoding:chunked\t\r\n"),
        request("Host: a\r\nConnection: , close,,\r\n"),
        request("Host: a\r\n", line: "OPTIONS * HTTP/1.1"),
        request("Host: a\r\n", line: "GET /{}|\"<>[]^`\\ HTTP/1.1"),
        request("Host: a\r\n", line: "GET //b HTTP/1.1"),
        request("Host: a\r\n", line: "GET /? HTTP/1.1"),
        request("Host: A.:80\r\n", line: "GET HTTP://a/ HTTP/1.1"),
        request("Host: a\r\n", line: "GET https://a:443 HTTP/1.1"),
        request("Host: a\r\n", line: "GET / HTTP/1.0"),
        "\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    ]

    @Test("accepts what is strange but clear")
    func accepts() {
        for text in Self.strange {
            #expect(parseRequest(text).head != nil, "\(text.debugDescription)")
        }
    }

    @Test("accepts obs-text in a value: cookies and file names in UTF-8 are common")
    func obsText() {
        #expect(parseRequest(request("Host: a\r\nCookie: name=J\u{F6}rg\r\n")).head != nil)
    }

    @Test(
        "keeps the connection as version and Connection say",
        arguments: [
            ("HTTP/1.1", "", true), ("HTTP/1.1", "Connection: close\r\n", false),
            ("HTTP/1.1", "Connection: keep-alive\r\n", true),
            ("HTTP/1.1", "Connection: keep-alive, Close\r\n", false),
            ("HTTP/1.1", "Connection: x\r\nConnection: close\r\n", false),
            ("HTTP/1.0", "", false), ("HTTP/1.0", "Connection: Keep-Alive\r\n", true),
            ("HTTP/1.0", "Connection: keep-alive\r\nConnection: close\r\n", false),
        ])
    func keepAlive(version: String, fields: String, expected: Bool) {
        #expect(parseRequest(request("Host: a\r\n" + fields, line: "GET / \(version)")).head?.keepAlive == expected)
    }

    @Test(
        "asks for an upgrade only in HTTP/1.1, with both fields, and never to h2c",
        arguments: [
            ("HTTP/1.1", "Connection: Upgrade\r\nUpgrade: websocket\r\n", true),
            ("HTTP/1.1", "Upgrade: websocket\r\nConnection: keep-alive, upgrade\r\n", true),
            ("HTTP/1.0", "Connection: Upgrade\r\nUpgrade: websocket\r\n", false),
            ("HTTP/1.1", "Upgrade: websocket\r\n", false),
            ("HTTP/1.1", "Connection: Upgrade\r\n", false),
            ("HTTP/1.1", "Connection: Upgrade\r\nUpgrade: ,\r\n", false),
            ("HTTP/1.1", "Connection: Upgrade\r\nUpgrade: h2c\r\n", false),
            ("HTTP/1.1", "Connection: Upgrade\r\nUpgrade: websocket, H2C\r\n", false),
        ])
    func upgrade(version: String, fields: String, expected: Bool) {
        #expect(parseRequest(request("Host: a\r\n" + fields, line: "GET / \(version)")).head?.upgrade == expected)
    }

    @Test(
        "waits for 100 only with a body and HTTP/1.1",
        arguments: [
            ("POST / HTTP/1.1", "Content-Length: 1\r\n", true),
            ("POST / HTTP/1.1", "Transfer-Encoding: chunked\r\n", true),
            ("POST / HTTP/1.1", "Content-Length: 0\r\n", false), ("GET / HTTP/1.1", "", false),
            ("POST / HTTP/1.0", "Content-Length: 1\r\n", false),
        ])
    func expects(line: String, fields: String, expected: Bool) {
        #expect(
            parseRequest(request("Host: a\r\nExpect: 100-continue\r\n" + fields, line: line)).head?.expectsContinue
                == expected)
    }

    @Test(
        "prefers JSON if Accept names it before HTML",
        arguments: [
            ("application/json", true), ("application/json;q=0.1, text/html", true),
            ("text/html, application/json", false),
            ("*/*", false), ("image/png, Application/JSON ; q=1", true), ("text/html;level=1,application/json", false),
            ("application/jsonp", false),
        ])
    func accept(value: String, expected: Bool) {
        #expect(parseRequest(request("Host: a\r\nAccept: \(value)\r\n")).head?.prefersJSON == expected)
    }

    @Test("is limited in octets: 414 in the request line, 431 behind it")
    func octetLimit() {
        let limits = HeadLimits(maxBytes: 100, maxFields: 10)
        let fits = request("Host: a\r\nX: \(String(repeating: "x", count: 68))\r\n")
        #expect(fits.utf8.count == 100)
        #expect(parseRequest(fits + "body", limits: limits).head != nil)
        #expect(
            parseRequest(request("Host: a\r\nX: \(String(repeating: "x", count: 69))\r\n"), limits: limits).status
                == 431)
        #expect(parseRequest("GET /\(String(repeating: "x", count: 95))", limits: limits).status == 414)
        #expect(parseRequest("GET /\(String(repeating: "x", count: 94))", limits: limits).status == nil)
        // Counted as they arrive: no end in sight, yet refused.
        #expect(parseRequest("GET / HTTP/1.1\r\nX: \(String(repeating: "x", count: 95))", limits: limits).status == 431)
    }

    @Test("is limited in fields, counted as they arrive")
    func fieldLimit() {
        let fields = "Host: a\r\n" + String(repeating: "X: y\r\n", count: 99)
        #expect(parseRequest(request(fields)).head != nil)
        #expect(parseRequest(request(fields + "X: y\r\n")).status == 431)
        #expect(parseRequest("GET / HTTP/1.1\r\n" + fields + "X: y\r\n").status == 431)
    }

    @Test("asks for more until it is complete, and never looks beyond its end")
    func incomplete() {
        let text = Array(request("Host: a\r\nX: y\r\n").utf8)
        for end in 0..<text.count {
            guard case .incomplete = parseRequest(Array(text[..<end])) else {
                Issue.record("complete or refused after \(end) octets")
                return
            }
        }
        guard case .complete(_, let length) = parseRequest(text + [0, 10, 13]) else {
            Issue.record("what follows the head matters")
            return
        }
        #expect(length == text.count)
    }

    @Test("is as new after a reset, also after a violation")
    func reset() throws {
        var head = RequestHead()
        let first = Array(
            request("Host: a\r\nContent-Length: 5\r\nConnection: close\r\nAccept: application/json\r\n").utf8)
        let wrong = Array(request("Host: a\r\nHost: b\r\n").utf8)
        let last = Array(request("Host: c\r\n").utf8)
        _ = try head.parse(first.span)
        head.reset()
        #expect(throws: HTTPViolation.severalHosts) { try head.parse(wrong.span) }
        head.reset()
        #expect(try head.parse(last.span) == last.count)
        #expect(head.host == HostName("c") && head.framing == .none && head.keepAlive && !head.prefersJSON)
    }
}
