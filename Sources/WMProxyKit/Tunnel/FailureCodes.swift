import Glibc
import WMPIO
import WMPWire

// What a failure below is called above: for hosts (`TunnelError.Code`) and on the wire (`StreamError`).

extension TunnelError {
    /// A certificate or key that cannot be used.
    init(_ error: TLSError) { self.init(error.cause == .file ? .file : .certificate, error.description) }

    /// A system call's failure, with what it was for.
    init(_ error: SystemError, doing what: String) {
        let (code, hint): (Code, String) =
            switch error.code {
            case EADDRINUSE: (.addressInUse, ": the port is taken by another program")
            case EADDRNOTAVAIL: (.addressNotAvailable, ": no such address on this machine")
            case EPERM, EACCES: (.permissionDenied, ": not permitted")
            case ENFILE, EMFILE: (.outOfDescriptors, ": out of file descriptors")
            default: (.system, ": \(error)")
            }
        self.init(code, what + hint)
    }
}

extension StreamError {
    /// What a visitor's side is told when the local service cannot be reached.
    init(_ error: ConnectionError) {
        switch error {
        case .timedOut: self = .timedOut
        case .resolve: self = .unreachable
        case .system(let error) where error.isRefusal: self = .connectionRefused
        default: self = .unreachable
        }
    }
}

extension TunnelError.Code {
    init(_ error: ConnectionError) {
        switch error {
        case .tls(let error): self.init(error.cause)
        case .resolve: self = .notResolved
        case .timedOut: self = .timedOut
        case .truncated, .closedInHandshake: self = .closed
        case .system: self = .unreachable
        }
    }

    /// A handshake or connection that failed for `cause`.
    init(_ cause: TLSError.Cause) {
        switch cause {
        case .other: self = .tls
        case .file: self = .file
        case .expired: self = .certificateExpired
        case .notYetValid: self = .certificateNotYetValid
        case .wrongHost: self = .certificateHost
        case .unknownAuthority: self = .certificateAuthority
        case .wrongFingerprint: self = .certificateFingerprint
        case .certificateRequired: self = .certificateRequired
        }
    }

    /// A client that fails so goes on failing until somebody does something, here or at the server.
    var needsSomebody: Bool {
        switch self {
        case .authentication, .protocolViolation, .version, .tls, .certificateExpired, .certificateNotYetValid,
            .certificateHost, .certificateAuthority, .certificateFingerprint, .certificateRequired:
            true
        default: false
        }
    }

    /// A login that ended before the server's word.
    init(login reason: LaneLoss) {
        switch reason {
        case .connection(.tls(let error)): self.init(error.cause)
        case .violation: self = .protocolViolation
        case .silent, .stopped: self = .timedOut
        default: self = .closed
        }
    }
}

extension LaneLoss {
    /// The kind of failure, for events; nil where nothing went wrong.
    var code: TunnelError.Code? {
        switch self {
        case .connection(.tls(let error)): TunnelError.Code(error.cause)
        case .connection: .closed
        case .closed, .stopped: nil
        case .violation: .protocolViolation
        case .silent: .timedOut
        }
    }
}
