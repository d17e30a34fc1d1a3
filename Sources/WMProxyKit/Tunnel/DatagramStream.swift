import WMPIO
import WMPWire

/// A stream that carries the datagrams of one UDP visitor, each as a whole: at the server between the port and the
/// tunnel, at the client between the tunnel and the service.
///
/// Nothing waits here: a datagram that finds no room or no credit is dropped, as the network would. Confined to its
/// loop.
final class DatagramStream: MuxStream {
    enum Side { case visitor, service }

    private let side: Side
    private let counters: Counters
    private var reader = DatagramReader()
    /// Called once, when the mux knows the stream.
    var onStart: ((DatagramStream) -> Void)?
    /// A datagram has come through the tunnel; borrowed for the call.
    var onDatagram: ((UnsafeRawBufferPointer) -> Void)?
    /// The stream is over.
    var onEnd: (() -> Void)?

    init(id: UInt32, mux: Mux, side: Side, counters: Counters) {
        (self.side, self.counters) = (side, counters)
        super.init(id: id, mux: mux)
    }

    override func start() {
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
        if side == .visitor { counters.bytesIn.add(datagram.count) } else { counters.bytesOut.add(datagram.count) }
    }

    override func receive(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes
        do throws(ProtocolViolation) {
            while let onDatagram, let datagram = try reader.next(in: &rest) {
                if side == .visitor {
                    counters.bytesOut.add(datagram.count)
                } else {
                    counters.bytesIn.add(datagram.count)
                }
                onDatagram(datagram)
            }
        } catch { return end(.cancelled) }
        consumed(bytes.count)
    }

    override func receiveEnd() { end(.cancelled) }
    override func receiveReset(_ error: StreamError, _ explanation: String) { finish() }

    /// Ends the stream, in both directions: an end of datagrams means nothing.
    func end(_ error: StreamError) {
        reset(error)
        finish()
    }

    private func finish() {
        guard let onEnd else { return }
        self.onEnd = nil
        onDatagram = nil
        counters.udpVisitors.add(-1)
        onEnd()
    }
}
