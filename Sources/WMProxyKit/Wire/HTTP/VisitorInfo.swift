/// What a service is told of the visitor behind a request, and how.
package struct VisitorInfo: Sendable {
    /// The visitor's address in text, without port or brackets: `203.0.113.7`, `2001:db8::1`. Empty when it has none.
    package let address: String
    /// Whether the visitor came over TLS.
    package var isSecure: Bool
    /// The edge's public port; nil leaves X-Forwarded-Port out.
    package var port: UInt16?
    /// Goes to the service in place of the Host that the visitor asked for, which X-Forwarded-Host still tells.
    package var hostOverride: HostName?
    /// The visitor is a proxy whose X-Forwarded-* and Forwarded are believed and added to. From anyone else they are
    /// dropped.
    package var trustsForwarded: Bool

    package init(
        address: String, isSecure: Bool, port: UInt16? = nil, hostOverride: HostName? = nil,
        trustsForwarded: Bool = false
    ) {
        self.address = address
        isIPv6 = address.utf8.contains(Octet.colon)
        self.isSecure = isSecure
        self.port = port
        self.hostOverride = hostOverride
        self.trustsForwarded = trustsForwarded
    }

    /// Whether the address needs brackets and quotes in Forwarded.
    let isIPv6: Bool

    var scheme: StaticString { isSecure ? "https" : "http" }
}
