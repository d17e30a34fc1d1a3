import WMPIO
import WMPWire

/// A connection on `bind_addr` that has said something and is not in yet.
protocol LoginInProgress: AnyObject {
    /// By when it has to be in, monotonic nanoseconds.
    var deadline: Int64 { get }
    /// There are too many: this one ends, so that another has a chance.
    func giveWay()
}

/// A new connection on `bind_addr` until it is known what it speaks: told by its first byte, before any memory is spent
/// on it.
///
/// Confined to its shard's loop.
final class Doorman: ConnectionHandler, LoginInProgress {
    private let connection: Connection
    private let peer: SocketAddress
    private unowned let shard: ServerShard
    private var timer: Timer?
    let deadline: Int64
    private var isSealing = false
    /// Stands among the logins in progress: from its first byte on, so that the silent keep nobody out.
    private var isCounted = false

    init(_ connection: Connection, peer: SocketAddress, shard: ServerShard) {
        (self.connection, self.peer, self.shard) = (connection, peer, shard)
        let time = shard.policy.options.timeouts.login
        deadline = shard.loop.now + Int64(time) * 1_000_000
        let timer = Timer(on: shard.loop) { [self] in end("no login within the login time", .timedOut) }
        self.timer = timer
        timer.set(after: time)
    }

    func start() throws(SystemError) { try connection.start(self) }

    func connectionReadable() {
        guard !isSealing else { return }
        switch connection.peek(into: UnsafeMutableRawBufferPointer(rebasing: shard.loop.scratch[..<1])) {
        case .bytes: identify(shard.loop.scratch[0])
        case .wouldBlock: break
        case .end: end("closed at once", .closed)
        case .failed(let error): end("\(error)", TunnelError.Code(error))
        }
    }

    private func identify(_ first: UInt8) {
        guard shard.admitsLogin(of: self) else {
            return end("too many logins in progress", .refused)
        }
        isCounted = true
        let isHandshake = first == 0x16  // RFC 8446 §5.1: a handshake record
        guard let context = shard.policy.tunnelContext else {
            guard !isHandshake else {
                let text = "it speaks TLS, this server does not: set 'tc: true' here or 'ts: false' there"
                return end(text, .tls, Self.alert)
            }
            return becomeLane()
        }
        guard isHandshake else {
            guard first == ProtocolLimits.preface.first else {
                return end("it speaks neither TLS nor the tunnel's protocol", .protocolViolation)
            }
            return end("it speaks without TLS, this server wants it: set 'ts: true' there", .tls, Self.refusal)
        }
        isSealing = true
        do throws(TLSError) { try connection.startTLS(context) } catch { end("\(error)", .tls) }
    }

    /// A fatal alert, protocol_version (RFC 8446 §6.2), for a peer that waits for a TLS answer.
    private static let alert: [UInt8] = [0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x46]

    /// A REJECT for a tunnel client that came without TLS.
    private static let refusal: [UInt8] = {
        let payload = Refusal(code: .encryptionRequired, text: "this server takes TLS only: set 'ts: true'").payload
        var frame = [UInt8](repeating: 0, count: FrameHeader.size)
        frame.withUnsafeMutableBytes { FrameHeader(length: payload.count, type: .reject, stream: 0).write(to: $0) }
        return frame + payload
    }()

    func connectionOpened() {
        guard isSealing else { return }
        shard.counters.handshakes.add(1)
        becomeLane()
    }

    private func becomeLane() {
        timer?.cancel()
        let lane = ServerLane(connection, peer: peer, shard: shard, deadline: deadline)
        shard.doormanEnded(self, wasCounted: isCounted, becoming: lane)
        lane.start()
    }

    func giveWay() { end("it gave way to another's login: there are too many at once", .refused) }

    func connectionFailed(_ error: ConnectionError) { end("\(error)", TunnelError.Code(error)) }
    func connectionWritable() {}

    /// Closes, with a last word where the peer would understand one.
    func end(_ reason: String, _ code: TunnelError.Code, _ farewell: [UInt8] = []) {
        timer?.cancel()
        if farewell.isEmpty {
            connection.close()
        } else {
            // A few bytes into an empty socket: taken whole or lost with the peer.
            _ = farewell.withUnsafeBytes { connection.write($0) }
            connection.closeLingering()
        }
        shard.turnedAway(peer, reason, code)
        shard.doormanEnded(self, wasCounted: isCounted, becoming: nil)
    }
}
