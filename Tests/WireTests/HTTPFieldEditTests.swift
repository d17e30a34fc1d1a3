import Testing

@testable import WMPWire

@Suite("Field edits")
struct HTTPFieldEditTests {
    private func edits(_ list: (FieldEdit.Operation, String, String)...) throws -> [FieldEdit] {
        try list.map { try #require(FieldEdit($0.0, name: $0.1, value: $0.2)) }
    }

    private func upstream(_ fields: String, _ edits: [FieldEdit], _ visitor: VisitorInfo = plainVisitor) throws
        -> String
    {
        let text = request("Host: a\r\n" + fields)
        let bytes = Array(text.utf8)
        let head = try #require(parseRequest(text).head)
        return written { head.writeUpstream(from: bytes.span, visitor: visitor, edits: edits, into: &$0) }
    }

    private func downstream(_ fields: String, _ edits: [FieldEdit], line: String = "HTTP/1.1 200 OK") throws -> String {
        let text = "\(line)\r\n\(fields)\r\n"
        let bytes = Array(text.utf8)
        let head = try #require(parseResponse(text).head)
        let context = ResponseContext(method: .head, version: .http11, upgrade: false, keepAlive: true)
        var out = ByteBuffer()
        _ = try head.writeDownstream(from: bytes.span, context: context, edits: edits, into: &out)
        return String(decoding: out.readable, as: UTF8.self)
    }

    private let told =
        "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a\r\n"
        + "Forwarded: for=203.0.113.7;host=a;proto=http\r\n"

    @Test("set, add, remove and fill in, in requests")
    func requests() throws {
        let fields = "X-A: 1\r\nX-B: 2\r\nx-a: 3\r\n"
        let start = "GET / HTTP/1.1\r\nHost: a\r\n"
        #expect(try upstream(fields, edits((.set, "X-a", "new"))) == start + "X-B: 2\r\n" + told + "X-a: new\r\n\r\n")
        #expect(try upstream(fields, edits((.add, "X-A", "new"))) == start + fields + told + "X-A: new\r\n\r\n")
        #expect(try upstream(fields, edits((.remove, "x-A", ""))) == start + "X-B: 2\r\n" + told + "\r\n")
        #expect(
            try upstream(fields, edits((.setIfAbsent, "X-A", "new"), (.setIfAbsent, "X-C", "new")))
                == start + fields + told + "X-C: new\r\n\r\n")
    }

    @Test("prevail over what the edge would say of the visitor")
    func forwarded() throws {
        #expect(
            try upstream("X-Forwarded-For: 1\r\n", edits((.set, "x-forwarded-for", "x"), (.remove, "Forwarded", "")))
                == "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a\r\n"
                + "x-forwarded-for: x\r\n\r\n"
        )
        let proxy = VisitorInfo(address: "192.0.2.1", isSecure: true, port: 443, trustsForwarded: true)
        #expect(
            try upstream(
                "X-Forwarded-Proto: http\r\n",
                edits((.set, "X-Forwarded-Proto", "x"), (.remove, "X-Forwarded-Host", "")), proxy)
                == "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Port: 443\r\n"
                + "Forwarded: for=192.0.2.1;host=a;proto=https\r\nX-Forwarded-Proto: x\r\n\r\n")
    }

    @Test("do not take a dropped field for a present one")
    func absent() throws {
        #expect(
            try upstream("X-Hop: 1\r\nConnection: X-Hop\r\n", edits((.setIfAbsent, "X-Hop", "2")))
                == "GET / HTTP/1.1\r\nHost: a\r\n" + told + "X-Hop: 2\r\n\r\n")
    }

    @Test("set, add, remove and fill in, in final responses")
    func responses() throws {
        let changes = try edits(
            (.set, "Server", "mine"), (.add, "Via", "x"), (.remove, "X-Powered-By", ""), (.setIfAbsent, "ETag", "y"))
        #expect(
            try downstream("Server: s\r\nX-Powered-By: p\r\nETag: e\r\n", changes)
                == "HTTP/1.1 200 OK\r\nETag: e\r\nServer: mine\r\nVia: x\r\n\r\n")
        #expect(try downstream("", edits((.remove, "Server", ""))) == "HTTP/1.1 200 OK\r\n\r\n")
        #expect(try downstream("", changes, line: "HTTP/1.1 103 Early Hints") == "HTTP/1.1 103 Early Hints\r\n\r\n")
    }

    @Test("cannot break a message, nor touch framing, connection and host")
    func refused() {
        for name in [
            "", "a b", "a:", "a\r\n", "\u{E9}", "Host", "content-length", "Transfer-Encoding", "Connection", "Upgrade",
            "TE", "Trailer", "Keep-Alive",
            "Proxy-Connection", "Proxy", "Expect", "Content_Length", "X_Forwarded_For",
        ] {
            #expect(FieldEdit(.set, name: name, value: "x") == nil, "\(name)")
        }
        for value in ["a\r\nb: c", "a\nb", "a\rb", "\u{0}", "\u{7F}"] {
            #expect(FieldEdit(.add, name: "X", value: value) == nil, "\(value.debugDescription)")
        }
        #expect(FieldEdit(.add, name: "X_Y", value: "\t\u{E9}") != nil)
    }
}
