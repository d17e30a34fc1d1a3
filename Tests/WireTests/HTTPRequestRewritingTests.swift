import Testing

@testable import WMPWire

@Suite("Request to the service")
struct HTTPRequestRewritingTests {
    /// What this edge tells of `plainVisitor` when it asked for `host`.
    private func told(_ host: String) -> String {
        "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: \(host)\r\n"
            + "Forwarded: for=203.0.113.7;host=\(host);proto=http\r\n"
    }

    private let trustedProxy = VisitorInfo(address: "198.51.100.1", isSecure: true, port: 443, trustsForwarded: true)

    @Test("keeps end-to-end fields in order and case, and adds what the visitor is")
    func plain() throws {
        let fields = "hOsT: Example.com\r\nX-b:  1 \r\nX-A: 2\r\nx-b: 3\r\nAccept: */*\r\nCookie: a=b; c=d\r\n"
        let result = try upstream(request(fields, line: "GET /a?b=c HTTP/1.1"))
        #expect(result == "GET /a?b=c HTTP/1.1\r\n" + fields + told("Example.com") + "\r\n")
    }

    @Test("leaves leading empty lines out")
    func leadingLines() throws {
        #expect(
            try upstream("\r\n\r\n" + request("Host: a\r\n")) == "GET / HTTP/1.1\r\nHost: a\r\n" + told("a") + "\r\n")
    }

    @Test("is HTTP/1.1 and says nothing of the visitor's connection")
    func hopByHop() throws {
        let text = request(
            "Connection: close, X-Secret\r\nHost: a\r\nX-Secret: 1\r\nKeep-Alive: timeout=5\r\n"
                + "Proxy-Connection: close\r\n"
                + "TE: trailers\r\nTrailer: X-Sum\r\nUpgrade: websocket\r\nProxy: http://evil\r\n"
                + "HTTP2-Settings: AA\r\nX-Last: 1\r\n",
            line: "GET / HTTP/1.0")
        #expect(try upstream(text) == "GET / HTTP/1.1\r\nHost: a\r\nX-Last: 1\r\n" + told("a") + "\r\n")
    }

    @Test("does not let Connection take away Host, framing, Expect, or what the edge and its proxies tell")
    func nomination() throws {
        let text = request(
            "Host: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\nX-Forwarded-For: 10.0.0.1\r\n"
                + "X-Forwarded-Proto: http\r\n"
                + "Connection: Host, content-length, Transfer-Encoding, X-Forwarded-For, X-Forwarded-Proto, "
                + "Forwarded, Expect\r\n",
            line: "POST / HTTP/1.1")
        #expect(
            try upstream(text, trustedProxy)
                == "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n"
                + "X-Forwarded-Proto: http\r\n"
                + "X-Forwarded-For: 10.0.0.1, 198.51.100.1\r\nX-Forwarded-Host: a\r\nX-Forwarded-Port: 443\r\n"
                + "Forwarded: for=10.0.0.1, for=198.51.100.1;host=a;proto=https\r\n\r\n")
    }

    @Test("drops what an untrusted visitor says of itself, and names that shadow ours under CGI")
    func untrusted() throws {
        let text = request(
            "X-Forwarded-For: 10.0.0.1\r\nx-forwarded-proto: https\r\nX-FORWARDED-HOST: evil\r\nX-Forwarded-Port: 1\r\n"
                + "X-Forwarded-Prefix: /evil\r\nForwarded: for=10.0.0.1\r\nX-Real-IP: 10.0.0.1\r\nHost: a\r\n"
                + "X_Forwarded_For: 10.0.0.1\r\nX-Forwarded_Proto: https\r\nContent_Length: 5\r\n"
                + "Transfer_Encoding: chunked\r\n"
                + "X_Real_IP: 10.0.0.1\r\nX_Other: stays\r\n")
        #expect(try upstream(text) == "GET / HTTP/1.1\r\nHost: a\r\nX_Other: stays\r\n" + told("a") + "\r\n")
    }

    @Test("continues what a trusted proxy says")
    func trusted() throws {
        let text = request(
            "Host: a\r\nX-Forwarded-For: 10.0.0.1\r\nX-Forwarded-For: 10.0.0.2 \r\nX-Forwarded-Proto: http\r\n"
                + "X-Forwarded-Host: b\r\n"
                + "X-Forwarded-Port: 80\r\nX-Real-IP: 10.0.0.1\r\nForwarded: for=10.0.0.1;proto=http, for=10.0.0.2\r\n"
                + "X_Forwarded_For: 10.0.0.9\r\n")
        #expect(
            try upstream(text, trustedProxy)
                == "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: b\r\n"
                + "X-Forwarded-Port: 80\r\n"
                + "X-Real-IP: 10.0.0.1\r\nX-Forwarded-For: 10.0.0.1, 10.0.0.2, 198.51.100.1\r\n"
                + "Forwarded: for=10.0.0.1;proto=http, for=10.0.0.2, for=198.51.100.1;host=a;proto=https\r\n\r\n")
    }

    @Test("makes a Forwarded that agrees with the X-Forwarded-For of a trusted proxy (RFC 7239 §7.4)")
    func converted() throws {
        let text = request("Host: a\r\nX-Forwarded-For: 10.0.0.1, 2001:db8::2, evil\";host=b, 10.0.0.2:99\r\n")
        let result = try upstream(text, trustedProxy)
        #expect(
            result.hasSuffix(
                "Forwarded: for=10.0.0.1, for=\"[2001:db8::2]\", for=unknown, for=unknown, "
                    + "for=198.51.100.1;host=a;proto=https\r\n\r\n"
            ))
    }

    @Test("quotes in Forwarded what is no token: IPv6 addresses and ports (RFC 7239 §6)")
    func quoted() throws {
        let visitor = VisitorInfo(address: "2001:db8::1", isSecure: true, port: 8443)
        #expect(
            try upstream(request("Host: [::1]:8443\r\n"), visitor)
                == "GET / HTTP/1.1\r\nHost: [::1]:8443\r\nX-Forwarded-For: 2001:db8::1\r\nX-Forwarded-Proto: https\r\n"
                + "X-Forwarded-Host: [::1]:8443\r\nX-Forwarded-Port: 8443\r\n"
                + "Forwarded: for=\"[2001:db8::1]\";host=\"[::1]:8443\";proto=https\r\n\r\n")
        #expect(try upstream(request("Host: [::1]\r\n")).contains(";host=\"[::1]\";"))
        #expect(try upstream(request("Host: a:80\r\n")).contains(";host=\"a:80\";"))
        #expect(try upstream(request("Host: a:\r\n")).contains(";host=\"a:\";"))
    }

    @Test("has the Host of the mapping if that is asked for, in place, and tells the visitor's")
    func hostOverride() throws {
        var visitor = plainVisitor
        visitor.hostOverride = HostName("Service.Internal:8080")
        #expect(
            try upstream(request("A: 1\r\nhost: a\r\nB: 2\r\n"), visitor)
                == "GET / HTTP/1.1\r\nA: 1\r\nhost: service.internal:8080\r\nB: 2\r\n" + told("a") + "\r\n")
    }

    @Test(
        "has an origin-form target whatever the visitor sent (RFC 9112 §3.2)",
        arguments: [
            ("GET http://a/b?c", "GET /b?c"), ("GET http://a", "GET /"), ("GET http://a?c", "GET /?c"),
            ("GET HTTPS://A:/", "GET /"),
            ("OPTIONS *", "OPTIONS *"), ("OPTIONS http://a", "OPTIONS *"), ("OPTIONS http://a/", "OPTIONS /"),
            ("OPTIONS http://a?b", "OPTIONS /?b"),
            ("GET //b/../c", "GET //b/../c"),
        ])
    func targets(sent: String, received: String) throws {
        let result = try upstream(request("Host: a\r\n", line: "\(sent) HTTP/1.1"))
        #expect(result == "\(received) HTTP/1.1\r\nHost: a\r\n" + told("a") + "\r\n")
    }

    @Test("frames the body as it will be sent: the length as it is, chunks anew")
    func framing() throws {
        #expect(
            try upstream(request("Host: a\r\nContent-Length: 007\r\n", line: "PUT / HTTP/1.1"))
                == "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 007\r\n" + told("a") + "\r\n")
        #expect(
            try upstream(request("Host: a\r\nTransfer-Encoding: CHUNKED\r\nTrailer: X\r\n", line: "PUT / HTTP/1.1"))
                == "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n" + told("a") + "\r\n")
    }

    @Test("passes an upgrade on, and no other use of Upgrade")
    func upgrade() throws {
        #expect(
            try upstream(
                request(
                    "Host: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n")
            )
                == "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                + "Connection: Upgrade\r\n"
                + told("a") + "\r\n")
        #expect(
            try upstream(
                request("Host: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n"))
                == "GET / HTTP/1.1\r\nHost: a\r\n" + told("a") + "\r\n")
    }

    @Test("passes Expect on only where a 100 can come of it")
    func expect() throws {
        #expect(try upstream(request("Host: a\r\nExpect: 100-continue\r\n")).contains("Expect") == false)
        #expect(
            try upstream(request("Host: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n", line: "POST / HTTP/1.0"))
                .contains("Expect") == false)
        #expect(
            try upstream(request("Host: a\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n", line: "POST / HTTP/1.1"))
                .contains("Expect: 100-Continue\r\n"))
    }
}
