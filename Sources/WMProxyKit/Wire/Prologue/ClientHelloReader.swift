/// Finds the ClientHello at the beginning of a TLS connection, which may be split over several records.
package enum ClientHelloReader {
    /// Longest message, its header of four bytes included: what one record holds at most. Hellos have 200 bytes to 2
    /// KiB.
    package static let maximumMessage = 16_384
    /// Most records of one hello. Some clients split it in two to hide the name; each byte in a record of its own would
    /// cost more to look at than to send.
    package static let maximumRecords = 64
    /// Most bytes that can be needed for an answer.
    package static let maximumLength = maximumMessage + maximumRecords * recordHeader

    private static let recordHeader = 5
    private static let messageHeader = 4

    /// The hello at the beginning of `bytes`; nil while more is needed, which is never more than `maximumLength` in
    /// all. Takes no memory before the message is whole.
    package static func read(_ bytes: Span<UInt8>) throws(PrologueViolation) -> ClientHello? {
        var message = Message()
        var start = 0
        for _ in 0..<maximumRecords {
            guard let fragment = try fragment(bytes, at: start) else { return nil }
            try message.add(fragment, of: bytes)
            guard fragment.upperBound <= bytes.count else { return nil }
            start = fragment.upperBound
            guard message.isWhole else { continue }
            guard start - recordHeader > message.gathered else {
                return try hello(bytes.extracting(fragment), length: start)
            }
            // Not within the call: Swift 6.3 makes broken code of a temporary's span in a call that throws.
            let gathered = try gather(bytes, message.gathered)
            return try hello(gathered.span, length: start)
        }
        throw .tooManyRecords
    }

    /// Where the payload of the record at `start` is, which may not all have come; nil if its header has not. Checks
    /// what has come of it (RFC 8446 §5.1): a handshake record, of any version 3.x, neither empty nor above 16 KiB.
    private static func fragment(_ bytes: Span<UInt8>, at start: Int) throws(PrologueViolation) -> Range<Int>? {
        let header = bytes.extracting(start..<min(start + recordHeader, bytes.count))
        let isFirst = start == 0
        if header.count > 0, header[0] != 22 { throw isFirst ? .notTLS : .notClientHello }
        if header.count > 1, header[1] != 3 { throw isFirst ? .notTLS : .notClientHello }
        guard header.count == recordHeader else { return nil }
        let length = Int(header[3]) << 8 | Int(header[4])
        guard (1...maximumMessage).contains(length) else { throw .recordLength }
        return start + recordHeader..<start + recordHeader + length
    }

    /// The message as far as the records before tell: its length, and how much of it they hold.
    private struct Message {
        private var header: UInt32 = 0
        private var headerCount = 0
        private(set) var gathered = 0

        private var isMeasured: Bool { headerCount == messageHeader }
        private var size: Int { messageHeader + Int(header & 0xFF_FFFF) }

        var isWhole: Bool { isMeasured && gathered == size }

        /// Counts a fragment, of which the beginning may have come alone.
        mutating func add(_ fragment: Range<Int>, of bytes: Span<UInt8>) throws(PrologueViolation) {
            var index = fragment.lowerBound
            while !isMeasured, index < min(fragment.upperBound, bytes.count) {
                // client_hello; HelloRequest and the others are a server's.
                guard headerCount > 0 || bytes[index] == 1 else { throw .notClientHello }
                header = header << 8 | UInt32(bytes[index])
                headerCount += 1
                index += 1
            }
            gathered += fragment.count
            guard isMeasured else { return }
            guard size <= maximumMessage else { throw .helloTooLong }
            guard gathered <= size else { throw .afterHello }
        }
    }

    /// The first `count` bytes in the payloads of the records, all of which have come.
    private static func gather(_ bytes: Span<UInt8>, _ count: Int) throws(PrologueViolation) -> [UInt8] {
        var message: [UInt8] = []
        message.reserveCapacity(count)
        var start = 0
        while message.count < count, let fragment = try fragment(bytes, at: start) {
            bytes.extracting(fragment).withUnsafeBytes { message.append(contentsOf: $0) }
            start = fragment.upperBound
        }
        return message
    }

    // MARK: Inside the message

    private static func hello(_ message: Span<UInt8>, length: Int) throws(PrologueViolation) -> ClientHello {
        var cursor = VectorCursor(messageHeader..<message.count, orThrow: .malformedHello)
        guard try cursor.number(2, of: message) >> 8 == 3 else { throw .malformedHello }  // legacy_version
        try cursor.skip(32)  // random
        _ = try cursor.vector(0...32, of: message)  // legacy_session_id
        let suites = try cursor.vector(2...65_534, of: message)
        guard suites.count.isMultiple(of: 2) else { throw .malformedHello }
        _ = try cursor.vector(1...255, of: message)  // legacy_compression_methods
        // Before TLS 1.3 there may be no extensions at all (RFC 5246 §7.4.1.2).
        let extensions = cursor.isAtEnd ? cursor : try cursor.vector(0...65_535, of: message)
        guard cursor.isAtEnd else { throw .malformedHello }
        let found = try Extensions(extensions, of: message)
        let serverName = try host(found.serverName, of: message)
        let protocols = try list(found.protocols, of: message)
        return ClientHello(
            serverName: serverName, protocolList: message.extracting(protocols).withUnsafeBytes { Array($0) },
            length: length)
    }

    /// Where the contents of the extensions are that matter here.
    private struct Extensions {
        private(set) var serverName: Range<Int>?
        private(set) var protocols: Range<Int>?

        /// No extension may stand twice (RFC 8446 §4.2): two readers might each believe another one.
        init(_ extensions: VectorCursor, of message: Span<UInt8>) throws(PrologueViolation) {
            var extensions = extensions
            while !extensions.isAtEnd {
                let type = try extensions.number(2, of: message)
                let data = try extensions.vector(0...65_535, of: message).range
                switch type {
                case 0:
                    guard serverName == nil else { throw .repeatedExtension }
                    serverName = data
                case 16:
                    guard protocols == nil else { throw .repeatedExtension }
                    protocols = data
                default: break
                }
            }
        }
    }

    /// server_name (RFC 6066 §3): a list of names of which there is one kind, so it has one entry.
    private static func host(_ data: Range<Int>?, of message: Span<UInt8>) throws(PrologueViolation) -> HostName? {
        guard let data else { return nil }
        var rest = VectorCursor(data, orThrow: .malformedServerName)
        var names = try rest.vector(1...65_535, of: message)
        guard rest.isAtEnd, try names.number(1, of: message) == 0 else { throw .malformedServerName }
        let name = message.extracting(try names.vector(1...65_535, of: message).range)
        guard names.isAtEnd else { throw .malformedServerName }
        // No port belongs here, and no IPv6 address, which a Host field may have.
        for index in 0..<name.count where name[index] == Octet.colon { throw .malformedServerName }
        guard let host = HostName(name) else { throw .malformedServerName }
        return host
    }

    /// application_layer_protocol_negotiation (RFC 7301 §3.1): a list of names that are not empty. Where it stands.
    private static func list(_ data: Range<Int>?, of message: Span<UInt8>) throws(PrologueViolation) -> Range<Int> {
        guard let data else { return 0..<0 }
        var rest = VectorCursor(data, orThrow: .malformedProtocols)
        let list = try rest.vector(2...65_535, of: message)
        guard rest.isAtEnd else { throw .malformedProtocols }
        var names = list
        while !names.isAtEnd { _ = try names.vector(1...255, of: message) }
        return list.range
    }
}
