/// What a TLS client says in the clear before anything is encrypted (RFC 8446 §4.1.2).
///
/// With Encrypted Client Hello it is what the client wants everybody to see: the name of the provider, not the site's.
package struct ClientHello: Equatable, Sendable {
    /// The host that the client wants to reach (RFC 6066 §3), lower case and without a trailing dot, as `HostName` has
    /// them all; nil if it named none. The RFC allows no IPv4 address here; one is taken for what it spells.
    package let serverName: HostName?
    /// The protocols that the client offers (RFC 7301 §3.1), each behind its length; empty if it offers none.
    private let protocolList: [UInt8]
    /// Bytes of the records that the hello is in; what follows are other records.
    package let length: Int

    init(serverName: HostName?, protocolList: [UInt8], length: Int) {
        self.serverName = serverName
        self.protocolList = protocolList
        self.length = length
    }

    /// The names of the protocols in the client's order; any octets, not always text.
    package var protocols: [[UInt8]] {
        var protocols: [[UInt8]] = []
        var rest = protocolList[...]
        while let length = rest.popFirst() {
            protocols.append(Array(rest.prefix(Int(length))))
            rest = rest.dropFirst(Int(length))
        }
        return protocols
    }

    /// Whether the client offers the protocol `name`, such as `h2` or `acme-tls/1`.
    package func offers(_ name: String) -> Bool {
        var rest = protocolList[...]
        while let length = rest.popFirst() {
            if rest.prefix(Int(length)).elementsEqual(name.utf8) { return true }
            rest = rest.dropFirst(Int(length))
        }
        return false
    }
}
