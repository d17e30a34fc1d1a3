import Testing

@testable import WMPWire

/// One entry of a file in `Tests/vectors`; docs/PROTOCOL.md, "Test vectors", describes the format.
struct ProtocolVector: CustomStringConvertible {
    let name: String
    /// Keys and values in the order of the file; a key may stand several times.
    let lines: [(key: String, value: String)]

    var description: String { name }

    /// The values of `key`, one behind the other.
    subscript(key: String) -> String? {
        let values = lines.filter { $0.key == key }.map(\.value)
        return values.isEmpty ? nil : values.joined(separator: " ")
    }

    func text(_ key: String) throws -> String { try #require(self[key], "\(name): no '\(key)'") }

    func number<T: FixedWidthInteger>(_ key: String, as type: T.Type = T.self) throws -> T {
        try #require(T(try text(key)), "\(name): '\(key)' is not a number")
    }

    /// The bytes of a text.
    func utf8(_ key: String) throws -> [UInt8] { Array(try text(key).utf8) }

    func bytes(_ key: String = "bytes") throws -> [UInt8] {
        try text(key).split(separator: " ").map { try #require(UInt8($0, radix: 16), "\(name): '\($0)'") }
    }

    /// Fields that are left out of a vector where they are left out of its bytes.
    private func bytesIfAny(_ key: String) throws -> [UInt8] { self[key] == nil ? [] : try bytes(key) }
    private func numberIfAny<T: FixedWidthInteger>(_ key: String) throws -> T? {
        self[key] == nil ? nil : try number(key)
    }

    var sender: Mux.Role? { self["from"] == "server" ? .server : self["from"] == "client" ? .client : nil }
    var receiver: Mux.Role? { sender.map { $0 == .server ? .client : .server } }

    static func read(_ file: String) throws -> [ProtocolVector] {
        let text = String(decoding: try TestFiles.read("vectors/\(file)"), as: UTF8.self)
        var vectors: [ProtocolVector] = []
        var lines: [(String, String)] = []
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) + ["" as Substring] {
            if line.isEmpty {
                if let first = lines.first {
                    try #require(first.0 == "vector", "\(file): an entry without a name")
                    vectors.append(ProtocolVector(name: first.1, lines: Array(lines.dropFirst())))
                    lines = []
                }
            } else if !line.hasPrefix("#") {
                let colon = try #require(line.firstIndex(of: ":"), "\(file): '\(line)'")
                lines.append((String(line[..<colon]), String(line[line.index(after: colon)...].drop { $0 == " " })))
            }
        }
        return vectors
    }

    /// The wire's number of a type's name.
    static let types: [String: FrameType] = [
        "DATA": .data, "CREDIT": .credit, "END": .end, "RESET": .reset, "OPEN": .open, "OPENED": .opened,
        "REFUSED": .refused, "HELLO": .hello, "CHALLENGE": .challenge, "LOGIN": .login, "WELCOME": .welcome,
        "REJECT": .reject, "MAP": .map, "MAPPED": .mapped, "MAP_REFUSED": .mapRefused, "UNMAP": .unmap,
        "UNMAPPED": .unmapped, "PING": .ping, "PONG": .pong, "GO_AWAY": .goAway,
    ]

    var type: FrameType { get throws { try #require(Self.types[try text("type")], "\(name): an unknown type") } }

    /// The message that the values describe; nil for frames whose payload is no message.
    func message() throws -> (any Message)? {
        switch try type {
        case .hello:
            Hello(
                clientID: try text("client_id"), scram: try utf8("scram"), window: try number("window"),
                agent: try text("agent"), session: try bytesIfAny("session"))
        case .challenge: Challenge(scram: try utf8("scram"))
        case .login: Login(scram: try utf8("scram"))
        case .welcome:
            Welcome(
                scram: try utf8("scram"), window: try number("window"), serverID: try text("server_id"),
                session: try bytesIfAny("session"), lanes: try numberIfAny("lanes") ?? 1)
        case .map:
            Map(
                id: try number("id"), name: try text("name"),
                mode: Map.Mode(rawValue: try number("mode")), domain: try text("domain"),
                remote: self["remote"] ?? "", idle: try numberIfAny("idle") ?? 0,
                lastPort: try numberIfAny("last_port") ?? 0)
        case .mapped: Mapped(id: try number("id"), address: try text("address"))
        case .mapRefused:
            MapRefused(id: try number("id"), code: SessionError(rawValue: try number("code")), text: try text("text"))
        case .unmap, .unmapped: Unmap(id: try number("id"))
        case .open: Open(mapping: try number("mapping"), visitor: try text("visitor"))
        default: nil
        }
    }

    /// The payload that the values describe.
    func payload() throws -> [UInt8] {
        if let message = try message() { return message.payload }
        func bigEndian(_ number: UInt64, _ size: Int) -> [UInt8] {
            (0..<size).map { UInt8(truncatingIfNeeded: number >> ((size - 1 - $0) * 8)) }
        }
        return switch try type {
        case .data: try bytes("data")
        case .ping, .pong: try bytes("opaque")
        case .credit: bigEndian(try number("increment"), 4)
        case .reset: bigEndian(try number("code"), 2)
        case .reject, .goAway, .refused:
            Refusal(code: SessionError(rawValue: try number("code")), text: try text("text")).payload
        default: []
        }
    }
}
