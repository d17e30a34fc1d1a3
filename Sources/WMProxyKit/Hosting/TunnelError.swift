/// What a call could not do, and why.
public struct TunnelError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The kind of failure; its number is the `wmp_status` of the C interface.
    public struct Code: RawRepresentable, Sendable, Hashable {
        public let rawValue: Int32
        public init(rawValue: Int32) { self.rawValue = rawValue }

        public static let invalidArgument = Code(rawValue: -1)
        public static let badHandle = Code(rawValue: -2)
        public static let badState = Code(rawValue: -3)
        public static let wouldDeadlock = Code(rawValue: -4)
        public static let forked = Code(rawValue: -5)
        public static let bufferTooSmall = Code(rawValue: -6)
        public static let notFound = Code(rawValue: -7)
        public static let alreadyExists = Code(rawValue: -8)
        public static let configuration = Code(rawValue: -20)
        public static let file = Code(rawValue: -21)
        public static let certificate = Code(rawValue: -22)
        public static let addressInUse = Code(rawValue: -40)
        public static let addressNotAvailable = Code(rawValue: -41)
        public static let permissionDenied = Code(rawValue: -42)
        public static let notResolved = Code(rawValue: -43)
        public static let unreachable = Code(rawValue: -44)
        public static let outOfDescriptors = Code(rawValue: -45)
        public static let system = Code(rawValue: -46)
        public static let authentication = Code(rawValue: -60)
        public static let protocolViolation = Code(rawValue: -61)
        public static let version = Code(rawValue: -62)
        public static let tls = Code(rawValue: -63)
        public static let refused = Code(rawValue: -64)
        public static let closed = Code(rawValue: -65)
        public static let certificateExpired = Code(rawValue: -70)
        public static let certificateNotYetValid = Code(rawValue: -71)
        public static let certificateHost = Code(rawValue: -72)
        public static let certificateAuthority = Code(rawValue: -73)
        public static let certificateFingerprint = Code(rawValue: -74)
        public static let certificateRequired = Code(rawValue: -75)
        public static let timedOut = Code(rawValue: -80)
        public static let outOfMemory = Code(rawValue: -100)
        public static let internalError = Code(rawValue: -101)

        /// The same call may succeed later without a change by anybody.
        public var isRetryable: Bool {
            switch self {
            case .addressInUse, .notResolved, .unreachable, .outOfDescriptors, .closed, .timedOut, .outOfMemory: true
            default: false
            }
        }
    }

    public let code: Code
    /// One sentence: what, where, and what to do.
    public let message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { message }
}
