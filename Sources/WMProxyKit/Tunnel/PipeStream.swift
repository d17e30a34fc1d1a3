import WMPIO
import WMPWire

/// Who keeps a pipe's connection in its count.
protocol PipeOwner: AnyObject {
    var loop: Loop { get }
    func pipeClosed(_ pipe: PipeStream)
    /// More waits in memory than `budget` allows: somebody has to give way.
    func shed(_ budget: ByteBudget)
}

/// A stream joined to a TCP connection: a visitor's at the server, a local service's at the client.
///
/// What the connection sends is read straight into the lane's output; what the stream brings is written straight to the
/// socket. Bytes wait here only while the socket takes none, and then no more than the stream's window. Each direction
/// ends by itself; a reset of one side is a reset of the other. Confined to its loop.
final class PipeStream: MuxStream, ConnectionHandler {
    private(set) var connection: Connection?
    private let side: TunnelSide
    private let loop: Loop
    private let counters: Counters
    /// Until the pipe is over; the owner has the pipe in its table as long.
    private var owner: (any PipeOwner)?
    /// Received, not yet taken by the socket.
    private var pending = ByteQueue()
    /// What waits in `pending`, on its session's account.
    private(set) var held: Holding
    private var hasShutDown = false
    private var isOver = false
    private var farewell: Timer?
    /// Makes the connection to join; given up with the stream.
    var dialer: Dialer?
    /// Called once, when the mux knows the stream.
    var onStart: ((PipeStream) -> Void)?

    /// For a reader's next bytes, after the stream has ended.
    private static let farewellTimeout = 30_000

    init(id: UInt32, mux: Mux, side: TunnelSide, counters: Counters, budget: ByteBudget, owner: any PipeOwner) {
        self.side = side
        loop = owner.loop
        self.counters = counters
        self.owner = owner
        held = Holding(budget)
        super.init(id: id, mux: mux)
    }

    /// Joins the open connection. It need not be watched yet.
    func attach(_ connection: Connection) {
        guard !isOver, !isClosed else { return connection.reset() }
        dialer = nil
        self.connection = connection
        connection.handler = self
        counters.visitors.add(1)
        counters.visitorsTotal.add(1)
        drain()
        pump()
    }

    override func start() {
        onStart?(self)
        onStart = nil
    }

    /// More waits here than there is room for.
    func giveUp() {
        reset(.tooMany)
        close(resetting: true)
    }

    /// There will be no connection.
    func abandon() { close(resetting: true) }

    // MARK: Connection → stream

    func connectionReadable() {
        // It has ended properly, and then broke: the other direction is lost.
        if hasSentEnd, connection?.hasFailed == true { return fail() }
        pump()
    }
    override func canSend() { pump() }

    private func pump() {
        var budget = mux?.quantum ?? 0
        while let connection, !hasSentEnd {
            let size = min(sendable, budget)
            guard size > 0 else {
                // A connection that broke while there is no credit would not be noticed by reading.
                if connection.hasFailed { return fail() }
                // Its turn is over.
                if budget == 0 { mux?.wait(self) }
                return
            }
            switch connection.read(into: prepareData(size)) {
            case .bytes(let count):
                commitData(count)
                counters.addIntoTunnel(count, at: side)
                budget -= min(budget, count)
            case .wouldBlock: return rest()
            case .end:
                sendEnd()
                finishIfDone()
                limitFarewell()
                return
            case .failed:
                return fail()
            }
        }
    }

    // MARK: Stream → connection

    override func receive(_ bytes: UnsafeRawBufferPointer) {
        counters.addOutOfTunnel(bytes.count, at: side)
        var taken = 0
        if pending.isEmpty, let connection {
            switch connection.write(bytes) {
            case .taken(let count): taken = count
            case .failed:
                return fail()
            }
        }
        if taken > 0 {
            held.noteTaken(taken, at: loop.now)
            passedOn(taken, at: loop.now)
        }
        guard taken < bytes.count else { return }
        pending.append(UnsafeRawBufferPointer(rebasing: bytes[taken...]))
        notePending()
    }

    private func notePending() {
        counters.queuedBytes.add(pending.count - held.bytes)
        if let exceeded = held.set(to: pending.count) { owner?.shed(exceeded) }
    }

    func connectionWritable() { drain() }

    override var unread: Int { connection?.unacknowledged ?? 0 }

    private func drain() {
        guard let connection else { return }
        while !pending.isEmpty {
            switch connection.write(pending.readable) {
            case .taken(let count):
                guard count > 0 else { return limitFarewell() }
                farewell?.unset()
                pending.consume(count)
                held.noteTaken(count, at: loop.now)
                notePending()
                passedOn(count, at: loop.now)
            case .failed:
                return fail()
            }
        }
        if hasReceivedEnd { shutDown() }
    }

    override func receiveEnd() {
        if pending.isEmpty { shutDown() } else { limitFarewell() }
    }

    /// While the stream goes on, a reader may rest for as long as it likes. Once it is over, nobody else waits for
    /// these bytes, and a reader that takes none of them does not want them. Called at each end, and when it takes
    /// none.
    private func limitFarewell() {
        guard let connection, hasSentEnd, hasReceivedEnd, !pending.isEmpty, farewell?.isSet != true else { return }
        let timer = farewell ?? Timer(on: connection.loop) { [weak self] in self?.close(resetting: true) }
        farewell = timer
        timer.set(after: Self.farewellTimeout)
    }

    private func shutDown() {
        guard let connection, !hasShutDown else { return }
        hasShutDown = true
        // Closing says the same, and follows at once if the other direction is over.
        if !hasSentEnd { connection.shutdownWriting() }
        finishIfDone()
    }

    override func receiveReset(_ error: StreamError, _ explanation: String) {
        if side == .visitor, error != .connectionLost, error != .cancelled { counters.refused.add(1) }
        close(resetting: true)
    }

    // MARK: The end

    /// The connection is lost: so is the stream.
    private func fail() {
        reset(.connectionLost)
        close(resetting: true)
    }

    func connectionOpened() {}
    func connectionFailed(_ error: ConnectionError) {
        fail()
    }

    private func finishIfDone() {
        if hasSentEnd, hasShutDown { close(resetting: false) }
    }

    private func close(resetting: Bool) {
        guard !isOver else { return }
        isOver = true
        dialer?.cancel()
        dialer = nil
        farewell?.cancel()
        pending.removeAll()
        notePending()
        if let connection {
            self.connection = nil
            counters.visitors.add(-1)
            if resetting { connection.reset() } else { connection.close() }
        }
        let owner = owner
        self.owner = nil
        owner?.pipeClosed(self)
    }
}
