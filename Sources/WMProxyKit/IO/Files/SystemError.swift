import CWMProxyShims
import Glibc

/// A system call that failed.
package struct SystemError: Error, Equatable, Sendable, CustomStringConvertible {
    package let call: String
    package let code: Int32

    package init(_ call: String, _ code: Int32) {
        self.call = call
        self.code = code
    }

    /// The error of the call just made on this thread.
    package static func last(_ call: String) -> SystemError { SystemError(call, wmps_errno()) }

    /// Nobody listens there.
    package var isRefusal: Bool { code == ECONNREFUSED }

    /// "Connection refused".
    package var text: String { String(cString: wmps_error_text(code)) }

    package var description: String { "\(call): \(text)" }
}
