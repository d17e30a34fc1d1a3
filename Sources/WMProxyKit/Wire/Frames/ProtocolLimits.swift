/// Every constant of the tunnel protocol, with its reason.
package enum ProtocolLimits {
    /// What a client sends first: the protocol's name and version as a line, and an empty one. Lower-case, so that it
    /// is no HTTP method in use; not 0x05 (SOCKS5), not 0x16 (TLS): the port can be shared. Ended like an HTTP head, so
    /// that an HTTP server which is addressed by mistake answers at once, and the client can say so.
    package static let preface: [UInt8] = Array("\(alpn)\r\n\r\n".utf8)

    /// How much of the preface is the same in every version.
    package static let prefaceNameLength = "wmproxy/".utf8.count

    /// The protocol's name in TLS ALPN (RFC 7301).
    package static let alpn = "wmproxy/1"

    /// Bytes of the name by which a lane joins a session: random, so that nobody guesses another's.
    package static let sessionNameSize = 16

    /// Longest `remote` of MAP: a host of 255 bytes, a colon and a port.
    package static let maxRemote = 261

    /// Largest datagram: 65,535 bytes of an IPv4 packet less its headers.
    package static let maxDatagram = 65_507

    /// Longest frame before the login is over: a stranger may cost this much memory and no more.
    package static let maxLoginFrame = 4 * 1024

    /// Bytes of a message of SCRAM.
    package static let maxScramMessage = 1024

    /// Longest frame that is read as a whole.
    package static let maxControlFrame = 16 * 1024

    /// Longest DATA payload. It is never held as a whole, but it is what a control frame may have to wait behind.
    package static let maxData = 128 * 1024

    /// What each side may send on a new stream before it hears of credit, unless the other side announced more.
    package static let initialWindow = 256 * 1024

    /// No window is ever larger: credit beyond it is a violation.
    package static let maxWindow = 16 * 1024 * 1024

    /// A DATA frame uses at least this much credit, so that a flood of tiny frames is held back as well.
    package static let minDataCharge = 64

    /// Empty DATA frames in a row on one lane before it is closed: they move nothing and cost work.
    package static let maxEmptyDataRun = 16

    /// Output that may wait for the lane when one more frame asks for an answer: who asks and does not listen would
    /// fill our memory. Far above what the control frames of honest use leave there.
    package static let maxUnread = 4 * 1024 * 1024

    /// The same before the login is over, where nothing but the login is to be said.
    package static let maxUnreadInLogin = 16 * 1024
}
