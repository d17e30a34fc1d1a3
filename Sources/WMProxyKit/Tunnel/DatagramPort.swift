import WMPIO
import WMPWire

/// The UDP port of a mapping at the server: a stream for each visitor's address.
///
/// It lives on a shard with a lane of the session that it serves, and moves when there is none any more. @unchecked
/// Sendable: confined to that shard's loop, but for `serve`, `follow` and `close`, which the server's first loop calls.
final class DatagramPort: DatagramHandler, @unchecked Sendable {
    private struct Visitor {
        let stream: DatagramStream
        let idle: Timer
    }

    private let address: SocketAddress
    private unowned let core: ServerCore
    /// Milliseconds until a silent visitor is forgotten.
    private let idle: Int
    /// Where it lives; known to the first loop.
    private var place: ServerShard?

    // On the shard's loop.
    private var shard: ServerShard?
    private var socket: DatagramSocket?
    private var route: Route?
    private var visitors: [SocketAddress: Visitor] = [:]
    private var isClosed = false

    private static let defaultIdle = 60_000

    init(_ socket: DatagramSocket, core: ServerCore, idle: Int) {
        (self.socket, self.core, address) = (socket, core, socket.address)
        self.idle = idle == 0 ? Self.defaultIdle : idle
    }

    // MARK: From the first loop

    /// From here on visitors go to `route`.
    func serve(_ route: Route) {
        guard let session = route.session else { return }
        guard let place, session.hasLanes(onShard: place.index) else { return move(to: route) }
        core.on(place) { [self] _ in change(to: route) }
    }

    /// A lane of `session` is gone.
    func follow(_ session: SharedSession) {
        guard let place, !session.hasLanes(onShard: place.index) else { return }
        core.on(place) { [self] _ in
            guard let route, route.session === session else { return }
            core.onHome { [self] _ in move(to: route) }
        }
    }

    private func move(to route: Route) {
        guard let index = route.session?.shard(from: 0) else { return }
        let destination = core.shards[index]
        let before = place ?? core.shards[0]
        place = destination
        core.on(before) { [self] _ in
            guard !isClosed else { return }
            forgetVisitors()
            do throws(SystemError) {
                socket = try socket?.moved(to: destination.loop)
            } catch { return Log.error("UDP port \(address) is lost: \(error)") }
            core.on(destination) { [self] in arrive(on: $0, route) }
        }
    }

    private func arrive(on shard: ServerShard, _ route: Route) {
        self.shard = shard
        change(to: route)
        do throws(SystemError) { try socket?.start(self) } catch {
            Log.error("UDP port \(address) is lost: \(error)")
        }
    }

    func close() {
        core.on(place ?? core.shards[0]) { [self] _ in
            isClosed = true
            forgetVisitors()
            socket?.close()
        }
    }

    // MARK: On the shard's loop

    private func change(to route: Route) {
        guard route != self.route else { return }
        self.route = route
        // Those of the session before cannot go on in another.
        forgetVisitors()
    }

    private func forgetVisitors() {
        let all = visitors
        visitors.removeAll()
        for visitor in all.values {
            visitor.idle.cancel()
            visitor.stream.end(.cancelled)
        }
    }

    func datagramReceived(_ bytes: UnsafeRawBufferPointer, from peer: SocketAddress?) {
        guard let peer, let visitor = visitors[peer] ?? open(peer) else { return }
        visitor.idle.set(after: idle)
        visitor.stream.sendDatagram(bytes)
    }

    private func open(_ peer: SocketAddress) -> Visitor? {
        guard let shard, let route, visitors.count < core.options.limits.udpVisitors,
            let lane = route.session.flatMap({ shard.lane(of: $0) }), case .success(let id) = lane.admit()
        else {
            self.shard?.counters.refused.add(1)
            self.shard?.counters.datagramsDropped.add(1)
            return nil
        }
        let stream = DatagramStream(id: id, mux: lane.mux, side: .visitor, counters: shard.counters)
        let timer = Timer(on: shard.loop) { [weak stream] in stream?.end(.cancelled) }
        let visitor = Visitor(stream: stream, idle: timer)
        visitors[peer] = visitor
        shard.counters.visitorsTotal.add(1)
        stream.onDatagram = { [self] datagram in
            timer.set(after: idle)
            if socket?.send(datagram, to: peer) != .sent { shard.counters.datagramsDropped.add(1) }
        }
        stream.onEnd = { [weak self] in
            timer.cancel()
            if self?.visitors[peer]?.stream === stream { self?.visitors[peer] = nil }
        }
        lane.open(stream, mapping: route.mapping, visitor: peer)
        return visitor
    }

    func datagramFailed(_ error: SystemError) {
        guard let shard else { return }
        core.logStranger(shard, "UDP port \(address): \(error)")
    }
}
