/// A user's name in a SCRAM message: `saslname` of RFC 5802 §7, in which a comma is `=2C` and an equals sign `=3D`.
///
/// No SASLprep (RFC 4013): a name is the bytes of its UTF-8 as they are, so that names which look alike stay two.
enum SaslName {
    private static let comma: UInt8 = 0x2C
    private static let equals: UInt8 = 0x3D

    static func write(_ name: String) -> [UInt8] {
        var text: [UInt8] = []
        for byte in name.utf8 {
            switch byte {
            case comma: text += Array("=2C".utf8)
            case equals: text += Array("=3D".utf8)
            default: text.append(byte)
            }
        }
        return text
    }

    /// 1 … 255 bytes of UTF-8 without control characters, and no escape but the two.
    static func read(_ text: ArraySlice<UInt8>) throws(ProtocolViolation) -> String {
        var name: [UInt8] = []
        var rest = text
        while let byte = rest.popFirst() {
            guard byte == equals else {
                name.append(byte)
                continue
            }
            switch (rest.popFirst(), rest.popFirst()) {
            case (0x32, 0x43): name.append(comma)
            case (0x33, 0x44): name.append(equals)
            default: throw ProtocolViolation("the user of a SCRAM message has an escape that is none")
            }
        }
        guard (1...ScramLimits.maxUser).contains(name.count) else {
            throw ProtocolViolation("the user of a SCRAM message has \(name.count) bytes")
        }
        guard !name.withUnsafeBytes(Field.hasControls), let user = String(validating: name, as: UTF8.self) else {
            throw ProtocolViolation("the user of a SCRAM message is not a text")
        }
        return user
    }
}
