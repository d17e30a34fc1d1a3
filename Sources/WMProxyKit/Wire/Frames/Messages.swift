/// The control payloads, one struct each, with its fields' numbers beside it (docs/PROTOCOL.md, "Messages").
package protocol Message {
    static var type: FrameType { get }
    init(payload: Span<UInt8>) throws(ProtocolViolation)
    func write(to fields: inout FieldWriter)
}

/// A message that is read by its fields' numbers.
package protocol FieldMessage: Message {
    init(_ fields: FieldReader) throws(ProtocolViolation)
}

extension FieldMessage {
    package init(payload: Span<UInt8>) throws(ProtocolViolation) {
        try self.init(try FieldReader(payload))
    }
}

extension Message {
    package var payload: [UInt8] {
        var fields = FieldWriter()
        write(to: &fields)
        return fields.payload
    }
}

extension FieldReader {
    /// A message of SCRAM, whose form is not looked at here; none if absent.
    fileprivate func scram(_ key: UInt8) throws(ProtocolViolation) -> [UInt8] {
        try bytes(key, max: ProtocolLimits.maxScramMessage)
    }

    /// The name of a session; none if absent.
    fileprivate func sessionName(_ key: UInt8) throws(ProtocolViolation) -> [UInt8] {
        let name = try bytes(key, max: ProtocolLimits.sessionNameSize)
        guard name.isEmpty || name.count == ProtocolLimits.sessionNameSize else {
            throw ProtocolViolation("field \(key) is not the name of a session")
        }
        return name
    }
}

/// Client → server, first: who wants in.
package struct Hello: FieldMessage, Equatable {
    package static let type = FrameType.hello
    /// The client's lasting name for itself, 1 … 64 bytes; with the principal it is the session's identity.
    package var clientID: String
    /// The first message of SCRAM; none without a secret.
    package var scram: [UInt8]
    /// What the server may send on a new stream before it hears of credit.
    package var window: UInt32
    /// The client's software, for the server's log.
    package var agent: String
    /// The session that this lane joins, as its WELCOME named it: 16 bytes; none: a new session.
    package var session: [UInt8]

    package init(
        clientID: String, scram: [UInt8], window: UInt32, agent: String, session: [UInt8] = []
    ) {
        (self.clientID, self.scram, self.window, self.agent) = (clientID, scram, window, agent)
        self.session = session
    }

    package init(_ fields: FieldReader) throws(ProtocolViolation) {
        clientID = try fields.text(1, max: 64)
        scram = try fields.scram(2)
        window = try fields.number(4, as: UInt32.self, absent: UInt32(ProtocolLimits.initialWindow))
        agent = try fields.text(5, max: 128)
        session = try fields.sessionName(6)
        guard !clientID.isEmpty, window <= ProtocolLimits.maxWindow else {
            throw ProtocolViolation("HELLO without a client id, or with too large a window")
        }
    }

    package func write(to fields: inout FieldWriter) {
        fields.add(1, clientID)
        if !scram.isEmpty { fields.add(2, scram) }
        fields.add(4, window)
        fields.add(5, agent)
        if !session.isEmpty { fields.add(6, session) }
    }
}

/// Server → client: what the proof must cover.
package struct Challenge: FieldMessage, Equatable {
    package static let type = FrameType.challenge
    /// The server's first message of SCRAM; none when HELLO had none.
    package var scram: [UInt8]

    package init(scram: [UInt8]) { self.scram = scram }

    package init(_ fields: FieldReader) throws(ProtocolViolation) { scram = try fields.scram(1) }

    package func write(to fields: inout FieldWriter) { if !scram.isEmpty { fields.add(1, scram) } }
}

/// Client → server: the proof that it holds the secret.
package struct Login: FieldMessage, Equatable {
    package static let type = FrameType.login
    /// The client's last message of SCRAM; none without a secret.
    package var scram: [UInt8]

    package init(scram: [UInt8]) { self.scram = scram }

    package init(_ fields: FieldReader) throws(ProtocolViolation) { scram = try fields.scram(1) }

    package func write(to fields: inout FieldWriter) { if !scram.isEmpty { fields.add(1, scram) } }
}

