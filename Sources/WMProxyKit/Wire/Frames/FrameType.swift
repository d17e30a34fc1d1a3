/// What a frame is for: the third field of its header (docs/PROTOCOL.md, "Frames").
///
/// A struct over the wire's number, so that a number not known here is a value like any other.
package struct FrameType: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    // Streams.
    package static let data = FrameType(rawValue: 0x00)
    package static let credit = FrameType(rawValue: 0x01)
    package static let end = FrameType(rawValue: 0x02)
    package static let reset = FrameType(rawValue: 0x03)
    package static let open = FrameType(rawValue: 0x04)
    package static let opened = FrameType(rawValue: 0x05)
    package static let refused = FrameType(rawValue: 0x06)

    // Login.
    package static let hello = FrameType(rawValue: 0x10)
    package static let challenge = FrameType(rawValue: 0x11)
    package static let login = FrameType(rawValue: 0x12)
    package static let welcome = FrameType(rawValue: 0x13)
    package static let reject = FrameType(rawValue: 0x14)

    // Mappings.
    package static let map = FrameType(rawValue: 0x20)
    package static let mapped = FrameType(rawValue: 0x21)
    package static let mapRefused = FrameType(rawValue: 0x22)
    package static let unmap = FrameType(rawValue: 0x23)
    package static let unmapped = FrameType(rawValue: 0x24)

    // The session.
    package static let ping = FrameType(rawValue: 0x30)
    package static let pong = FrameType(rawValue: 0x31)
    package static let goAway = FrameType(rawValue: 0x32)

    /// A receiver that does not know this type skips the frame; without the bit it must close the lane.
    package var mayBeIgnored: Bool { rawValue & 0x80 != 0 }

    /// Carries bytes of a stream, which are passed on as they arrive; every other frame is read as a whole.
    package var isData: Bool { self == .data }

    /// Belongs to one stream; its header's stream number is not 0.
    package var belongsToStream: Bool { rawValue <= FrameType.refused.rawValue }
}
