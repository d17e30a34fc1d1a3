import WMPIO
import WMPWire

/// A stream that carries the datagrams of one UDP visitor, each as a whole: at the server between the port and the
/// tunnel, at the client between the tunnel and the service.
///
/// A datagram that finds no room or no credit is dropped, as the network would; what waits here is one that has not
/// come as a whole, and the first few. Confined to its loop.
final class DatagramStream: MuxStream {
    private let side: TunnelSide
    private let counters: Counters
    private var reader = DatagramReader()
    /// Called once, when the mux knows the stream.
    var onStart: ((DatagramStream) -> Void)?
    /// A datagram has come through the tunnel; borrowed for the call. The first few wait until this is set, so that a
    /// service whose name has to be looked up hears what its visitors say first.
    var onDatagram: ((UnsafeRawBufferPointer) -> Void)? { didSet { passOnEarly() } }
    /// The stream is over.
    var onEnd: (() -> Void)?
    private var early: [[UInt8]] = []
    private var earlySize = 0
    /// What has come of a datagram that is not whole, and what is early, on its session's account.
    private var held: Holding
    private var isCounted = false

    /// Datagrams that wait for `onDatagram`, and their bytes.
    private static let mostEarly = 8
    private static let mostEarlySize = 64 * 1024

    init(id: UInt32, mux: Mux, side: TunnelSide, counters: Counters, budget: ByteBudget?) {
        (self.side, self.counters) = (side, counters)
        held = Holding(budget)
        super.init(id: id, mux: mux)
    }

    override func start() {
        isCounted = true
        counters.udpVisitors.add(1)
        onStart?(self)
        onStart = nil
    }

    /// Sends one datagram through the tunnel, if there is room.
    func sendDatagram(_ datagram: UnsafeRawBufferPointer) {
        guard !isClosed, let size = DatagramWriter.size(of: datagram.count), sendable >= size else {
            return counters.datagramsDropped.add(1)
        }
        commitData(DatagramWriter.write(datagram, to: prepareData(size)))
        rest()
        counters.addIntoTunnel(datagram.count, at: side)
    }

    override func receive(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes
        do throws(ProtocolViolation) {
            while !isClosed, let datagram = try reader.next(in: &rest) {
                counters.addOutOfTunnel(datagram.count, at: side)
                if let onDatagram {
                    onDatagram(datagram)
                } else if early.count < Self.mostEarly, earlySize + datagram.count <= Self.mostEarlySize {
                    early.append(Array(datagram))
                    earlySize += datagram.count
                } else {
                    counters.datagramsDropped.add(1)
                }
            }
        } catch { return end(.cancelled) }
        guard !isClosed else { return }
        // Too much waits, of this and others: what is here goes, since datagrams may get lost.
        if held.set(to: reader.held + earlySize) != nil { return end(.tooMany) }
        consumed(bytes.count)
    }

    private func passOnEarly() {
        guard let onDatagram, !early.isEmpty else { return }
        let waiting = early
        (early, earlySize) = ([], 0)
        _ = held.set(to: reader.held)
        for datagram in waiting { datagram.withUnsafeBytes { onDatagram($0) } }
    }

    override func receiveEnd() { end(.cancelled) }
    override func receiveReset(_ error: StreamError, _ explanation: String) { finish() }

    /// Ends the stream, in both directions: an end of datagrams means nothing.
    func end(_ error: StreamError) {
        reset(error)
        finish()
    }

    private func finish() {
        guard isCounted else { return }
        isCounted = false
        counters.udpVisitors.add(-1)
        (early, earlySize) = ([], 0)
        _ = held.set(to: 0)
        onDatagram = nil
        let end = onEnd
        onEnd = nil
        end?()
    }
}