/// Server → client: in. The server's own proof comes with it.
package struct Welcome: FieldMessage, Equatable {
    package static let type = FrameType.welcome
    /// The server's last message of SCRAM; none without a secret.
    package var scram: [UInt8]
    /// What the client may send on a new stream before it hears of credit.
    package var window: UInt32
    package var serverID: String
    /// Names the session for the lanes that join it: 16 random bytes; none from a server that knows one lane only.
    package var session: [UInt8]
    /// How many lanes the session may have at once, 1 or more.
    package var lanes: UInt8

    package init(scram: [UInt8], window: UInt32, serverID: String, session: [UInt8] = [], lanes: UInt8 = 1) {
        (self.scram, self.window, self.serverID) = (scram, window, serverID)
        (self.session, self.lanes) = (session, lanes)
    }

    package init(_ fields: FieldReader) throws(ProtocolViolation) {
        scram = try fields.scram(1)
        window = try fields.number(2, as: UInt32.self, absent: UInt32(ProtocolLimits.initialWindow))
        serverID = try fields.text(3, max: 64)
        session = try fields.sessionName(4)
        lanes = try fields.number(5, as: UInt8.self, absent: 1)
        guard window <= ProtocolLimits.maxWindow, lanes >= 1 else {
            throw ProtocolViolation("WELCOME with too large a window, or without a lane")
        }
    }

    package func write(to fields: inout FieldWriter) {
        if !scram.isEmpty { fields.add(1, scram) }
        fields.add(2, window)
        fields.add(3, serverID)
        if !session.isEmpty { fields.add(4, session) }
        if lanes != 1 { fields.add(5, lanes) }
    }
}

/// Why a login or a mapping was refused, or a session ends: the number in REJECT, MAP_REFUSED and GO_AWAY.
package struct SessionError: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt16

    package init(rawValue: UInt16) { self.rawValue = rawValue }

    package static let shuttingDown = SessionError(rawValue: 1)
    package static let loginFailed = SessionError(rawValue: 2)
    package static let tooMany = SessionError(rawValue: 3)
    package static let notOffered = SessionError(rawValue: 4)
    package static let taken = SessionError(rawValue: 5)
    package static let protocolViolation = SessionError(rawValue: 6)
    /// The client's version is not spoken here.
    package static let version = SessionError(rawValue: 7)
    /// The client spoke without TLS to a server that wants it.
    package static let encryptionRequired = SessionError(rawValue: 8)
    /// The lane joins a session that is not, or no longer, there.
    package static let unknownSession = SessionError(rawValue: 9)
}

/// A refusal or a farewell: REJECT (login), GO_AWAY (session).
package struct Refusal: Equatable {
    package var code: SessionError
    /// One sentence for the other side's log.
    package var text: String

    package init(code: SessionError, text: String) { (self.code, self.text) = (code, text) }

    package init(payload: Span<UInt8>) throws(ProtocolViolation) {
        let fields = try FieldReader(payload)
        code = SessionError(rawValue: try fields.number(1, as: UInt16.self))
        text = try fields.text(2, max: 512)
    }

    package var payload: [UInt8] {
        var fields = FieldWriter()
        fields.add(1, code.rawValue)
        fields.add(2, text)
        return fields.payload
    }
}

