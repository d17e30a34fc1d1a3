import WMPIO
import WMPWire

/// What a side says that was never said before, so that no exchange can be played again.
package enum ScramNonce {
    /// 32 printable characters, 192 random bits. nil when the system has no random numbers.
    package static func random() -> [UInt8]? { Digest.random(24).map(Base64.encode) }
}
