/// Why the beginning of a connection was refused: it is not what the listener asks for. Its scope is the connection,
/// about which nothing can be told.
package struct PrologueViolation: Error, Equatable, Sendable {
    /// One clause without a full stop, free of anything the peer sent.
    package let reason: StaticString

    private init(_ reason: StaticString) { self.reason = reason }

    package static func == (left: PrologueViolation, right: PrologueViolation) -> Bool {
        left.reason.description == right.reason.description
    }
}

extension PrologueViolation {
    // PROXY protocol
    static var noProxyHeader: Self { Self("there is no PROXY header") }
    static var proxyLineTooLong: Self { Self("the PROXY line is longer than 107 bytes") }
    static var proxyLineOctet: Self { Self("the PROXY line holds a character not allowed there") }
    static var proxyFamily: Self { Self("the PROXY header names an unknown family") }
    static var proxyFields: Self { Self("the PROXY line is not two addresses and two ports") }
    static var proxyVersion: Self { Self("the PROXY header has an unknown version") }
    static var proxyCommand: Self { Self("the PROXY header has an unknown command") }
    static var proxyTransport: Self { Self("the PROXY header names an unknown transport") }
    static var proxyHeaderTooLong: Self { Self("the PROXY header is longer than 2 KiB") }
    static var proxyAddressesCutShort: Self { Self("the PROXY header is too short for its addresses") }
    static var proxyExtension: Self { Self("the PROXY header holds a malformed extension") }
    static var proxyChecksum: Self { Self("the checksum of the PROXY header is wrong") }

    // TLS
    static var notTLS: Self { Self("this is not TLS") }
    static var notClientHello: Self { Self("TLS does not begin with a ClientHello") }
    static var recordLength: Self { Self("a TLS record has an impossible length") }
    static var tooManyRecords: Self { Self("the ClientHello is in more than 64 records") }
    static var helloTooLong: Self { Self("the ClientHello is longer than 16 KiB") }
    static var afterHello: Self { Self("something follows the ClientHello in its record") }
    static var malformedHello: Self { Self("the ClientHello is malformed") }
    static var malformedServerName: Self { Self("the server name in the ClientHello is malformed") }
    static var malformedProtocols: Self { Self("the list of protocols in the ClientHello is malformed") }
    static var repeatedExtension: Self { Self("an extension stands twice in the ClientHello") }
}
