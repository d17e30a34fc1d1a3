import WMPIO
import WMPWire

/// A UDP visitor's socket at the client, connected to the service.
///
/// Confined to its loop.
final class DatagramService: DatagramHandler {
    private let socket: DatagramSocket
    private weak var stream: DatagramStream?
    private let onFailure: (ConnectionError) -> Void

    init(
        _ address: SocketAddress, for stream: DatagramStream, on loop: Loop, counters: Counters,
        onFailure: @escaping (ConnectionError) -> Void
    ) throws(ConnectionError) {
        self.stream = stream
        self.onFailure = onFailure
        do throws(SystemError) {
            socket = try DatagramSocket(connectedTo: address, on: loop)
            try socket.start(self)
        } catch { throw .system(error) }
        stream.onDatagram = { [socket] datagram in
            if socket.send(datagram) != .sent { counters.datagramsDropped.add(1) }
        }
    }

    func datagramReceived(_ bytes: UnsafeRawBufferPointer, from peer: SocketAddress?) { stream?.sendDatagram(bytes) }

    /// The service is not there, which UDP tells now and then (ICMP): it may come back, and the visitor hears nothing
    /// either way.
    func datagramFailed(_ error: SystemError) { onFailure(.system(error)) }

    func close() { socket.close() }
}