/// Client → server: a service it offers.
package struct Map: FieldMessage, Equatable {
    package static let type = FrameType.map

    /// How visitors come to it; a server refuses the mapping whose mode it does not know.
    package struct Mode: RawRepresentable, Hashable, Sendable {
        package let rawValue: UInt8

        package init(rawValue: UInt8) { self.rawValue = rawValue }

        package static let tcp = Mode(rawValue: 1)
        package static let http = Mode(rawValue: 2)
        package static let https = Mode(rawValue: 3)
        package static let udp = Mode(rawValue: 4)
    }

    /// Chosen by the client, unique within its session; OPEN names it.
    package var id: UInt32
    package var name: String
    package var mode: Mode
    /// The host name that routes to it (http, https); "" otherwise.
    package var domain: String
    /// "host:port": the public port of the mapping's own (tcp, udp), port 0 for any; "" for the server's edge.
    package var remote: String
    /// Milliseconds until a silent visitor is forgotten (udp); 0: the server's choice.
    package var idle: UInt32
    /// With port 0 in `remote`: the port that the client was given before and would like again; 0: none.
    package var lastPort: UInt16

    package init(
        id: UInt32, name: String, mode: Mode, domain: String, remote: String = "", idle: UInt32 = 0,
        lastPort: UInt16 = 0
    ) {
        (self.id, self.name, self.mode, self.domain) = (id, name, mode, domain)
        (self.remote, self.idle, self.lastPort) = (remote, idle, lastPort)
    }

    package init(_ fields: FieldReader) throws(ProtocolViolation) {
        id = try fields.number(1, as: UInt32.self)
        name = try fields.text(2, max: 64)
        mode = Mode(rawValue: try fields.number(3, as: UInt8.self))
        domain = try fields.text(4, max: 255)
        remote = try fields.text(5, max: ProtocolLimits.maxRemote)
        idle = try fields.number(6, as: UInt32.self)
        lastPort = try fields.number(7, as: UInt16.self)
        guard !name.isEmpty else { throw ProtocolViolation("MAP without a name") }
    }

    package func write(to fields: inout FieldWriter) {
        fields.add(1, id)
        fields.add(2, name)
        fields.add(3, mode.rawValue)
        fields.add(4, domain)
        fields.add(5, remote)
        if idle != 0 { fields.add(6, idle) }
        if lastPort != 0 { fields.add(7, lastPort) }
    }
}

/// Server → client: the mapping is in force, and where visitors reach it.
package struct Mapped: FieldMessage, Equatable {
    package static let type = FrameType.mapped
    package var id: UInt32
    /// "http://localhost:8001 https://localhost:8003" or "127.0.0.1:8002".
    package var address: String

    package init(id: UInt32, address: String) { (self.id, self.address) = (id, address) }

    package init(_ fields: FieldReader) throws(ProtocolViolation) {
        id = try fields.number(1, as: UInt32.self)
        address = try fields.text(2, max: 1024)
    }

    package func write(to fields: inout FieldWriter) {
        fields.add(1, id)
        fields.add(2, address, max: 1024)
    }
}

/// Server → client: the mapping is not, or no longer, in force.
package struct MapRefused: FieldMessage, Equatable {
    package static let type = FrameType.mapRefused
    package var id: UInt32
    package var code: SessionError
    package var text: String

    package init(id: UInt32, code: SessionError, text: String) { (self.id, self.code, self.text) = (id, code, text) }

    package init(_ fields: FieldReader) throws(ProtocolViolation) {
        id = try fields.number(1, as: UInt32.self)
        code = SessionError(rawValue: try fields.number(2, as: UInt16.self))
        text = try fields.text(3, max: 512)
    }

    package func write(to fields: inout FieldWriter) {
        fields.add(1, id)
        fields.add(2, code.rawValue)
        fields.add(3, text)
    }
}

/// Client → server: the mapping ends. The answer, UNMAPPED, is the same payload.
package struct Unmap: FieldMessage, Equatable {
    package static let type = FrameType.unmap
    package var id: UInt32

    package init(id: UInt32) { self.id = id }

    package init(_ fields: FieldReader) throws(ProtocolViolation) { id = try fields.number(1, as: UInt32.self) }

    package func write(to fields: inout FieldWriter) { fields.add(1, id) }
}

/// Server → client: a visitor of mapping `mapping` has come. Never an address: the client dials only what it
/// configured.
package struct Open: Message, Equatable {
    package static let type = FrameType.open
    package var mapping: UInt32
    /// The visitor's "address:port".
    package var visitor: String

    package init(mapping: UInt32, visitor: String) { (self.mapping, self.visitor) = (mapping, visitor) }

    /// Reads the message where it stands: it comes once per visitor.
    package init(payload: Span<UInt8>) throws(ProtocolViolation) {
        (mapping, visitor) = (0, "")
        var cursor = FieldCursor()
        while let field = try cursor.next(in: payload) {
            switch field.key {
            case 1: mapping = try field.number(in: payload)
            case 2: visitor = try field.text(in: payload, max: 128)
            default: break
            }
        }
    }

    package func write(to fields: inout FieldWriter) {
        fields.add(1, mapping)
        fields.add(2, visitor)
    }
}
