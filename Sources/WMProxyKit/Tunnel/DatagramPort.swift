import WMPIO
import WMPWire

/// The UDP port of a mapping at the server: a stream for each visitor's address.
///
/// It lives on a shard with a lane of the session that it serves, and moves when there is none any more. @unchecked
/// Sendable: what stands under "the first loop" is confined to that, the rest to the shard's loop; during a move it
/// belongs to neither, and the first loop waits.
final class DatagramPort: DatagramHandler, @unchecked Sendable {
    private struct Visitor {
        let stream: DatagramStream
        let idle: Timer
        /// The service has sent something: the visitor is no address that somebody made up.
        var isAnswered = false
    }

    private let address: SocketAddress
    private unowned let core: ServerCore

    // On the first loop.
    /// Whom it is for, and after how much silence a visitor is forgotten.
    private var served: (route: Route, idle: Int)?
    private var place: ServerShard
    private var isMoving = false
    /// What has to wait for the end of a move.
    private var afterMove: [() -> Void] = []

    // On the shard's loop.
    private var socket: DatagramSocket
    private var isStarted = false
    private var shard: ServerShard
    private var route: Route?
    /// Milliseconds until a silent visitor is forgotten.
    private var idle = DatagramPort.defaultIdle
    private var visitors: [SocketAddress: Visitor] = [:]
    /// Those whom the service has not answered, the oldest first; some are gone or answered meanwhile.
    private var unanswered: [SocketAddress] = []

    private static let defaultIdle = 60_000
    /// The longest silence of a visitor whom the service has not answered, as connection trackers have it.
    private static let unansweredIdle = 30_000

    /// Takes over `socket`, which is on the first loop.
    init(_ socket: DatagramSocket, core: ServerCore) {
        (self.socket, self.core, address) = (socket, core, socket.address)
        (place, shard) = (core.shards[0], core.shards[0])
    }

    // MARK: On the first loop

    /// From here on visitors go to `route`, and are forgotten after `idle` milliseconds of silence (0: of a minute).
    func serve(_ route: Route, idle: Int) {
        served = (route, idle)
        whenSettled { [self] in settle() }
    }

    /// The lanes of `session` have changed.
    func follow(_ session: SharedSession) {
        whenSettled { [self] in
            guard served?.route.session === session, !session.hasLanes(onShard: place.index) else { return }
            settle()
        }
    }

    /// Goes where it can be served, by what holds now: meanwhile it may have become another session's.
    private func settle() {
        guard let (route, idle) = served else { return }
        let destination = home(of: route)
        guard destination !== place else {
            return core.on(place) { [self] _ in begin(route, idle) }
        }
        move(to: destination) { [self] in begin(route, idle) }
    }

    /// Closes; `done` runs on the first loop when the port is free.
    func close(_ done: @escaping () -> Void) {
        whenSettled { [self] in
            core.on(place) { [self] _ in
                forgetVisitors()
                socket.close()
                core.onHome { _ in done() }
            }
        }
    }

    private func whenSettled(_ body: @escaping () -> Void) {
        if isMoving { afterMove.append(body) } else { body() }
    }

    /// Where it is already, if it can be served there.
    private func home(of route: Route) -> ServerShard {
        guard let session = route.session, !session.hasLanes(onShard: place.index),
            let index = session.shard(from: place.index)
        else { return place }
        return core.shards[index]
    }

    private func move(to destination: ServerShard, _ arrived: @escaping () -> Void) {
        isMoving = true
        core.on(place) { [self] _ in
            forgetVisitors()
            socket = socket.moved(to: destination.loop)
            isStarted = false
            core.on(destination) { [self] in
                shard = $0
                arrived()
                core.onHome { [self] _ in moved(to: destination) }
            }
        }
    }

    private func moved(to destination: ServerShard) {
        (place, isMoving) = (destination, false)
        let waiting = afterMove
        afterMove = []
        for body in waiting { whenSettled(body) }
    }

    // MARK: On the shard's loop

    private func begin(_ route: Route, _ idle: Int) {
        self.idle = idle == 0 ? Self.defaultIdle : idle
        if route != self.route {
            self.route = route
            // Those of the session before cannot go on in another.
            forgetVisitors()
        }
        guard !isStarted, !socket.isClosed else { return }
        do throws(SystemError) {
            try socket.start(self)
            isStarted = true
        } catch {
            core.onHome { [address] in $0.lost(.port(.udp, address), "the port cannot be read: \(error)") }
        }
    }

    private func forgetVisitors() {
        let all = visitors
        visitors.removeAll()
        for visitor in all.values {
            visitor.idle.cancel()
            visitor.stream.end(.cancelled)
        }
    }

    func datagramReceived(_ bytes: UnsafeRawBufferPointer, from sender: SocketAddress?) {
        guard let sender, let visitor = visitors[sender] ?? open(sender) else { return }
        visitor.idle.set(after: visitor.isAnswered ? idle : min(idle, Self.unansweredIdle))
        visitor.stream.sendDatagram(bytes)
    }

    private func open(_ sender: SocketAddress) -> Visitor? {
        guard shard.admits(sender) else {
            shard.counters.refused.add(1)
            return nil
        }
        guard let route, makeRoom(), let lane = route.session.flatMap({ shard.lane(of: $0) }),
            case .success(let id) = lane.admit(datagrams: true)
        else {
            shard.counters.refused.add(1)
            shard.counters.datagramsDropped.add(1)
            core.logStranger(shard, "UDP port \(address): visitor \(sender) turned away: there are too many")
            return nil
        }
        let stream = DatagramStream(
            id: id, mux: lane.mux, side: .visitor, counters: shard.counters, budget: route.session?.budget)
        // The circle ends with the stream.
        let timer = Timer(on: shard.loop) { stream.end(.cancelled) }
        let visitor = Visitor(stream: stream, idle: timer)
        visitors[sender] = visitor
        unanswered.append(sender)
        stream.onDatagram = { [self] datagram in
            if visitors[sender]?.idle === timer { visitors[sender]?.isAnswered = true }
            timer.set(after: idle)
            if socket.send(datagram, to: sender) != .sent { shard.counters.datagramsDropped.add(1) }
        }
        stream.onEnd = { [self] in
            timer.cancel()
            if visitors[sender]?.idle === timer { visitors.forget(sender) }
        }
        lane.open(stream, mapping: route.mapping, visitor: sender)
        return visitor
    }

    /// Room for one more visitor: if there is none, the oldest goes whom the service has not answered. Otherwise
    /// anybody could keep all others out, with a packet for each address he makes up.
    private func makeRoom() -> Bool {
        if unanswered.count > 64, unanswered.count > 2 * visitors.count {
            unanswered.removeAll { visitors[$0]?.isAnswered != false }
        }
        guard visitors.count >= shard.policy.options.limits.udpVisitors else { return true }
        var seen = 0
        defer { unanswered.removeFirst(seen) }
        for sender in unanswered {
            seen += 1
            guard let visitor = visitors[sender], !visitor.isAnswered else { continue }
            visitor.stream.end(.tooMany)
            return true
        }
        return false
    }

    func datagramFailed(_ error: SystemError) { core.logStranger(shard, "UDP port \(address): \(error)") }
}
