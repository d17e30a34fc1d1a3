/// One end of a connection: an address and a port.
package struct IPEndpoint: Hashable, Sendable {
    package let address: IPAddress
    package let port: UInt16

    package init(address: IPAddress, port: UInt16) {
        self.address = address
        self.port = port
    }
}

extension IPEndpoint: CustomStringConvertible {
    /// `192.0.2.1:80` or `[2001:db8::1]:80`.
    package var description: String { AddressText(address, port: port).description }
}
