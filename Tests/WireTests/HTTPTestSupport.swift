import Glibc
import Testing

@testable import WMPWire

/// What became of a head: the tests compare these instead of catching.
enum Parsed<Head> {
    case complete(Head, length: Int)
    case incomplete
    case refused(HTTPViolation)

    var status: Int? {
        if case .refused(let violation) = self { return violation.status }
        return nil
    }

    var head: Head? {
        if case .complete(let head, _) = self { return head }
        return nil
    }
}

func parseRequest(_ text: String, limits: HeadLimits = HeadLimits()) -> Parsed<RequestHead> {
    parseRequest(Array(text.utf8), limits: limits)
}

func parseRequest(_ bytes: [UInt8], limits: HeadLimits = HeadLimits()) -> Parsed<RequestHead> {
    var head = RequestHead(limits: limits)
    do {
        guard let length = try head.parse(bytes.span) else { return .incomplete }
        return .complete(head, length: length)
    } catch {
        return .refused(error)
    }
}

func parseResponse(_ text: String, limits: HeadLimits = HeadLimits()) -> Parsed<ResponseHead> {
    var head = ResponseHead(limits: limits)
    let bytes = Array(text.utf8)
    do {
        guard let length = try head.parse(bytes.span) else { return .incomplete }
        return .complete(head, length: length)
    } catch {
        return .refused(error)
    }
}

/// A request with these field lines, each ended by CRLF already.
func request(_ fields: String, line: String = "GET / HTTP/1.1") -> String {
    "\(line)\r\n\(fields)\r\n"
}

let plainVisitor = VisitorInfo(address: "203.0.113.7", isSecure: false)

/// What `text` becomes for the service behind.
func upstream(_ text: String, _ visitor: VisitorInfo = plainVisitor) throws -> String {
    let head = try #require(parseRequest(text).head, "this request should be accepted: \(text)")
    let bytes = Array(text.utf8)
    return written { head.writeUpstream(from: bytes.span, visitor: visitor, into: &$0) }
}

/// What `text` becomes for the visitor, and how its body follows.
func downstream(
    _ text: String, method: HTTPMethod = .get, version: HTTPVersion = .http11, upgrade: Bool = false,
    keepAlive: Bool = true
) throws -> (text: String, downstream: Downstream) {
    let head = try #require(parseResponse(text).head, "this response should be accepted: \(text)")
    let bytes = Array(text.utf8)
    let context = ResponseContext(method: method, version: version, upgrade: upgrade, keepAlive: keepAlive)
    var out = ByteBuffer()
    let result = try head.writeDownstream(from: bytes.span, context: context, into: &out)
    return (String(decoding: out.readable, as: UTF8.self), result)
}

func written(_ write: (inout ByteBuffer) -> Void) -> String {
    var out = ByteBuffer()
    write(&out)
    return String(decoding: out.readable, as: UTF8.self)
}

/// Random numbers that can be had again: set WMP_TEST_SEED to the seed that a failure named.
struct SeededRandom: RandomNumberGenerator {
    let seed: UInt64
    private var state: UInt64

    init() {
        if let text = getenv("WMP_TEST_SEED"), let given = UInt64(String(cString: text)) {
            seed = given
        } else {
            seed = UInt64.random(in: 0...UInt64(UInt32.max))
        }
        state = seed
    }

    /// SplitMix64.
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
