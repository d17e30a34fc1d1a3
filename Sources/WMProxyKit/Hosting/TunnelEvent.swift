/// Something that happened in the life of a server or client.
public struct TunnelEvent: Sendable, Equatable {
    public struct Kind: RawRepresentable, Sendable, Hashable {
        public let rawValue: Int32
        public init(rawValue: Int32) { self.rawValue = rawValue }

        /// A listener is open.
        public static let listening = Kind(rawValue: 1)
        /// A client has logged in.
        public static let sessionUp = Kind(rawValue: 2)
        public static let sessionDown = Kind(rawValue: 3)
        /// A mapping is registered.
        public static let mappingUp = Kind(rawValue: 4)
        public static let mappingRefused = Kind(rawValue: 5)
        public static let mappingDown = Kind(rawValue: 6)
        /// A client could not connect or log in, and will try again.
        public static let connectFailed = Kind(rawValue: 7)
        /// No other event follows.
        public static let stopped = Kind(rawValue: 8)
        /// The queue was full, and the oldest events were dropped.
        public static let eventsLost = Kind(rawValue: 9)
        /// Who came to a server's `bind_addr` did not get in. Of many, some a second are told of.
        public static let loginFailed = Kind(rawValue: 10)
    }

    public let kind: Kind
    /// Why; nil where nothing went wrong.
    public let code: TunnelError.Code?
    /// Milliseconds since 1970-01-01 00:00 UTC.
    public let time: Int64
    public let clientID: String
    /// The mapping, or the listener.
    public let name: String
    public let address: String
    /// Why, in words.
    public let reason: String
}
