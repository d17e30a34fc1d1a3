/// A request method (RFC 9110 §9). Methods are case-sensitive: `get` is not `GET` but some other method.
package enum HTTPMethod: Equatable, Sendable {
    case get
    case head
    case post
    case put
    case delete
    case options
    case connect
    case patch
    case trace
    /// Any other token, at this range of the head.
    case other(Range<Int>)

    /// Longer than any registered method (the longest has 17 octets): RFC 9112 §3 asks for 501.
    static let maximumLength = 32

    /// The method at `range`, whose octets are already known to be those of a token.
    static func parse(_ input: Span<UInt8>, _ range: Range<Int>) -> HTTPMethod {
        func spells(_ name: StaticString) -> Bool { Octet.equal(input, range, name) }
        switch range.count {
        case 3:
            if spells("GET") { return .get }
            if spells("PUT") { return .put }
        case 4:
            if spells("POST") { return .post }
            if spells("HEAD") { return .head }
        case 5:
            if spells("PATCH") { return .patch }
            if spells("TRACE") { return .trace }
        case 6:
            if spells("DELETE") { return .delete }
        case 7:
            if spells("OPTIONS") { return .options }
            if spells("CONNECT") { return .connect }
        default:
            break
        }
        return .other(range)
    }
}
