/// One service that a client offers to visitors.
public struct Mapping: Sendable, Equatable {
    /// How visitors come to it.
    public enum Mode: String, Sendable {
        /// By host name, on the HTTP and on the HTTPS edge.
        case http
        /// By host name, on the HTTPS edge only.
        case https
        /// On the TCP edge or a port of its own, bytes as they come.
        case tcp
        /// On a port of its own, datagrams as they come.
        case udp
    }

    /// Unique within the client: letters, digits, `.`, `_`, `-`, at most 64.
    public var name: String
    public var mode: Mode
    /// The host name visitors ask for; nil for `tcp` and `udp`.
    public var domain: String?
    /// The public port at the server, "0.0.0.0:2222", for `udp` and for a `tcp` that does not share the TCP edge; port
    /// 0 lets the server choose. It has to be 1024 or above.
    public var remoteAddress: String?
    /// The local service, "127.0.0.1:8080".
    public var localAddress: String

    public init(
        _ name: String, _ mode: Mode, domain: String? = nil, at remoteAddress: String? = nil, to localAddress: String
    ) {
        (self.name, self.mode, self.domain, self.localAddress) = (name, mode, domain, localAddress)
        self.remoteAddress = remoteAddress
    }

    /// As it stands in a configuration's list `mappings`.
    public var configuration: String {
        var fields = [("name", name), ("mode", mode.rawValue), ("local_addr", localAddress)]
        if let domain { fields.append(("domain", domain)) }
        if let remoteAddress { fields.append(("remote_addr", remoteAddress)) }
        return "{" + fields.map { "\(Self.quoted($0)): \(Self.quoted($1))" }.joined(separator: ", ") + "}"
    }

    /// A JSON string (RFC 8259 §7).
    private static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": quoted += "\\\(scalar)"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
