/// Walks over the attributes of a SCRAM message: letter, `=`, value, with commas between them (RFC 5802 §5.1).
///
/// Their order is fixed. Behind the known ones there may be extensions, which are skipped; `m=`, an extension that may
/// not be skipped, is refused wherever it stands, since none is known.
struct ScramAttributes {
    /// What has not been read yet; nil at the end.
    private var rest: ArraySlice<UInt8>?

    /// The attributes that RFC 5802 defines: no extension is named so.
    private static let defined = Array("amnrcsipve".utf8)

    /// Of the message `text`; the first `header` bytes are none of them.
    init(_ text: [UInt8], behind header: Int = 0) throws(ProtocolViolation) {
        guard text.count <= ScramLimits.maxMessage else {
            throw ProtocolViolation("a SCRAM message of \(text.count) bytes")
        }
        guard !text.contains(0), String(validating: text, as: UTF8.self) != nil else {
            throw ProtocolViolation("a SCRAM message is not a text")
        }
        rest = text.dropFirst(header)
    }

    /// The value of the next attribute, which has to be `name`. It is never empty.
    mutating func take(_ name: Unicode.Scalar) throws(ProtocolViolation) -> ArraySlice<UInt8> {
        guard let attribute = try next() else { throw ProtocolViolation("a SCRAM message ends before '\(name)='") }
        guard attribute.name == name else {
            throw ProtocolViolation("a SCRAM message has '\(attribute.name)=' where '\(name)=' has to be")
        }
        return attribute.value
    }

    /// The next attribute has this name.
    func has(_ name: Unicode.Scalar) -> Bool { rest?.first == UInt8(ascii: name) }

    /// Nothing but extensions follows, up to the attribute `last` or to the end; they mean nothing here.
    mutating func skipExtensions(before last: Unicode.Scalar? = nil) throws(ProtocolViolation) {
        while last.map(has) != true, let attribute = try next() {
            guard !Self.defined.contains(UInt8(ascii: attribute.name)) else {
                throw ProtocolViolation("a SCRAM message has '\(attribute.name)=' where an extension may be")
            }
        }
    }

    func finish() throws(ProtocolViolation) {
        guard rest == nil else { throw ProtocolViolation("a SCRAM message goes on behind its last attribute") }
    }

    /// The name is a letter.
    private mutating func next() throws(ProtocolViolation) -> (name: Unicode.Scalar, value: ArraySlice<UInt8>)? {
        guard var attribute = rest else { return nil }
        if let comma = attribute.firstIndex(of: Octet.comma) {
            rest = attribute[comma...].dropFirst()
            attribute = attribute[..<comma]
        } else {
            rest = nil
        }
        guard let name = attribute.popFirst(), (Octet.lowercased(name) &- 0x61) < 26, attribute.popFirst() == 0x3D,
            !attribute.isEmpty
        else { throw ProtocolViolation("a SCRAM message has an attribute without a name or a value") }
        return (Unicode.Scalar(name), attribute)
    }
}
