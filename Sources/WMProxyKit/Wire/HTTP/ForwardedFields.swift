extension RequestHead {
    /// Appends the fields by which a service learns who the visitor is: X-Forwarded-For, -Proto, -Host, -Port and
    /// Forwarded (RFC 7239).
    ///
    /// From an untrusted visitor nothing of the kind is believed, and these are the only ones. A trusted proxy's lists
    /// are continued, its X-Forwarded-Proto, -Host and -Port stand; where it sent X-Forwarded-For but no Forwarded, the
    /// latter begins with what the former says (RFC 7239 §7.4), so that the two never contradict each other.
    func writeForwardedFields(
        _ input: Span<UInt8>, _ visitor: VisitorInfo, _ edits: [FieldEdit], into out: inout ByteBuffer
    ) {
        /// Whether it is ours to say: no trusted proxy said it already, no edit puts something else in its place.
        func isOurs(_ id: FieldName) -> Bool {
            !(visitor.trustsForwarded && isGiven(id)) && (edits.isEmpty || !edits.replace(id))
        }
        if edits.isEmpty || !edits.replace(.xForwardedFor) {
            out.appendLiteral("X-Forwarded-For: ")
            if visitor.trustsForwarded { _ = continueList(.xForwardedFor, input, into: &out) }
            if visitor.address.isEmpty { out.appendLiteral("unknown") } else { out.append(visitor.address) }
            out.appendLiteral("\r\n")
        }
        if isOurs(.xForwardedProto) {
            out.appendLiteral("X-Forwarded-Proto: ")
            out.appendLiteral(visitor.scheme)
            out.appendLiteral("\r\n")
        }
        if isOurs(.xForwardedHost) {
            out.appendLiteral("X-Forwarded-Host: ")
            out.append(input.extracting(hostField))
            out.appendLiteral("\r\n")
        }
        if let port = visitor.port, isOurs(.xForwardedPort) {
            out.appendLiteral("X-Forwarded-Port: ")
            out.appendDecimal(UInt64(port))
            out.appendLiteral("\r\n")
        }
        if edits.isEmpty || !edits.replace(.forwarded) {
            out.appendLiteral("Forwarded: ")
            if visitor.trustsForwarded, !continueList(.forwarded, input, into: &out) {
                convertList(input, into: &out)
            }
            writeNode(visitor, into: &out)
            writeHost(input, into: &out)
            out.appendLiteral(";proto=")
            out.appendLiteral(visitor.scheme)
            out.appendLiteral("\r\n")
        }
    }

    /// Whether a trusted proxy has said it already.
    private func isGiven(_ id: FieldName) -> Bool {
        for field in lines.fields where field.id == id { return true }
        return false
    }

    /// Appends the values of all fields `id`, each with a comma behind it; false if there are none.
    private func continueList(_ id: FieldName, _ input: Span<UInt8>, into out: inout ByteBuffer) -> Bool {
        var found = false
        for field in lines.fields where field.id == id && !field.value.isEmpty {
            out.append(input.extracting(field.value))
            out.appendLiteral(", ")
            found = true
        }
        return found
    }

    /// Appends the elements of X-Forwarded-For as elements of Forwarded.
    private func convertList(_ input: Span<UInt8>, into out: inout ByteBuffer) {
        for field in lines.fields where field.id == .xForwardedFor {
            var elements = ListElements(field.value)
            while let element = elements.take(input) {
                out.appendLiteral("for=")
                writeNode(input, element, into: &out)
                out.appendLiteral(", ")
            }
        }
    }

    /// An element of X-Forwarded-For as a node of RFC 7239 §6: what is no address is `unknown`.
    private func writeNode(_ input: Span<UInt8>, _ range: Range<Int>, into out: inout ByteBuffer) {
        var colons = 0
        var isAddress = true
        for index in range {
            let octet = input[index]
            if octet == Octet.colon {
                colons += 1
            } else if octet != UInt8(ascii: "."), Octet.hexadecimal(octet) == nil {
                isAddress = false
            }
        }
        // A single colon parts an IPv4 address from a port.
        if !isAddress || colons == 1 {
            out.appendLiteral("unknown")
        } else if colons == 0 {
            out.append(input.extracting(range))
        } else {
            out.appendLiteral("\"[")
            out.append(input.extracting(range))
            out.appendLiteral("]\"")
        }
    }

    /// The visitor itself: an IPv6 address is bracketed and quoted (RFC 7239 §6).
    private func writeNode(_ visitor: VisitorInfo, into out: inout ByteBuffer) {
        out.appendLiteral("for=")
        if visitor.address.isEmpty {
            out.appendLiteral("unknown")
        } else if visitor.isIPv6 {
            out.appendLiteral("\"[")
            out.append(visitor.address)
            out.appendLiteral("]\"")
        } else {
            out.append(visitor.address)
        }
    }

    /// The Host field, quoted where it is no token: with a port, or as an IPv6 literal.
    private func writeHost(_ input: Span<UInt8>, into out: inout ByteBuffer) {
        let isToken =
            host.port == nil && input[hostField.upperBound - 1] != Octet.closeBracket
            && input[hostField.upperBound - 1] != Octet.colon
        out.appendLiteral(isToken ? ";host=" : ";host=\"")
        out.append(input.extracting(hostField))
        if !isToken { out.appendLiteral("\"") }
    }
}
