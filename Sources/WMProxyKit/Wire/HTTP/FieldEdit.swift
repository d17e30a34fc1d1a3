/// One change to the fields of a message on its way through, as an operator asked for it.
///
/// It is checked like a field from the wire when it is made, so that writing it can't break the message: neither a
/// configuration nor what a visitor puts into a variable of it can add a line, or change the framing, the connection or
/// the host.
package struct FieldEdit: Sendable {
    package enum Operation: Sendable {
        /// In place of all fields of that name.
        case set
        /// Beside the fields of that name.
        case add
        /// No field of that name; the value is ignored.
        case remove
        /// Only if there is no field of that name.
        case setIfAbsent
    }

    package let operation: Operation
    /// As it will be written.
    package let name: String
    package let value: String
    private let nameOctets: [UInt8]
    let id: FieldName

    /// - Returns: nil if the name is no token, the value holds a control character other than HTAB, or the field is the
    ///   edge's own affair: Host (see `VisitorInfo.hostOverride`), Content-Length, Expect, the hop-by-hop ones, and
    ///   names with `_` that shadow any of these.
    package init?(_ operation: Operation, name: String, value: String = "") {
        let octets = Array(name.utf8)
        guard !octets.isEmpty, octets.count < 256, octets.allSatisfy(Octet.isToken) else { return nil }
        guard value.utf8.count < 16_384, value.utf8.allSatisfy(Octet.isFieldValue) else { return nil }
        id = FieldName.parse(octets.span, 0..<octets.count, holdsUnderscore: octets.contains(Octet.underscore))
        guard !id.isHopByHop, id != .host, id != .contentLength, id != .expect else { return nil }
        self.operation = operation
        self.name = name
        self.value = value
        nameOctets = octets
    }

    /// Whether it takes away the fields of its name that the message came with.
    var replaces: Bool { operation == .set || operation == .remove }

    func names(_ field: FieldLine, _ input: Span<UInt8>) -> Bool {
        let range = field.name
        guard field.id == id, range.count == nameOctets.count else { return false }
        for index in 0..<range.count
        where Octet.lowercased(input[range.lowerBound + index]) != Octet.lowercased(nameOctets[index]) {
            return false
        }
        return true
    }

    func write(into out: inout ByteBuffer) {
        out.append(name)
        out.appendLiteral(": ")
        out.append(value)
        out.appendLiteral("\r\n")
    }
}

extension [FieldEdit] {
    /// Whether one of them takes this field away.
    func drop(_ field: FieldLine, _ input: Span<UInt8>) -> Bool {
        contains { $0.replaces && $0.names(field, input) }
    }

    /// Whether one of them replaces or removes what the edge itself would write under this name.
    func replace(_ id: FieldName) -> Bool {
        contains { $0.replaces && $0.id == id }
    }

    /// Appends the fields they add to a message that came with `fields`; those for which `passes` is false don't count
    /// as present.
    func write(
        besides fields: [FieldLine], _ input: Span<UInt8>, where passes: (FieldLine) -> Bool, into out: inout ByteBuffer
    ) {
        for edit in self {
            switch edit.operation {
            case .set, .add: edit.write(into: &out)
            case .remove: break
            case .setIfAbsent:
                var isPresent = false
                for field in fields where edit.names(field, input) && passes(field) { isPresent = true }
                if !isPresent { edit.write(into: &out) }
            }
        }
    }
}
