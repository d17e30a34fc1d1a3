import Testing

@testable import WMPWire

/// However a stream of messages is cut into pieces, it must be understood as the whole would be.
@Suite("Split input")
struct HTTPSplitTests {
    /// All that an edge can learn from a visitor's octets, in order.
    enum Event: Equatable {
        case head(String)
        case payload([UInt8])
        case end
        case refused(HTTPViolation)
    }

    /// Reads requests with their bodies, one behind the other, from a stream that arrives in pieces.
    static func read(_ stream: [UInt8], pieces: [Int]) -> [Event] {
        var events: [Event] = []
        var head = RequestHead()
        var body: BodyReader?
        var start = 0  // of what is not consumed
        for end in pieces {
            do throws(HTTPViolation) {
                arrived: while true {
                    let input = stream.span.extracting(start..<end)
                    guard var reader = body else {
                        guard let length = try head.parse(input) else { break }
                        let rewritten = written { head.writeUpstream(from: input, visitor: plainVisitor, into: &$0) }
                        events.append(.head(rewritten))
                        body = BodyReader(head.framing)
                        start += length
                        head.reset()
                        continue
                    }
                    var offset = 0
                    while true {
                        let step = try reader.next(input, from: offset)
                        body = reader
                        switch step {
                        case .payload(let range):
                            if case .payload(let known) = events.last {
                                events[events.count - 1] = .payload(
                                    known + stream[(start + range.lowerBound)..<(start + range.upperBound)])
                            } else {
                                events.append(
                                    .payload(Array(stream[(start + range.lowerBound)..<(start + range.upperBound)])))
                            }
                            offset = range.upperBound
                        case .needMore(let through):
                            start += through
                            break arrived
                        case .end(let through):
                            events.append(.end)
                            start += through
                            body = nil
                            continue arrived
                        }
                    }
                }
            } catch {
                events.append(.refused(error))
                return events
            }
        }
        return events
    }

    /// A stream of requests as visitors and attackers send them.
    static func stream(using random: inout SeededRandom) -> [UInt8] {
        var text: [UInt8] = []
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            let lines = [
                "GET / HTTP/1.1", "POST /a?b HTTP/1.1", "\r\nPUT http://a/x HTTP/1.1", "GET / HTTP/1.0",
                "OPTIONS * HTTP/1.1",
            ]
            text += Array("\(lines.randomElement(using: &random) ?? "")\r\nHost: a\r\n".utf8)
            let fields = [
                "Accept: */*\r\n", "X-Long: \(String(repeating: "x", count: 200))\r\n", "Connection: close, X\r\n",
                "X: \t y \r\n",
                "Expect: 100-continue\r\n", "X-Forwarded-For: 1\r\n", "Upgrade: websocket\r\n", "Cookie: \u{E9}\r\n",
            ]
            for _ in 0..<Int.random(in: 0...6, using: &random) {
                text += Array((fields.randomElement(using: &random) ?? "").utf8)
            }
            if Int.random(in: 0..<12, using: &random) == 0 {
                let faults = [
                    "X : y\r\n", "X: a\rb\r\n", "X: a\nb: c\r\n", " fold\r\n", "Host: b\r\n", "Content-Length: x\r\n",
                    ": x\r\n", "\u{0}\r\n",
                ]
                text += Array((faults.randomElement(using: &random) ?? "").utf8)
            }
            let payload = (0..<Int.random(in: 0...300, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            switch Int.random(in: 0..<3, using: &random) {
            case 0:
                text += Array("\r\n".utf8)
            case 1:
                text += Array("Content-Length: \(payload.count)\r\n\r\n".utf8) + payload
            default:
                text += Array("Transfer-Encoding: chunked\r\n\r\n".utf8)
                var rest = payload[...]
                while !rest.isEmpty {
                    let size = Int.random(in: 1...rest.count, using: &random)
                    let tails = [
                        "\r\n", ";a=b\r\n", " ;c\r\n", "\r\n", "\r\n",
                        Int.random(in: 0..<20, using: &random) == 0 ? "\n" : "\r\n",
                    ]
                    text += Array((String(size, radix: 16) + (tails.randomElement(using: &random) ?? "")).utf8)
                    text += rest.prefix(size) + Array("\r\n".utf8)
                    rest = rest.dropFirst(size)
                }
                text += Array(
                    ["0\r\n\r\n", "0\r\nX: y\r\n\r\n", "00;z\r\n\r\n"].randomElement(using: &random)?.utf8 ?? "".utf8)
            }
        }
        return text
    }

    @Test("is understood as the whole, wherever it is cut")
    func anySplit() {
        var random = SeededRandom()
        for round in 0..<300 {
            let stream = Self.stream(using: &random)
            let whole = Self.read(stream, pieces: [stream.count])
            for most in [1, 3, 50, 400] {
                var pieces: [Int] = []
                while (pieces.last ?? 0) < stream.count {
                    pieces.append(min((pieces.last ?? 0) + Int.random(in: 1...most, using: &random), stream.count))
                }
                let split = Self.read(stream, pieces: pieces)
                #expect(
                    split == whole,
                    "seed \(random.seed), round \(round): \(String(decoding: stream, as: UTF8.self).debugDescription)")
                if split != whole { return }
            }
        }
    }

    @Test("never traps and is the same in any split, when octets of good streams are changed at random")
    func mutated() {
        var random = SeededRandom()
        for round in 0..<300 {
            var stream = Self.stream(using: &random)
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let index = Int.random(in: 0..<stream.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: stream[index] = UInt8.random(in: 0...255, using: &random)
                case 1: stream.remove(at: index)
                default:
                    stream.insert([0x0A, 0x0D, 0x20, 0x3A, 0x09, 0x30].randomElement(using: &random) ?? 0, at: index)
                }
                if stream.isEmpty { break }
            }
            let whole = Self.read(stream, pieces: [stream.count])
            let single = Self.read(stream, pieces: Array(1..<(stream.count + 1)))
            #expect(
                single == whole,
                "seed \(random.seed), round \(round): \(String(decoding: stream, as: UTF8.self).debugDescription)")
            if single != whole { return }
        }
    }

    @Test("costs in proportion to its size: no octet of a head that drips in is searched twice")
    func notQuadratic() throws {
        // Octet by octet, a megabyte takes 2^20 calls; searching from the start each time would be 2^39 octets and take
        // minutes.
        var head = RequestHead(limits: HeadLimits(maxBytes: 1 << 20, maxFields: 10))
        let text =
            Array("GET / HTTP/1.1\r\nHost: a\r\nX: ".utf8) + [UInt8](repeating: 0x78, count: (1 << 20) - 100)
            + Array("\r\n\r\n".utf8)
        for end in 1..<text.count {
            #expect(try head.parse(text.span.extracting(0..<end)) == nil)
            if head.length != nil { return }
        }
        #expect(try head.parse(text.span) == text.count)
    }
}
