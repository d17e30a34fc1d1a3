/// What a PROXY header says: whom a proxy carries (haproxy's proxy-protocol.txt, versions 1 and 2).
package struct ProxyHeader: Hashable, Sendable {
    /// The two forms a header has.
    package enum Version: Hashable, Sendable {
        /// A line of text.
        case v1
        /// Binary.
        case v2
    }

    /// The connection that the proxy took in.
    package struct Ends: Hashable, Sendable {
        /// Who connected to the proxy.
        package let source: IPEndpoint
        /// Where the proxy was reached.
        package let destination: IPEndpoint

        package init(source: IPEndpoint, destination: IPEndpoint) {
            self.source = source
            self.destination = destination
        }
    }

    package let version: Version
    /// Nil if the proxy speaks for itself, as it does to check that somebody is there (LOCAL), or if it names no
    /// addresses of IP (UNKNOWN, UNSPEC, UNIX): the addresses are then those of the connection that carries the header.
    package let ends: Ends?
    /// Bytes that the header took; the payload follows.
    package let length: Int
}
