/// A response of the edge's own: what went wrong, for which domain, and why, as a short page or as JSON.
///
/// It is complete in itself, names no address of the service and repeats nothing the visitor sent but the domain,
/// escaped.
package struct ErrorPage {
    package enum Format: Sendable { case html, json }

    package var status: Int
    /// The host asked for; empty when none could be told.
    package var domain: String
    /// One clause for whoever reads the page.
    package var cause: String
    package var format = Format.html
    /// Seconds after which to try again, with 503 and 429 (RFC 9110 §10.2.3).
    package var retryAfter: Int?
    /// The methods a 405 must name (RFC 9110 §15.5.6).
    package var allow: StaticString = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE"
    /// The answer to HEAD: all fields, no body.
    package var omitsBody = false
    /// Whether another request may follow; the `Connection` field says so in the words of `version`.
    package var keepAlive = false
    package var version = HTTPVersion.http11

    package init(status: Int, domain: String, cause: String) {
        self.status = min(max(status, 400), 599)
        self.domain = domain
        self.cause = cause
    }

    /// The page for a malformed message; the connection closes after it.
    package init(_ violation: HTTPViolation, domain: String = "") {
        self.init(status: violation.status, domain: domain, cause: violation.reason.description)
    }

    /// The page in answer to `request`: its host, its format, its version, and no body for HEAD.
    package init(status: Int, cause: String, inAnswerTo request: RequestHead, keepAlive: Bool) {
        self.init(status: status, domain: request.host.description, cause: cause)
        format = request.prefersJSON ? .json : .html
        omitsBody = request.method == .head
        self.keepAlive = keepAlive
        version = request.version
    }

    package func write(into out: inout ByteBuffer) {
        var body = ByteBuffer()
        switch format {
        case .html: writeHTML(into: &body)
        case .json: writeJSON(into: &body)
        }
        out.appendLiteral("HTTP/1.1 ")
        out.appendDecimal(UInt64(status))
        out.append(Octet.space)
        out.appendLiteral(StatusPhrase.of(status))
        out.appendLiteral(
            "\r\nServer: wmproxy\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nContent-Type: ")
        out.appendLiteral(format == .html ? "text/html; charset=utf-8" : "application/json")
        out.appendLiteral("\r\nContent-Length: ")
        out.appendDecimal(UInt64(body.count))
        if status == 405 {
            out.appendLiteral("\r\nAllow: ")
            out.appendLiteral(allow)
        }
        if let retryAfter, retryAfter >= 0 {
            out.appendLiteral("\r\nRetry-After: ")
            out.appendDecimal(UInt64(retryAfter))
        }
        if !keepAlive {
            out.appendLiteral("\r\nConnection: close")
        } else if version == .http10 {
            out.appendLiteral("\r\nConnection: keep-alive")
        }
        out.appendLiteral("\r\n\r\n")
        if !omitsBody { out.append(body.readable) }
    }

    private func writeHTML(into out: inout ByteBuffer) {
        func writeTitle(into out: inout ByteBuffer) {
            out.appendDecimal(UInt64(status))
            out.append(Octet.space)
            out.appendLiteral(StatusPhrase.of(status))
        }
        out.appendLiteral(
            """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <title>
            """)
        writeTitle(into: &out)
        out.appendLiteral(
            """
            </title>
            <style>
            :root{color-scheme:light dark}
            body{font:1.1rem/1.5 system-ui,sans-serif;max-width:40rem;margin:15vh auto;padding:0 1rem;
            overflow-wrap:anywhere}
            </style>
            </head>
            <body>
            <main>
            <h1>
            """)
        writeTitle(into: &out)
        out.appendLiteral("</h1>\n")
        if !domain.isEmpty {
            out.appendLiteral("<p><strong>")
            appendHTML(domain, into: &out)
            out.appendLiteral("</strong></p>\n")
        }
        out.appendLiteral("<p>")
        appendHTML(cause, into: &out)
        out.appendLiteral("</p>\n</main>\n</body>\n</html>\n")
    }

    private func writeJSON(into out: inout ByteBuffer) {
        out.appendLiteral("{\"status\":")
        out.appendDecimal(UInt64(status))
        out.appendLiteral(",\"error\":\"")
        out.appendLiteral(StatusPhrase.of(status))
        out.appendLiteral("\",\"domain\":")
        appendJSON(domain, into: &out)
        out.appendLiteral(",\"cause\":")
        appendJSON(cause, into: &out)
        out.appendLiteral("}\n")
    }

    private func appendHTML(_ text: String, into out: inout ByteBuffer) {
        for octet in text.utf8 {
            switch octet {
            case UInt8(ascii: "<"): out.appendLiteral("&lt;")
            case UInt8(ascii: ">"): out.appendLiteral("&gt;")
            case UInt8(ascii: "&"): out.appendLiteral("&amp;")
            case UInt8(ascii: "\""): out.appendLiteral("&quot;")
            case UInt8(ascii: "'"): out.appendLiteral("&#39;")
            default: out.append(octet)
            }
        }
    }

    private func appendJSON(_ text: String, into out: inout ByteBuffer) {
        guard !text.isEmpty else { return out.appendLiteral("null") }
        out.append(UInt8(ascii: "\""))
        for octet in text.utf8 {
            switch octet {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                out.append(UInt8(ascii: "\\"))
                out.append(octet)
            case 0..<0x20:
                // None is expected; a blank says as much as an escape.
                out.append(Octet.space)
            default: out.append(octet)
            }
        }
        out.append(UInt8(ascii: "\""))
    }
}
