extension RequestHead {
    /// Appends the request as the service behind the tunnel shall see it: HTTP/1.1, origin-form, the end-to-end fields
    /// as they came and in their order, then what this edge says about framing, connection and visitor. There is no Via
    /// field: many servers stop compressing when they see one.
    ///
    /// The body follows as `framing` says: `.length` as it comes, `.chunked` chunked anew.
    ///
    /// - Parameters:
    ///   - input: the octets that `parse` was given when it returned the length.
    ///   - edits: what the operator wants changed; it prevails over the X-Forwarded-* and Forwarded written here.
    package func writeUpstream(
        from input: Span<UInt8>, visitor: VisitorInfo, edits: [FieldEdit] = [], into out: inout ByteBuffer
    ) {
        guard let length, length <= input.count else { return }
        _ = out.reserve(length + 512)
        // Fields that stay and lie next to each other are copied in one piece, the request line with them if it needs
        // no change.
        var kept = requestLine.lowerBound
        if version == .http10 || target.form != .origin {
            out.append(input.extracting(requestLine.lowerBound..<target.range.lowerBound))
            target.writeOriginForm(input, isOptions: method == .options, into: &out)
            out.appendLiteral(" HTTP/1.1\r\n")
            kept = requestLine.upperBound + 2
        }
        for field in lines.fields {
            if passes(field, input, visitor), edits.isEmpty || !edits.drop(field, input) { continue }
            let line = field.line
            out.append(input.extracting(kept..<line.lowerBound))
            kept = line.upperBound
            if field.id == .host, let override = visitor.hostOverride {
                out.append(input.extracting(field.name))
                out.appendLiteral(": ")
                override.write(into: &out)
                out.appendLiteral("\r\n")
            }
        }
        out.append(input.extracting(kept..<(length - 2)))
        if framing == .chunked { out.appendLiteral("Transfer-Encoding: chunked\r\n") }
        if upgrade { out.appendLiteral("Connection: Upgrade\r\n") }
        writeForwardedFields(input, visitor, edits, into: &out)
        if !edits.isEmpty {
            edits.write(besides: lines.fields, input, where: { passes($0, input, visitor) }, into: &out)
        }
        out.appendLiteral("\r\n")
    }

    /// Whether a field goes on as it is.
    @inline(__always)
    private func passes(_ field: FieldLine, _ input: Span<UInt8>, _ visitor: VisitorInfo) -> Bool {
        if field.isNominated { return false }
        switch field.id {
        case .other: return true
        case .host: return visitor.hostOverride == nil
        case .upgrade: return upgrade
        case .expect: return expectsContinue || !Octet.equalIgnoringCase(input, field.value, "100-continue")
        // These two are written anew, with the visitor added.
        case .forwarded, .xForwardedFor: return false
        default: return !field.id.isHopByHop && (visitor.trustsForwarded || !field.id.tellsOfVisitor)
        }
    }
}
