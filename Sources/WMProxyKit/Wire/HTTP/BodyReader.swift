/// Finds a message's body in the octets behind its head, without ever keeping any (RFC 9112 §6, §7).
///
/// All octets up to where a step says it consumed are done with; the next call goes on from there, however the input is
/// split.
package struct BodyReader: Sendable {
    package enum Step: Equatable, Sendable {
        /// The octets at this range of the input are the body's next; consumed through its end.
        case payload(Range<Int>)
        /// All that was given is consumed and the body goes on.
        case needMore(consumedThrough: Int)
        /// The body ends here; what follows belongs to the next message.
        case end(consumedThrough: Int)
    }

    private var framing: BodyFraming
    private let kind: MessageKind
    private var chunked = ChunkedReader()

    package init(_ framing: BodyFraming, of kind: MessageKind = .request) {
        self.framing = framing == .length(0) ? .none : framing
        self.kind = kind
    }

    /// Whether the body has ended, or there was none: the next step is `.end`.
    package var isComplete: Bool { framing == .none }

    /// What is left of a body with Content-Length; nil for the others.
    package var remaining: UInt64? {
        if case .length(let count) = framing { return count }
        return framing == .none ? 0 : nil
    }

    /// The next step in `input`, of which everything before `offset` is consumed.
    ///
    /// - Throws: 400 (502 in a response) if the chunked coding is malformed.
    package mutating func next(_ input: Span<UInt8>, from offset: Int) throws(HTTPViolation) -> Step {
        switch framing {
        case .none:
            return .end(consumedThrough: offset)
        case .length(let remaining):
            guard offset < input.count else { return .needMore(consumedThrough: offset) }
            let size = Int(truncatingIfNeeded: min(remaining, UInt64(input.count - offset)))
            let left = remaining - UInt64(size)
            framing = left == 0 ? .none : .length(left)
            return .payload(offset..<(offset + size))
        case .untilClose:
            guard offset < input.count else { return .needMore(consumedThrough: offset) }
            return .payload(offset..<input.count)
        case .chunked:
            do {
                let step = try chunked.next(input, from: offset)
                if case .end = step { framing = .none }
                return step
            } catch {
                throw error.inMessage(kind)
            }
        }
    }

    /// To be called when the sender closed its direction: it may only between messages, or where that is the end of the
    /// body.
    ///
    /// - Throws: 400 (502 in a response) if the body has been cut short.
    package mutating func close() throws(HTTPViolation) {
        guard framing == .none || framing == .untilClose else { throw .bodyCutShort.inMessage(kind) }
        framing = .none
    }
}
