import WMPIO
import WMPWire

extension Connection {
    /// Says to the service, before anything else, for whom this connection is: a PROXY header (haproxy's PROXY
    /// protocol). Where the visitor was received is not known here; the service's own address stands for it.
    func introduce(_ visitor: SocketAddress?, _ version: ProxyHeader.Version) {
        let ends = visitor?.endpoint.flatMap { source in
            peerAddress?.endpoint.map { ProxyHeader.Ends(source: source, destination: $0) }
        }
        var header = ByteBuffer()
        ProxyHeaderWriter.write(version, ends, into: &header)
        // Into a socket that has just been opened: there is room.
        _ = write(header.readable)
    }
}

extension SocketAddress {
    /// From "host:port" with a numeric host, or `localhost`; nil for any other text. Names are not looked up: a loop
    /// may not wait.
    init?(endpoint text: String) {
        guard let endpoint = Endpoint(text) else { return nil }
        let host = endpoint.host == "localhost" ? "127.0.0.1" : endpoint.host
        guard let ip = IPAddress(host) else { return nil }
        // An IPv4 address in the clothes of IPv6 is one of IPv4 (RFC 4291 §2.5.5.2).
        self.init(ip, port: endpoint.port)
    }
}
