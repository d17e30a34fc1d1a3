import Glibc
import WMPIO
import WMPWire

// What a failure below is called above: for hosts (`TunnelError.Code`) and on the wire (`StreamError`).

extension TunnelError {
    /// A certificate or key that cannot be used.
    init(_ error: TLSError) { self.init(error.isFile ? .file : .certificate, error.description) }

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
        case .tls: self = .tls
        case .resolve: self = .notResolved
        case .timedOut: self = .timedOut
        case .truncated, .closedInHandshake: self = .closed
        case .system: self = .unreachable
        }
    }

    /// A login that ended before the server's word.
    init(login reason: LaneLoss) {
        switch reason {
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
        case .connection(.tls): .tls
        case .connection: .closed
        case .closed, .stopped: nil
        case .violation: .protocolViolation
        case .silent: .timedOut
        }
    }
}
