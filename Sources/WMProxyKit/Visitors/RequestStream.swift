import WMPIO
import WMPWire

/// A stream that carries the requests of one visitor, one after the other.
///
/// Left alone (`visitor` nil) it lets the rest of what the service says go by until it ends. Confined to its loop.
final class RequestStream: MuxStream {
    /// Lets go of the stream before it goes itself (`dropUpstream`).
    unowned(unsafe) var visitor: HTTPVisitor?
    let route: Route
    /// The name that was asked for when it was opened.
    let name: HostName
    /// The state of the shard's routes at which `route` was right.
    var routesVersion: Int
    /// Has carried a request before.
    var isReused = false

    init(id: UInt32, mux: Mux, route: Route, name: HostName, routesVersion: Int, visitor: HTTPVisitor) {
        (self.route, self.name, self.routesVersion) = (route, name, routesVersion)
        self.visitor = visitor
        super.init(id: id, mux: mux)
    }

    override func receive(_ bytes: UnsafeRawBufferPointer) {
        if let visitor { visitor.upstreamReceived(bytes) } else { consumed(bytes.count) }
    }
    override func receiveEnd() { visitor?.upstreamEnded() }
    override func receiveReset(_ error: StreamError, _ explanation: String) {
        visitor?.upstreamReset(error, explanation)
    }
    override var unread: Int { visitor?.connection.unacknowledged ?? 0 }
    override func canSend() { visitor?.upstreamCanSend() }
}
