import WMPWire

/// To what a login is bound; both ends have to say the same, or the login fails.
package struct ScramBinding: Hashable, Sendable {
    let header: ScramHeader
    /// 32 bytes; none without TLS.
    private let data: [UInt8]

    private init(_ header: ScramHeader, _ data: [UInt8]) { (self.header, self.data) = (header, data) }

    /// A connection without TLS: SCRAM-SHA-256.
    package static let plain = ScramBinding(.unbound, [])

    /// This TLS connection, by its `tls-exporter` value: SCRAM-SHA-256-PLUS. nil unless that has 32 bytes
    /// (RFC 9266 §4.2): a connection that gives none must not log in as one without TLS.
    package init?(tlsExporter data: [UInt8]) {
        guard data.count == 32 else { return nil }
        self.init(.tlsExporter, data)
    }

    /// `cbind-input` of RFC 5802 §7, what `c=` says.
    var input: [UInt8] { header.text + data }
}
