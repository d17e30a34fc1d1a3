/// Decodes the chunked transfer coding (RFC 9112 §7.1), strictly: sizes of 1–16 hexadecimal digits, CRLF and nothing
/// else as line end, extensions and trailers checked, bounded and dropped.
///
/// The lenient forms that are refused here, from a bare LF after an extension to a blank behind a size, have all been
/// used to smuggle requests.
struct ChunkedReader: Sendable {
    private enum Phase {
        case sizeFirst, size, blank, extensions, sizeEnd
        case data, dataReturn, dataEnd
        case lineStart, fieldName, fieldValue, fieldEnd, lastEnd
        case done
    }

    /// Octets of all extensions of a body.
    static let maximumExtensions = 4096
    /// Octets of the trailer section.
    static let maximumTrailers = 8192
    private static let maximumDigits: UInt8 = 16

    private var phase = Phase.sizeFirst
    private var digits: UInt8 = 0
    /// The size while it is read, then what is left of the chunk's data.
    private var remaining: UInt64 = 0
    private var extensionOctets = 0
    private var trailerOctets = 0

    mutating func next(_ input: Span<UInt8>, from offset: Int) throws(HTTPViolation) -> BodyReader.Step {
        var index = offset
        while index < input.count {
            let octet = input[index]
            if phase == .data {
                let size = Int(truncatingIfNeeded: min(remaining, UInt64(input.count - index)))
                remaining -= UInt64(size)
                if remaining == 0 { phase = .dataReturn }
                return .payload(index..<(index + size))
            }
            index += 1
            switch phase {
            case .sizeFirst, .size, .blank, .extensions, .sizeEnd: try takeSizeLine(octet)
            case .dataReturn:
                guard octet == Octet.carriageReturn else { throw .malformedChunkEnd }
                phase = .dataEnd
            case .dataEnd:
                guard octet == Octet.lineFeed else { throw .malformedChunkEnd }
                phase = .sizeFirst
            case .lineStart, .fieldName, .fieldValue, .fieldEnd, .lastEnd: try takeTrailer(octet)
            case .data, .done: break
            }
            if phase == .done { return .end(consumedThrough: index) }
        }
        return .needMore(consumedThrough: index)
    }

    /// `chunk-size [ chunk-ext ] CRLF`.
    private mutating func takeSizeLine(_ octet: UInt8) throws(HTTPViolation) {
        switch phase {
        case .sizeFirst, .size:
            if let digit = Octet.hexadecimal(octet) {
                if phase == .sizeFirst { (digits, remaining) = (0, 0) }
                digits += 1
                guard digits <= ChunkedReader.maximumDigits else { throw .malformedChunkSize }
                // Sixteen digits fill 64 bits and never overflow them.
                remaining = remaining &<< 4 | UInt64(digit)
                phase = .size
                return
            }
            guard phase == .size else { throw .malformedChunkSize }
            guard remaining <= UInt64(Int64.max) else { throw .chunkTooLarge }
            if octet == Octet.carriageReturn {
                phase = .sizeEnd
            } else if octet == Octet.semicolon {
                try chargeExtension()
                phase = .extensions
            } else if Octet.isBlank(octet) {
                try chargeExtension()
                phase = .blank
            } else {
                throw .malformedChunkSize
            }
        case .blank:
            // BWS stands before the semicolon of an extension, nowhere else.
            try chargeExtension()
            if octet == Octet.semicolon {
                phase = .extensions
            } else if !Octet.isBlank(octet) {
                throw .malformedChunkExtension
            }
        case .extensions:
            if octet == Octet.carriageReturn {
                phase = .sizeEnd
            } else {
                guard Octet.isFieldValue(octet) else { throw .malformedChunkExtension }
                try chargeExtension()
            }
        default:
            guard octet == Octet.lineFeed else { throw .malformedChunkSize }
            phase = remaining == 0 ? .lineStart : .data
        }
    }

    private mutating func chargeExtension() throws(HTTPViolation) {
        extensionOctets += 1
        guard extensionOctets <= ChunkedReader.maximumExtensions else { throw .chunkExtensionsTooLarge }
    }

    /// `trailer-section CRLF`: field lines as in a head (RFC 9112 §7.1.2), then an empty line.
    private mutating func takeTrailer(_ octet: UInt8) throws(HTTPViolation) {
        trailerOctets += 1
        guard trailerOctets <= ChunkedReader.maximumTrailers else { throw .trailersTooLarge }
        switch phase {
        case .lineStart:
            if octet == Octet.carriageReturn {
                phase = .lastEnd
            } else {
                // A blank here would be obs-fold.
                guard Octet.isToken(octet) else { throw .malformedTrailer }
                phase = .fieldName
            }
        case .fieldName:
            if octet == Octet.colon {
                phase = .fieldValue
            } else {
                guard Octet.isToken(octet) else { throw .malformedTrailer }
            }
        case .fieldValue:
            if octet == Octet.carriageReturn {
                phase = .fieldEnd
            } else {
                guard Octet.isFieldValue(octet) else { throw .malformedTrailer }
            }
        case .fieldEnd:
            guard octet == Octet.lineFeed else { throw .malformedTrailer }
            phase = .lineStart
        default:
            guard octet == Octet.lineFeed else { throw .malformedTrailer }
            phase = .done
        }
    }
}
