/// What the Connection fields of a head say about the connection (RFC 9110 §7.6.1).
struct ConnectionOptions {
    private(set) var close = false
    private(set) var keepAlive = false
    private(set) var upgrade = false
    private var nominations = 0

    /// More nominated names than this are refused: each costs a walk over the fields.
    private static let maximumNominations = 32

    /// Takes the options of one Connection field and marks the fields it nominates.
    ///
    /// A field beyond nomination stays, whatever is said here: otherwise a visitor could take away what a trusted proxy
    /// or this edge tells of it.
    mutating func note(
        _ value: Range<Int>, _ input: Span<UInt8>, marking fields: inout [FieldLine]
    ) throws(HTTPViolation) {
        // What nearly every Connection field says, without taking it to pieces.
        if Octet.equalIgnoringCase(input, value, "keep-alive") {
            keepAlive = true
            return
        }
        var elements = ListElements(value)
        while let option = elements.take(input) {
            for index in option {
                guard Octet.isToken(input[index]) else { throw .malformedConnection }
            }
            if Octet.equalIgnoringCase(input, option, "keep-alive") {
                keepAlive = true
            } else if Octet.equalIgnoringCase(input, option, "close") {
                close = true
            } else if Octet.equalIgnoringCase(input, option, "upgrade") {
                upgrade = true
            } else {
                nominations += 1
                guard nominations <= ConnectionOptions.maximumNominations else { throw .tooManyConnectionOptions }
                for index in fields.indices
                where !fields[index].id.isBeyondNomination
                    && Octet.equalIgnoringCase(input, fields[index].name, option)
                {
                    fields[index].isNominated = true
                }
            }
        }
    }

    /// Whether the connection may serve another exchange after this one (RFC 9112 §9.3).
    func persists(_ version: HTTPVersion) -> Bool {
        !close && (version == .http11 || keepAlive)
    }
}
