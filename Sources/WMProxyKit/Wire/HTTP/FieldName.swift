/// The field names that this edge acts on; every other name is `.other` and passes through untouched.
enum FieldName: UInt8 {
    case other
    case accept
    case connection
    case contentLength
    case expect
    case forwarded
    case host
    case http2Settings
    case keepAlive
    case proxy
    case proxyAuthenticate
    case proxyAuthorization
    case proxyConnection
    case server
    case te
    case trailer
    case transferEncoding
    case upgrade
    case xForwardedFor
    case xForwardedHost
    case xForwardedPort
    case xForwardedProto
    /// `X-Forwarded-` anything else.
    case xForwardedOther
    case xRealIP
    /// A name that becomes one of the above when `_` is read as `-`, as CGI and its heirs do: `X_Forwarded_For`,
    /// `Content_Length`.
    case shadow

    /// Fields about one connection (RFC 9110 §7.6.1) or between a client and its proxy (§11.7), never forwarded, and
    /// those that must never reach a service: `Proxy` becomes the environment variable HTTP_PROXY under CGI,
    /// `HTTP2-Settings` belongs to an upgrade that is not offered here.
    var isHopByHop: Bool {
        switch self {
        case .connection, .http2Settings, .keepAlive, .proxy, .proxyAuthenticate, .proxyAuthorization,
            .proxyConnection, .te, .trailer, .transferEncoding, .upgrade, .shadow:
            true
        default: false
        }
    }

    /// Fields by which a proxy says who the visitor is: believed from a trusted proxy only.
    var tellsOfVisitor: Bool {
        switch self {
        case .forwarded, .xForwardedFor, .xForwardedHost, .xForwardedPort, .xForwardedProto, .xForwardedOther, .xRealIP:
            true
        default: false
        }
    }

    /// Fields that a Connection field cannot take away: whoever removes them changes who is asked, who asks, or where
    /// the message ends.
    var isBeyondNomination: Bool { tellsOfVisitor || self == .host || self == .contentLength || self == .expect }

    /// The name at `range`, whose octets are already known to be those of a token.
    @inline(__always)
    static func parse(_ input: Span<UInt8>, _ range: Range<Int>, holdsUnderscore: Bool) -> FieldName {
        let name = holdsUnderscore ? FieldName.other : known(input, range, underscoreIs: Octet.underscore)
        guard holdsUnderscore else { return name }
        return known(input, range, underscoreIs: UInt8(ascii: "-")) == .other ? .other : .shadow
    }

    private static func known(_ input: Span<UInt8>, _ range: Range<Int>, underscoreIs hyphen: UInt8) -> FieldName {
        /// In a token `| 0x20` turns exactly the capitals into small letters and leaves `-` alone; it maps no other
        /// tchar to a letter or `-`.
        @inline(__always)
        func spells(_ name: StaticString) -> Bool {
            guard range.count >= name.utf8CodeUnitCount else { return false }
            for index in 0..<name.utf8CodeUnitCount {
                let octet = input[range.lowerBound + index]
                let folded = octet == Octet.underscore ? hyphen : octet | 0x20
                if folded != name.utf8Start[index] { return false }
            }
            return true
        }
        switch range.count {
        case 2: if spells("te") { return .te }
        case 4: if spells("host") { return .host }
        case 5: if spells("proxy") { return .proxy }
        case 6:
            if spells("accept") { return .accept }
            if spells("expect") { return .expect }
            if spells("server") { return .server }
        case 7:
            if spells("upgrade") { return .upgrade }
            if spells("trailer") { return .trailer }
        case 9:
            if spells("forwarded") { return .forwarded }
            if spells("x-real-ip") { return .xRealIP }
        case 10:
            if spells("connection") { return .connection }
            if spells("keep-alive") { return .keepAlive }
        case 14:
            if spells("content-length") { return .contentLength }
            if spells("http2-settings") { return .http2Settings }
        case 15: if spells("x-forwarded-for") { return .xForwardedFor }
        case 16:
            if spells("x-forwarded-host") { return .xForwardedHost }
            if spells("x-forwarded-port") { return .xForwardedPort }
            if spells("proxy-connection") { return .proxyConnection }
        case 17:
            if spells("transfer-encoding") { return .transferEncoding }
            if spells("x-forwarded-proto") { return .xForwardedProto }
        case 18: if spells("proxy-authenticate") { return .proxyAuthenticate }
        case 19: if spells("proxy-authorization") { return .proxyAuthorization }
        default: break
        }
        return range.count > 12 && spells("x-forwarded-") ? .xForwardedOther : .other
    }
}
