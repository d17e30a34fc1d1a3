/// How much one side may still send on a stream, and how much the other has yet to be told of (docs/PROTOCOL.md,
/// "Credit").
///
/// A DATA frame costs its payload, but at least `ProtocolLimits.minDataCharge`.
package struct SendWindow: Equatable {
    /// Bytes that may be sent now. The least charge can take it a little below 0.
    package private(set) var available: Int

    package init(initial: Int) { available = initial }

    /// What a payload of `size` bytes costs.
    @inline(__always)
    package static func charge(_ size: Int) -> Int { max(size, ProtocolLimits.minDataCharge) }

    /// Takes the cost of a frame of at most `available` bytes.
    @inline(__always)
    package mutating func use(_ size: Int) { available -= Self.charge(size) }

    /// The other side has made room for `increment` more.
    package mutating func grow(by increment: UInt32) throws(ProtocolViolation) {
        let (sum, overflow) = available.addingReportingOverflow(Int(increment))
        guard increment > 0, !overflow, sum <= ProtocolLimits.maxWindow else {
            throw ProtocolViolation("credit of \(increment) is none or too much")
        }
        available = sum
    }
}

/// The receiving end of the same account.
package struct ReceiveWindow: Equatable {
    /// What the peer may still send; kept exactly as its `SendWindow` keeps it.
    package private(set) var available: Int
    /// Consumed here, not yet told to the peer.
    private var owed = 0
    /// What the peer may send ahead in all.
    package private(set) var size: Int

    package init(size: Int) {
        available = size
        self.size = size
    }

    /// Counts an arriving DATA frame.
    @inline(__always)
    package mutating func take(_ length: Int) throws(ProtocolViolation) {
        guard available > 0, length <= available else {
            throw ProtocolViolation("DATA of \(length) bytes beyond the credit of \(available)")
        }
        let charge = SendWindow.charge(length)
        available -= charge
        // What the frame cost beyond its bytes holds no memory here: it is owed back at once.
        owed += charge - length
    }

    /// Lets the peer send `size` bytes ahead, at most `ProtocolLimits.maxWindow`; never fewer than before. Returns the
    /// credit to send now.
    package mutating func widen(to size: Int) -> UInt32 {
        let wider = min(size, ProtocolLimits.maxWindow)
        guard wider > self.size else { return 0 }
        let increment = wider - self.size + owed
        self.size = wider
        owed = 0
        available += increment
        return UInt32(truncatingIfNeeded: increment)
    }

    /// `count` bytes have been passed on. Returns the credit to send now, or 0: it is told in portions of a quarter of
    /// the window.
    @inline(__always)
    package mutating func consume(_ count: Int) -> UInt32 {
        owed += count
        guard owed >= size / 4 else { return 0 }
        let increment = owed
        owed = 0
        available += increment
        return UInt32(truncatingIfNeeded: increment)
    }
}
