/// Finds a PROXY header at the beginning of a connection.
///
/// The protocol forbids guessing whether there is one: a listener asks for it or does not, and only of peers whose word
/// is believed (proxy-protocol.txt §2).
package enum ProxyHeaderReader {
    /// Longest line of version 1, its CRLF included (proxy-protocol.txt §2.1).
    package static let maximumLine = 107
    /// Longest header of either version: with UNIX addresses 232 bytes, the rest for extensions. The format would
    /// allow 65,551.
    package static let maximumLength = 2048

    /// The header at the beginning of `bytes`; nil while more is needed, which is never more than `maximumLength` in
    /// all.
    package static func read(_ bytes: Span<UInt8>) throws(PrologueViolation) -> ProxyHeader? {
        guard bytes.count > 0 else { return nil }
        // One octet tells them apart; what they are is checked as far as it has come.
        guard bytes[0] == ProxyHeaderBinary.signature[0] else { return try ProxyHeaderLine.read(bytes) }
        return try ProxyHeaderBinary.read(bytes)
    }
}
