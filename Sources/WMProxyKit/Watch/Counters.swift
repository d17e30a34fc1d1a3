import Synchronization

/// A number that one thread changes and any thread reads.
///
/// Relaxed load and store, no read-modify-write: on the loop that owns it, a plain addition.
struct Counter: ~Copyable {
    private let value = Atomic<UInt64>(0)

    /// On the owning loop only.
    func add(_ amount: Int) {
        value.store(value.load(ordering: .relaxed) &+ UInt64(bitPattern: Int64(amount)), ordering: .relaxed)
    }

    /// On the owning loop only.
    func set(_ amount: Int) { value.store(UInt64(bitPattern: Int64(amount)), ordering: .relaxed) }

    /// Any thread.
    var current: UInt64 { value.load(ordering: .relaxed) }
}

/// What one loop counts for one server or client.
final class Counters: Sendable {
    // Now.
    let sessions = Counter()
    let mappings = Counter()
    let streams = Counter()
    let visitors = Counter()
    let queuedBytes = Counter()
    let lanes = Counter()
    let ports = Counter()
    let vacantNames = Counter()
    let udpVisitors = Counter()
    // Since the start.
    let sessionsTotal = Counter()
    let streamsTotal = Counter()
    let visitorsTotal = Counter()
    let bytesIn = Counter()
    let bytesOut = Counter()
    let refused = Counter()
    let loginFailures = Counter()
    let handshakes = Counter()
    let reconnects = Counter()
    let httpRequests = Counter()
    let httpErrors = Counter()
    let shed = Counter()
    let datagramsDropped = Counter()

    /// Bytes that a stream took into the tunnel at `side`.
    func addIntoTunnel(_ count: Int, at side: TunnelSide) {
        if side == .visitor { bytesIn.add(count) } else { bytesOut.add(count) }
    }

    /// Bytes that came out of the tunnel at `side`.
    func addOutOfTunnel(_ count: Int, at side: TunnelSide) {
        if side == .visitor { bytesOut.add(count) } else { bytesIn.add(count) }
    }
}

/// Where a stream leaves the tunnel: at the visitor, which is the server's side, or at the service, the client's.
enum TunnelSide { case visitor, service }

extension Statistics {
    /// The sum over the loops. Each number is right by itself; together they are of no single instant.
    init(_ counters: [Counters]) {
        self.init()
        for counters in counters {
            sessions &+= counters.sessions.current
            mappings &+= counters.mappings.current
            streams &+= counters.streams.current
            visitors &+= counters.visitors.current
            queuedBytes &+= counters.queuedBytes.current
            sessionsTotal &+= counters.sessionsTotal.current
            streamsTotal &+= counters.streamsTotal.current
            visitorsTotal &+= counters.visitorsTotal.current
            bytesIn &+= counters.bytesIn.current
            bytesOut &+= counters.bytesOut.current
            refused &+= counters.refused.current
            loginFailures &+= counters.loginFailures.current
            handshakes &+= counters.handshakes.current
            reconnects &+= counters.reconnects.current
            httpRequests &+= counters.httpRequests.current
            httpErrors &+= counters.httpErrors.current
            lanes &+= counters.lanes.current
            ports &+= counters.ports.current
            vacantNames &+= counters.vacantNames.current
            udpVisitors &+= counters.udpVisitors.current
            shed &+= counters.shed.current
            datagramsDropped &+= counters.datagramsDropped.current
        }
    }
}
