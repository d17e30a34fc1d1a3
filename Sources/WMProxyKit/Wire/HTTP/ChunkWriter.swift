/// Writes the chunked transfer coding (RFC 9112 §7.1).
///
/// A payload of no octets writes nothing: an empty chunk would end the body.
package enum ChunkWriter {
    /// The most that stands before a chunk's data: sixteen digits and CRLF.
    package static let maximumHeader = 18
    /// What stands behind a chunk's data.
    package static let trailer: StaticString = "\r\n"
    /// Ends the body: the last chunk, no trailer fields, the final CRLF.
    package static let end: StaticString = "0\r\n\r\n"

    /// Appends `payload` as one chunk.
    package static func writeChunk(_ payload: UnsafeRawBufferPointer, into out: inout ByteBuffer) {
        guard payload.count > 0 else { return }
        _ = out.reserve(payload.count + maximumHeader + 2)
        writeHeader(payload.count, into: &out)
        out.append(payload)
        out.appendLiteral(trailer)
    }

    /// Appends `payload` as one chunk.
    package static func writeChunk(_ payload: Span<UInt8>, into out: inout ByteBuffer) {
        payload.withUnsafeBytes { writeChunk($0, into: &out) }
    }

    /// Appends what stands before `size` octets of data, for a payload that travels by itself with `trailer` behind it;
    /// `size` is above 0.
    package static func writeHeader(_ size: Int, into out: inout ByteBuffer) {
        guard size > 0 else { return }
        let room = out.reserve(maximumHeader)
        var digits = (Int.bitWidth - size.leadingZeroBitCount + 3) / 4
        let count = digits
        var rest = size
        while digits > 0 {
            digits -= 1
            let digit = UInt8(truncatingIfNeeded: rest & 15)
            room[digits] = digit < 10 ? digit + 0x30 : digit + 0x57
            rest >>= 4
        }
        room[count] = Octet.carriageReturn
        room[count + 1] = Octet.lineFeed
        out.commit(count + 2)
    }

    /// Appends the end of the body.
    package static func writeEnd(into out: inout ByteBuffer) {
        out.appendLiteral(end)
    }
}
