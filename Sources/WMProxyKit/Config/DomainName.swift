import WMPWire

/// Names and numbers of hosts as they may stand in a configuration. Nothing here asks the DNS.
enum DomainName {
    /// `text` as a host name to route or to verify by: lower case, no trailing dot; an IPv4 address counts as one. Nil
    /// if it is none (RFC 1123 §2.1: labels of letters, digits and inner hyphens, 63 each, 253 in all).
    static func normalized(_ text: String) -> String? {
        normalized(text, allowing: [UInt8(ascii: "-")])
    }

    /// Like `normalized`, for the far end of a connection: there `_` is common (names of containers) and does no harm.
    static func normalizedTarget(_ text: String) -> String? {
        normalized(text, allowing: [UInt8(ascii: "-"), UInt8(ascii: "_")])
    }

    private static func normalized(_ text: String, allowing inner: [UInt8]) -> String? {
        var bytes = Array(text.utf8)
        if bytes.last == UInt8(ascii: ".") { bytes.removeLast() }
        guard (1...253).contains(bytes.count) else { return nil }
        let labels = bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        for label in labels {
            guard (1...63).contains(label.count), label.first != UInt8(ascii: "-"), label.last != UInt8(ascii: "-"),
                label.allSatisfy({ $0.isASCIILetterOrDigit || inner.contains($0) })
            else { return nil }
        }
        let name = String(decoding: bytes, as: UTF8.self).lowercased()
        // What ends in a number would be taken for an address further down, so it must be a good one.
        if labels.last?.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }) == true, IPAddress(name) == nil {
            return nil
        }
        return name
    }
}

extension UInt8 {
    /// A–Z, a–z, 0–9.
    var isASCIILetterOrDigit: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: false
        }
    }
}
