import Testing

@testable import WMPWire

@Suite("Messages")
struct MessageTests {
    /// Not looked at but for its length.
    private let scram = pattern(100)

    private func roundTrip<M: Message & Equatable>(_ message: M) throws {
        #expect(try M(payload: message.payload.span) == message)
    }

    @Test("read back as they were written, at their smallest and their largest")
    func roundTrips() throws {
        let long = String(repeating: "x", count: 1024)
        func text(_ size: Int) -> String { String(long.prefix(size)) }
        try roundTrip(Hello(clientID: "a", scram: [], window: 0, agent: ""))
        try roundTrip(
            Hello(
                clientID: text(64), scram: pattern(1024), window: UInt32(ProtocolLimits.maxWindow), agent: text(128),
                session: pattern(16)))
        for size in [0, 1, 1024] {
            try roundTrip(Challenge(scram: pattern(size)))
            try roundTrip(Login(scram: pattern(size)))
            try roundTrip(Welcome(scram: pattern(size), window: 0, serverID: ""))
        }
        try roundTrip(
            Welcome(
                scram: pattern(1024), window: UInt32(ProtocolLimits.maxWindow), serverID: text(64),
                session: pattern(16), lanes: .max))
        for mode in [Map.Mode.tcp, .http, .https, .udp] {
            try roundTrip(
                Map(
                    id: .max, name: text(64), mode: mode, domain: text(255), remote: text(261), idle: .max,
                    lastPort: .max))
        }
        try roundTrip(Map(id: 0, name: "a", mode: .tcp, domain: ""))
        try roundTrip(Mapped(id: 1, address: text(1024)))
        try roundTrip(MapRefused(id: 1, code: SessionError(rawValue: .max), text: text(512)))
        try roundTrip(Unmap(id: .max))
        try roundTrip(Open(mapping: .max, visitor: text(128)))
        for refusal in [Refusal(code: .tooMany, text: text(512)), Refusal(code: SessionError(rawValue: 0), text: "")] {
            #expect(try Refusal(payload: refusal.payload.span) == refusal)
        }
    }

    @Test("at their largest fit into the frames of their time")
    func sizes() {
        let long = String(repeating: "x", count: 255)
        let hello = Hello(
            clientID: String(long.prefix(64)), scram: pattern(ProtocolLimits.maxScramMessage), window: 0,
            agent: String(long.prefix(128)), session: pattern(16))
        #expect(hello.payload.count <= ProtocolLimits.maxLoginFrame)
        // The user that needs the most room, and the longest nonce.
        let first = ScramClientFirst(
            header: .tlsExporter, user: String(repeating: ",", count: 255), nonce: [UInt8](repeating: 0x78, count: 128))
        #expect(first.text.count <= ProtocolLimits.maxScramMessage)
    }

    @Test("beyond their limits are violations")
    func limits() {
        func text(_ size: Int) -> String { String(repeating: "x", count: size) }
        func refused<M: Message>(_ message: M) -> Bool { (try? M(payload: message.payload.span)) == nil }
        #expect(refused(Hello(clientID: "", scram: scram, window: 1, agent: "")))
        #expect(refused(Hello(clientID: text(65), scram: scram, window: 1, agent: "")))
        #expect(refused(Hello(clientID: "a", scram: pattern(1025), window: 1, agent: "")))
        #expect(refused(Hello(clientID: "a", scram: scram, window: 16_777_217, agent: "")))
        #expect(refused(Hello(clientID: "a", scram: scram, window: 1, agent: text(129))))
        for size in [1, 15, 17] {
            #expect(refused(Hello(clientID: "a", scram: scram, window: 1, agent: "", session: pattern(size))))
            #expect(refused(Welcome(scram: [], window: 1, serverID: "", session: pattern(size))))
        }
        #expect(refused(Welcome(scram: [], window: 1, serverID: "", session: pattern(16), lanes: 0)))
        #expect(refused(Map(id: 1, name: "a", mode: .tcp, domain: "", remote: text(262))))
        #expect(refused(Challenge(scram: pattern(1025))))
        #expect(refused(Login(scram: pattern(1025))))
        #expect(refused(Welcome(scram: pattern(1025), window: 1, serverID: "")))
        #expect(refused(Welcome(scram: [], window: 16_777_217, serverID: "")))
        #expect(refused(Welcome(scram: [], window: 1, serverID: text(65))))
        #expect(refused(Map(id: 1, name: "", mode: .tcp, domain: "")))
        #expect(refused(Map(id: 1, name: text(65), mode: .tcp, domain: "")))
        #expect(refused(Map(id: 1, name: "a", mode: .tcp, domain: text(256))))
        #expect(refused(Open(mapping: 1, visitor: text(129))))
        // What the writer would cut, as another implementation might send it.
        func field(_ key: UInt8, _ size: Int) -> [UInt8] {
            [key, UInt8(size >> 8), UInt8(size & 0xFF)] + Array(text(size).utf8)
        }
        #expect(throws: ProtocolViolation.self) { try Mapped(payload: field(2, 1025).span) }
        #expect(throws: ProtocolViolation.self) { try MapRefused(payload: field(3, 513).span) }
        #expect(throws: ProtocolViolation.self) { try Refusal(payload: field(2, 513).span) }
    }

