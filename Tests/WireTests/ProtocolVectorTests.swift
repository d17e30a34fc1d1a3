import Testing

@testable import WMPWire

/// The bytes in `Tests/vectors`, which any implementation of docs/PROTOCOL.md can use, against this one.
@Suite("Test vectors")
struct ProtocolVectorTests {
    private func equal<M: Message & Equatable>(_ message: M, _ payload: [UInt8]) throws -> Bool {
        try M(payload: payload.span) == message
    }

    /// The payload reads as the vector's values.
    private func expectDecoded(_ vector: ProtocolVector, _ payload: [UInt8]) throws {
        if let message = try vector.message() as? any Message & Equatable {
            #expect(try equal(message, payload), "\(vector)")
            return
        }
        switch try vector.type {
        case .reject, .goAway, .refused:
            let refusal = try Refusal(payload: payload.span)
            #expect(
                try refusal.code.rawValue == vector.number("code") && refusal.text == vector.text("text"), "\(vector)")
        case .opened: break
        default: #expect(try payload == vector.payload(), "\(vector)")
        }
    }

    @Test("of every frame type are read and written as they stand")
    func frames() throws {
        let vectors = try ProtocolVector.read("frames.txt")
        #expect(Set(try vectors.map { try $0.type }) == Set(ProtocolVector.types.values), "one of each type at least")
        for vector in vectors {
            let bytes = try vector.bytes()
            let frame = try #require(TestFrame.split(bytes).first)
            let header = bytes.withUnsafeBytes { FrameHeader(reading: $0) }
            #expect(try header.type == vector.type && header.stream == vector.number("stream"), "\(vector)")
            #expect(header.length == bytes.count - FrameHeader.size, "\(vector)")
            try expectDecoded(vector, frame.payload)
            let end = TestEnd(.server)
            end.mux.write(try vector.type, stream: try vector.number("stream"), payload: try vector.payload())
            #expect(end.takeOutput() == bytes, "\(vector)")
        }
    }

    @Test("that nobody writes so are read all the same")
    func lenient() throws {
        for vector in try ProtocolVector.read("lenient.txt") {
            let bytes = try vector.bytes()
            try expectDecoded(vector, try #require(TestFrame.split(bytes).first).payload)
            let isLogin = try vector.type == .hello
            let end = TestEnd(try #require(vector.receiver), isOpen: !isLogin)
            if !isLogin { _ = try end.open() }
            #expect(end.receive(bytes) == nil, "\(vector)")
        }
    }

    @Test("of what may not be are violations, in their last frame")
    func malformed() throws {
        let vectors = try ProtocolVector.read("malformed.txt")
        #expect(vectors.count > 50)
        for vector in vectors {
            let bytes = try vector.bytes()
            _ = try vector.text("violation")
            var last = 0
            while last + 8 < bytes.count {
                let length = Int(bytes[last]) << 16 | Int(bytes[last + 1]) << 8 | Int(bytes[last + 2])
                guard last + 8 + length < bytes.count else { break }
                last += 8 + length
            }
            for pieces in [[0..<last, last..<bytes.count], bytes.indices.map { $0..<$0 + 1 }] {
                let end = TestEnd(try #require(vector.receiver), isOpen: try vector.text("state") == "open")
                while vector["opened"] != nil, try end.open().id < vector.number("opened", as: UInt32.self) {}
                var violation: ProtocolViolation?
                for piece in pieces where violation == nil {
                    violation = end.receive(bytes[piece])
                    #expect(
                        violation == nil || piece.upperBound > last, "\(vector): too early: \(violation?.reason ?? "")")
                }
                #expect(violation != nil, "\(vector)")
            }
        }
    }

    @Test("of a whole session are what two ends say to each other")
    func session() throws {
        let ends = [Mux.Role.server: TestEnd(.server, isOpen: false), .client: TestEnd(.client, isOpen: false)]
        for vector in try ProtocolVector.read("session.txt") {
            let bytes = try vector.bytes()
            guard vector["type"] != "PREFACE" else {
                #expect(ProtocolLimits.preface == bytes)
                continue
            }
            let sender = try #require(vector.sender.flatMap { ends[$0] })
            let receiver = try #require(vector.receiver.flatMap { ends[$0] })
            try say(vector, by: sender)
            #expect(sender.takeOutput() == bytes, "\(vector)")
            #expect(receiver.receive(bytes) == nil, "\(vector)")
            if try vector.type == .welcome {
                for end in ends.values {
                    end.mux.acceptsStreams = true
                    end.mux.maxControlFrame = ProtocolLimits.maxControlFrame
                }
            }
            try expectHeard(vector, by: receiver)
        }
        #expect(ends.values.allSatisfy { $0.mux.streamCount == 0 && $0.isSilent })
    }

    private func say(_ vector: ProtocolVector, by end: TestEnd) throws {
        let id: UInt32 = try vector.number("stream")
        switch try vector.type {
        case .open:
            let stream = try end.open(try #require(vector.message() as? Open))
            #expect(stream.id == id)
        case .opened: try end.stream(id).sendOpened()
        case .data: try end.stream(id).write(try vector.bytes("data"))
        case .end: try end.stream(id).sendEnd()
        case .refused:
            try end.stream(id).refuse(StreamError(rawValue: try vector.number("code")), try vector.text("text"))
        case .pong: break  // said already, in answer to the ping
        default: end.mux.write(try vector.type, payload: try vector.payload())
        }
    }

    private func expectHeard(_ vector: ProtocolVector, by end: TestEnd) throws {
        let type = try vector.type
        guard type.belongsToStream else { return #expect(end.messages.last == type, "\(vector)") }
        let stream = try end.stream(try vector.number("stream"))
        switch type {
        case .open: #expect(try stream.message == vector.message() as? Open)
        case .opened: #expect(stream.events.last == .opened)
        case .data: #expect(try stream.received == vector.bytes("data"))
        case .end: #expect(stream.events.last == .end)
        case .refused:
            let error = StreamError(rawValue: try vector.number("code"))
            #expect(try stream.events.last == .reset(error, vector.text("text")))
        default: Issue.record("\(vector): not expected in a session")
        }
    }

    @Test("of credit are what both accounts come to")
    func credit() throws {
        for vector in try ProtocolVector.read("credit.txt") {
            var sending = SendWindow(initial: 0)
            var receiving = ReceiveWindow(size: 0)
            // Whether no credit has come yet: a receiver gives it in portions of its own.
            var isUngranted = true
            for (_, step) in vector.lines {
                let words = step.split(separator: " ")
                let amount = try #require(Int(words[1]))
                let isViolation = words.last == "violation"
                switch words[0] {
                case "window": (sending, receiving) = (SendWindow(initial: amount), ReceiveWindow(size: amount))
                case "data":
                    #expect((sending.available > 0 && amount <= sending.available) != isViolation, "\(vector): \(step)")
                    if isUngranted {
                        #expect(((try? receiving.take(amount)) == nil) == isViolation, "\(vector): \(step)")
                    }
                    if !isViolation { sending.use(amount) }
                case "credit":
                    isUngranted = false
                    let increment = try #require(UInt32(words[1]))
                    #expect(((try? sending.grow(by: increment)) == nil) == isViolation, "\(vector): \(step)")
                default: Issue.record("\(vector): \(step)")
                }
                guard words[0] != "window", !isViolation else { continue }
                #expect(sending.available == Int(words[2]), "\(vector): \(step)")
                if isUngranted { #expect(receiving.available == Int(words[2]), "\(vector): \(step)") }
            }
        }
    }
}
