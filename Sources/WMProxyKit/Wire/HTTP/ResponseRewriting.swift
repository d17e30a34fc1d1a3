/// What a response must know of the request it answers, and of the connection it goes to.
package struct ResponseContext: Sendable {
    package var method: HTTPMethod
    /// The visitor's version.
    package var version: HTTPVersion
    /// Whether the request asked to switch protocols: `RequestHead.upgrade`.
    package var upgrade: Bool
    /// Whether the edge will read another request from the visitor; it closes all the same if only that ends the body.
    package var keepAlive: Bool

    package init(method: HTTPMethod, version: HTTPVersion, upgrade: Bool, keepAlive: Bool) {
        self.method = method
        self.version = version
        self.upgrade = upgrade
        self.keepAlive = keepAlive
    }

    package init(_ request: RequestHead, keepAlive: Bool) {
        self.init(method: request.method, version: request.version, upgrade: request.upgrade, keepAlive: keepAlive)
    }
}

/// What follows a response head that was written to a visitor.
package struct Downstream: Equatable, Sendable {
    /// How the body goes to the visitor: `.none`, `.length` as it is, `.chunked` to be chunked, `.untilClose` as it is.
    package let framing: BodyFraming
    /// Whether the visitor's connection stays open after it.
    package let keepAlive: Bool
}

extension ResponseHead {
    /// Appends the response as the visitor shall see it: HTTP/1.1, the end-to-end fields as they came and in their
    /// order, then what this edge says about framing and connection, and `Server: wmproxy` if the service did not name
    /// itself.
    ///
    /// A body without Content-Length is chunked for an HTTP/1.1 visitor and lasts until the close for an HTTP/1.0 one.
    /// An interim response is passed on with its fields alone, and to HTTP/1.0 not at all (RFC 9110 §15.2).
    ///
    /// - Parameters:
    ///   - input: the octets that `parse` was given when it returned the length.
    ///   - edits: what the operator wants changed; interim responses are left alone.
    /// - Throws: 502 for a 101 that the request did not ask for, or that does not say to which protocol (RFC 9110 §7.8,
    ///   §15.2.2).
    package func writeDownstream(
        from input: Span<UInt8>, context: ResponseContext, edits: [FieldEdit] = [], into out: inout ByteBuffer
    ) throws(HTTPViolation) -> Downstream {
        guard let length, length <= input.count else { return Downstream(framing: .none, keepAlive: false) }
        let switches = status == 101
        if switches {
            guard context.upgrade else { throw .unaskedUpgrade }
            guard options.upgrade, upgradeFields.isOffered else { throw .malformedUpgrade }
        }
        if isInterim, context.version == .http10 { return Downstream(framing: .none, keepAlive: context.keepAlive) }

        let downstream = self.downstream(context)
        let edits = isInterim ? [] : edits
        _ = out.reserve(length + 128)
        writeStatusLine(input, into: &out)
        var hasServer = false
        var kept = lines.fields.first?.line.lowerBound ?? length - 2
        for field in lines.fields {
            hasServer = hasServer || field.id == .server
            if passes(field), edits.isEmpty || !edits.drop(field, input) { continue }
            out.append(input.extracting(kept..<field.line.lowerBound))
            kept = field.line.upperBound
        }
        out.append(input.extracting(kept..<(length - 2)))
        if !edits.isEmpty { edits.write(besides: lines.fields, input, where: { passes($0) }, into: &out) }
        if !isInterim, !hasServer, !edits.replace(.server) { out.appendLiteral("Server: wmproxy\r\n") }
        if downstream.framing == .chunked { out.appendLiteral("Transfer-Encoding: chunked\r\n") }
        if switches {
            out.appendLiteral("Connection: Upgrade\r\n")
        } else if !isInterim {
            if !downstream.keepAlive {
                out.appendLiteral("Connection: close\r\n")
            } else if context.version == .http10 {
                out.appendLiteral("Connection: keep-alive\r\n")
            }
        }
        out.appendLiteral("\r\n")
        return downstream
    }

    private func downstream(_ context: ResponseContext) -> Downstream {
        let framing = framing(forRequest: context.method)
        switch framing {
        case .none, .length: return Downstream(framing: framing, keepAlive: context.keepAlive)
        case .chunked, .untilClose:
            if context.version == .http11 { return Downstream(framing: .chunked, keepAlive: context.keepAlive) }
            return Downstream(framing: .untilClose, keepAlive: false)
        }
    }

    private func writeStatusLine(_ input: Span<UInt8>, into out: inout ByteBuffer) {
        out.appendLiteral("HTTP/1.1 ")
        out.appendDecimal(UInt64(status))
        if reason.isEmpty { out.append(Octet.space) } else { out.append(input.extracting(reason)) }
        out.appendLiteral("\r\n")
    }

    /// Whether a field goes on as it is.
    @inline(__always)
    private func passes(_ field: FieldLine) -> Bool {
        if field.isNominated { return false }
        switch field.id {
        case .other: return true
        case .upgrade: return status == 101
        // RFC 9110 §8.6: not in 1xx and 204. For HEAD and 304 it tells the length that GET would have.
        case .contentLength: return status >= 200 && status != 204
        // Means something in requests only.
        case .proxy, .http2Settings, .shadow: return true
        default: return !field.id.isHopByHop
        }
    }
}