    @Test("with texts for people are cut to what their reader takes, between characters and without control characters")
    func cutTexts() throws {
        let long = String(repeating: "ä", count: 300) + "b"
        #expect(try Refusal(payload: Refusal(code: .taken, text: long).payload.span).text == String(long.prefix(256)))
        let dirty = Refusal(code: .taken, text: "a\u{7}b\nc\u{85}d")
        #expect(try Refusal(payload: dirty.payload.span).text == "abcd")
    }

    @Test("of a mode that is not known here are read: the mapping is refused, not the frame")
    func modes() throws {
        for mode in 0...255 as ClosedRange<UInt8> {
            let payload: [UInt8] = [1, 0, 1, 7, 2, 0, 1, 0x61, 3, 0, 1, mode]
            #expect(try Map(payload: payload.span).mode.rawValue == mode)
        }
    }

    @Test("without what came later read as an older peer means them, and are written so")
    func olderPeers() throws {
        let welcome = Welcome(scram: [], window: 7, serverID: "1")
        #expect(welcome.session.isEmpty && welcome.lanes == 1)
        #expect(welcome.payload == [2, 0, 4, 0, 0, 0, 7, 3, 0, 1, 0x31])
        let map = Map(id: 1, name: "a", mode: .tcp, domain: "")
        #expect(map.remote == "" && map.idle == 0 && map.lastPort == 0)
        #expect(map.payload == [1, 0, 4, 0, 0, 0, 1, 2, 0, 1, 0x61, 3, 0, 1, 1])
        let hello = Hello(clientID: "a", scram: [], window: 7, agent: "")
        #expect(hello.payload == [1, 0, 1, 0x61, 4, 0, 4, 0, 0, 0, 7])
        #expect(Challenge(scram: []).payload.isEmpty && Login(scram: []).payload.isEmpty)
        #expect(try Hello(payload: hello.payload.span).session.isEmpty && FieldReader(hello.payload.span).lacks(6))
    }

    @Test("of a visitor are read where they stand just as by their fields")
    func openInPlace() throws {
        var random = SeededRandom()
        print("open: seed \(random.seed)")
        let good = Open(mapping: 0x0102_0304, visitor: "[2001:db8::7]:49152").payload
        for _ in 0..<5000 {
            var payload = good + [9, 0, 1, 7]
            for _ in 0..<Int.random(in: 0...3, using: &random) {
                payload[Int.random(in: payload.indices, using: &random)] = .random(in: 0...255, using: &random)
            }
            payload.removeLast(Int.random(in: 0...3, using: &random) * 2)
            var expected: Open?
            if let fields = try? FieldReader(payload.span), let mapping = try? fields.number(1, as: UInt32.self),
                let visitor = try? fields.text(2, max: 128)
            {
                expected = Open(mapping: mapping, visitor: visitor)
            }
            #expect((try? Open(payload: payload.span)) == expected, "\(payload)")
        }
    }

    @Test("with fields of a later version are read as if these were not there")
    func laterFields() throws {
        let message = Open(mapping: 9, visitor: "203.0.113.7:1")
        let later: [UInt8] = [99, 0, 3, 1, 2, 3]
        #expect(try Open(payload: (later + message.payload).span) == message)
        #expect(try Open(payload: (message.payload + later).span) == message)
    }

    @Test("changed in any one byte are still a message or a violation, never a trap")
    func mutations() {
        let messages: [[UInt8]] = [
            Hello(clientID: "ä", scram: scram, window: 1, agent: "x").payload,
            Map(id: 1, name: "web", mode: .http, domain: "localhost").payload,
            Map(id: 1, name: "dns", mode: .udp, domain: "", remote: "[::]:53", idle: 9, lastPort: 53).payload,
            Welcome(scram: scram, window: 1, serverID: "1", session: pattern(16), lanes: 4).payload,
            Open(mapping: 1, visitor: "203.0.113.7:1").payload,
            Refusal(code: .taken, text: "why").payload,
        ]
        for payload in messages {
            for index in payload.indices {
                for value in UInt8.min...UInt8.max {
                    var changed = payload
                    changed[index] = value
                    _ = try? Hello(payload: changed.span)
                    _ = try? Map(payload: changed.span)
                    _ = try? Refusal(payload: changed.span)
                    _ = try? Welcome(payload: changed.span)
                    _ = try? Open(payload: changed.span)
                }
            }
        }
    }
}

extension FieldReader {
    fileprivate func lacks(_ key: UInt8) throws -> Bool { try bytes(key, max: .max).isEmpty }
}
