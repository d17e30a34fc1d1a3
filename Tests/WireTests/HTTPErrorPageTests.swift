import Testing

@testable import WMPWire

@Suite("Error page")
struct HTTPErrorPageTests {
    static let statuses = [400, 404, 405, 408, 413, 414, 421, 429, 431, 501, 502, 503, 504, 505]

    /// Head and body of a page, the head judged by our own parser.
    private func render(_ page: ErrorPage, method: HTTPMethod = .get) throws -> (head: String, body: String) {
        let text = written { page.write(into: &$0) }
        let bytes = Array(text.utf8)
        guard case .complete(let head, let length) = parseResponse(text) else {
            Issue.record("the page is no response: \(text)")
            return ("", "")
        }
        #expect(head.status == page.status)
        #expect(head.keepAlive == page.keepAlive)
        if !page.omitsBody {
            #expect(head.framing(forRequest: .get) == .length(UInt64(bytes.count - length)))
        }
        return (String(decoding: bytes[..<length], as: UTF8.self), String(decoding: bytes[length...], as: UTF8.self))
    }

    @Test("is a whole response in each format", arguments: statuses)
    func whole(status: Int) throws {
        var page = ErrorPage(status: status, domain: "app.example.com", cause: "the service does not answer")
        let html = try render(page)
        #expect(html.head.hasPrefix("HTTP/1.1 \(status) "))
        #expect(!html.head.contains("\(status) Error\r\n"))
        #expect(
            html.head.contains("Content-Type: text/html; charset=utf-8\r\n")
                && html.head.contains("Cache-Control: no-store\r\n"))
        #expect(html.head.contains("Server: wmproxy\r\n") && html.head.contains("Connection: close\r\n"))
        #expect(html.head.contains("Allow: ") == (status == 405))
        #expect(html.body.hasPrefix("<!DOCTYPE html>\n<html lang=\"en\">\n") && html.body.hasSuffix("</html>\n"))
        #expect(html.body.contains("<title>\(status) ") && html.body.contains("<h1>\(status) "))
        #expect(html.body.contains("app.example.com") && html.body.contains("the service does not answer"))
        page.format = .json
        let json = try render(page)
        #expect(json.head.contains("Content-Type: application/json\r\n"))
        #expect(json.body.hasPrefix("{\"status\":\(status),\"error\":\""))
        #expect(json.body.hasSuffix("\",\"domain\":\"app.example.com\",\"cause\":\"the service does not answer\"}\n"))
    }

    @Test("escapes what it is given")
    func escapes() throws {
        var page = ErrorPage(status: 404, domain: "<b>\"&'", cause: "a\\b\n\u{E9}")
        #expect(try render(page).body.contains("<strong>&lt;b&gt;&quot;&amp;&#39;</strong>"))
        page.format = .json
        #expect(try render(page).body.contains("\"domain\":\"<b>\\\"&'\",\"cause\":\"a\\\\b \u{E9}\""))
    }

    @Test("answers HEAD with the same fields and no body")
    func head() throws {
        var page = ErrorPage(status: 404, domain: "a", cause: "b")
        let full = try render(page)
        page.omitsBody = true
        let bare = try render(page)
        #expect(bare.head == full.head)
        #expect(bare.body.isEmpty && !full.body.isEmpty)
    }

    @Test("keeps the connection if told to, in the words of the visitor's version")
    func connection() throws {
        var page = ErrorPage(status: 503, domain: "", cause: "b")
        page.keepAlive = true
        page.retryAfter = 5
        #expect(try !render(page).head.contains("Connection:"))
        #expect(try render(page).head.contains("Retry-After: 5\r\n"))
        page.version = .http10
        #expect(try render(page).head.contains("Connection: keep-alive\r\n"))
    }

    @Test("takes host, format, version and method from the request it answers")
    func inAnswer() throws {
        let request = try #require(
            parseRequest("HEAD / HTTP/1.0\r\nHost: A:80\r\nAccept: application/json\r\nConnection: keep-alive\r\n\r\n")
                .head)
        let page = ErrorPage(status: 502, cause: "x", inAnswerTo: request, keepAlive: true)
        let result = try render(page)
        #expect(
            result.head.contains("application/json") && result.head.contains("Connection: keep-alive\r\n")
                && result.body.isEmpty)
        #expect(page.domain == "a")
    }

    @Test("tells a violation's reason and closes")
    func violation() throws {
        let violation = try #require(
            { if case .refused(let violation) = parseRequest("GET / HTTP/3.0\r\n") { violation } else { nil } }())
        let result = try render(ErrorPage(violation))
        #expect(
            result.head.hasPrefix("HTTP/1.1 505 HTTP Version Not Supported\r\n")
                && result.head.contains("Connection: close"))
        #expect(result.body.contains(violation.reason.description))
        #expect(!result.body.contains("<strong>"))
    }
}
