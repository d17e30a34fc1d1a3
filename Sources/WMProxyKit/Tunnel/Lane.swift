import WMPIO
import WMPWire

/// What a lane's owner, a session, hears from it. On the lane's loop.
protocol LaneOwner: AnyObject {
    func laneReceived(_ type: FrameType, _ payload: Span<UInt8>) throws(ProtocolViolation)
    /// nil: the owner has refused the stream.
    func laneOpened(_ id: UInt32, _ message: Open) -> MuxStream?
    func laneClosed(_ stream: MuxStream)
    /// There are no streams, and all that was said has been sent.
    func laneIsIdle()
    /// `isSilent` has changed.
    func laneSilenceChanged()
    /// The connection is gone; every stream on it has heard so already.
    func laneLost(_ reason: LaneLoss)
}

/// Why a lane ended.
enum LaneLoss: Error, CustomStringConvertible {
    case connection(ConnectionError)
    /// The other side closed it in good order.
    case closed
    case violation(ProtocolViolation)
    /// Nothing was heard for the ping timeout.
    case silent
    /// We closed it.
    case stopped(String)

    var description: String {
        switch self {
        case .connection(let error): error.description
        case .closed: "closed by the other side"
        case .violation(let violation): "the other side broke the protocol: \(violation.reason)"
        case .silent: "no answer from the other side"
        case .stopped(let reason): reason
        }
    }
}

/// One tunnel connection: a mux over a connection, with the pings that keep watch over it and measure its round trip.
///
/// Confined to its loop; `leave` and `arrive` take it to another.
final class Lane: ConnectionHandler, MuxOwner, Flushable {
    let connection: Connection
    private let role: Mux.Role
    private(set) lazy var mux = Mux(role: role, owner: self)
    /// Owns the lane; nil from its end on. Not weak: a weak reference would make every retain and release of the owner
    /// a slow one.
    private unowned(unsafe) var owner: (any LaneOwner)?
    private let ping: PingOptions
    private var heardAt: Int64
    private var timer: Timer?
    private var nextPing: Int64 = 0
    /// When the ping that has not been answered yet went out.
    private var pingSentAt: Int64?
    private var roundTrips = ShortestRoundTrip()
    /// It owes an answer for longer than a path takes: it may be dead, which takes `ping.timeout` to be sure of.
    private(set) var isSilent = false
    /// Received since the last ping.
    private var received = 0
    private var isFlushScheduled = false
    private var isReading = false
    /// How fast it may go; nil: as fast as it can.
    var pace: Pace?
    /// Until they fire, nothing is read, or sent, for the sake of `pace`.
    private var readRest: Timer?
    private var sendRest: Timer?
    /// The last bytes read had many frames in them, each of which takes its time: fewer are read in a turn.
    private var isChatty = false
    /// Between two loops: nothing is read.
    private(set) var isPaused = false
    private(set) var isLost = false
    /// The login is over.
    private var isOpen = false
    /// A server's lane: the part of the preface that has not come yet.
    private var preface: ArraySlice<UInt8>
    /// Nothing but the preface has come yet.
    private var isFresh = true

    /// Nanoseconds without an answer after which a lane is silent.
    private static let suspectAfter: Int64 = 1_000_000_000
    /// While data flows, the round trip is measured after so many bytes, and at most so often (nanoseconds).
    private static let measureAfter = 256 * 1024
    private static let measureInterval: Int64 = 50_000_000
    /// Bytes read at once, if they are not chatty and if they are, and how many frames in them are chatty.
    private static let much = Loop.scratchSize
    private static let little = 8 * 1024
    private static let manyFrames = 512
    /// For the last bytes to go out after the end, milliseconds.
    private static let farewellTimeout = 5000

    /// Takes over `connection`, which is open.
    init(_ connection: Connection, role: Mux.Role, owner: any LaneOwner, ping: PingOptions) {
        self.connection = connection
        self.role = role
        self.owner = owner
        self.ping = ping
        heardAt = connection.loop.now
        preface = role == .server ? ProtocolLimits.preface[...] : []
        if role == .client {
            mux.writePreface()
            muxHasOutput()
        }
        connection.handler = self
    }

    var loop: Loop { connection.loop }

    /// The login is over: larger frames, streams, and pings from now on.
    func open(peerWindow: UInt32) {
        mux.peerWindow = Int(peerWindow)
        mux.maxControlFrame = ProtocolLimits.maxControlFrame
        mux.acceptsStreams = true
        isOpen = true
        // The circle ends with the lane, or the loop.
        timer = Timer(on: loop) { [self] in beat() }
        beat()
    }

    // MARK: Pings

    private func beat() {
        let dead = heardAt + Int64(ping.timeout) * 1_000_000
        guard loop.now < dead else { return lose(.silent) }
        if loop.now >= nextPing {
            mux.releaseOutput()
            nextPing = loop.now + Int64(ping.interval) * 1_000_000
            sendPing()
        }
        var next = min(nextPing, dead)
        if !isSilent, let pingSentAt {
            let suspect = max(pingSentAt, heardAt) + Self.suspectAfter
            if loop.now >= suspect { setSilent(true) } else { next = min(next, suspect) }
        }
        timer?.set(after: Int((next - loop.now + 999_999) / 1_000_000))
    }

    private func setSilent(_ isSilent: Bool) {
        self.isSilent = isSilent
        owner?.laneSilenceChanged()
    }

    /// More is about to be entrusted to the lane: if nothing was heard for a while, it is asked for a sign of life.
    func probe() {
        guard pingSentAt == nil, isOpen, loop.now - heardAt > Self.suspectAfter else { return }
        sendPing()
        beat()
    }

    private func sendPing() {
        received = 0
        pingSentAt = loop.now
        mux.write(.ping, number: UInt64(bitPattern: loop.now))
    }

    private func measureIfDue() {
        guard received >= Self.measureAfter, isOpen, pingSentAt == nil else { return }
        guard loop.now >= nextPing - Int64(ping.interval) * 1_000_000 + Self.measureInterval else { return }
        nextPing = loop.now + Int64(ping.interval) * 1_000_000
        sendPing()
    }

    /// The shortest of the last seconds counts: what queues on the way is not the way.
    private func receivePong(_ number: UInt64) {
        guard let sentAt = pingSentAt, number == UInt64(bitPattern: sentAt) else { return }
        pingSentAt = nil
        mux.roundTrip = roundTrips.add(max(loop.now - sentAt, 1), at: loop.now)
    }

    // MARK: Moving

    /// Stops reading, until `resume` or `arrive`: the caller takes the lane to another loop, later in this turn.
    func pause() { isPaused = true }

    func resume() { isPaused = false }

    /// Leaves its loop, for the one whose thread will call `arrive`. Nothing is to be sent, no timer runs.
    func leave() { connection.leave() }

    /// Goes on, on the loop whose thread calls this.
    func arrive(on loop: Loop) throws(SystemError) {
        try connection.arrive(on: loop)
        isPaused = false
    }

    // MARK: Sending

    func muxHasOutput() {
        guard !isFlushScheduled, !isLost else { return }
        isFlushScheduled = true
        loop.flushLater(self)
    }

    func flush() {
        isFlushScheduled = false
        guard !isLost, sendRest?.isSet != true else { return }
        // Twice at most: what the waiting streams add goes out at once, what comes after that with the next turn's
        // frames.
        for _ in 0..<2 {
            do throws(ConnectionError) {
                mux.isBlocked = try !sendOutput()
            } catch { return lose(.connection(error)) }
            if mux.isBlocked {
                if mux.isOverfull { lose(.violation(ProtocolViolation("it does not read what it is told"))) }
                return
            }
            guard mux.hasWaiting else { break }
            isFlushScheduled = true
            mux.serveWaiting()
            isFlushScheduled = false
            guard !isLost else { return }
        }
        if mux.hasOutput || mux.hasWaiting {
            isFlushScheduled = true
            loop.later { [self] in flush() }
        } else if mux.streamCount == 0 {
            owner?.laneIsIdle()
        }
    }

    /// false: the socket takes no more for now.
    private func sendOutput() throws(ConnectionError) -> Bool {
        while mux.hasOutput {
            var output = mux.nextOutput
            if let pace { output = UnsafeRawBufferPointer(rebasing: output.prefix(pace.portion)) }
            switch connection.write(output) {
            case .taken(let count):
                mux.taken(count)
                guard count == output.count, !restsAfterSending(count) else { return false }
            case .failed(let error): throw error
            }
        }
        return true
    }

    private func restsAfterSending(_ count: Int) -> Bool {
        guard let wait = pace?.sent.take(count, at: loop.now), wait > 0 else { return false }
        let timer = sendRest ?? Timer(on: loop) { [self] in connectionWritable() }
        sendRest = timer
        timer.set(after: wait)
        return true
    }

    private func restsAfterReading(_ count: Int) -> Bool {
        guard let wait = pace?.received.take(count, at: loop.now), wait > 0 else { return false }
        let timer =
            readRest
            ?? Timer(on: loop) { [self] in
                // It is we who did not listen.
                heardAt = loop.now
                connectionReadable()
            }
        readRest = timer
        timer.set(after: wait)
        return true
    }

    func connectionWritable() {
        if isLost { sendFarewell() } else { flush() }
    }

    // MARK: Receiving

    func connectionReadable() {
        // Some at a time, so that one lane's flood does not hold up the loop's other work.
        reading: for _ in 0..<4 {
            guard !isLost, !isPaused, readRest?.isSet != true else { return }
            let size = min(isChatty ? Self.little : Self.much, pace?.portion ?? Self.much)
            let room = UnsafeMutableRawBufferPointer(rebasing: loop.scratch[..<size])
            switch connection.read(into: room) {
            case .bytes(let count):
                heardAt = loop.now
                if isSilent { setSilent(false) }
                received &+= count
                let frames = mux.framesReceived
                take(UnsafeRawBufferPointer(rebasing: loop.scratch[..<count]))
                isChatty = mux.framesReceived &- frames > Self.manyFrames
                measureIfDue()
                if restsAfterReading(count) { return }
                if isChatty { break reading }
            case .wouldBlock: return
            case .end: return lose(.closed)
            case .failed(let error): return lose(.connection(error))
            }
        }
        guard !isReading, !isPaused else { return }
        isReading = true
        loop.later { [self] in
            isReading = false
            connectionReadable()
        }
    }

    private func take(_ input: UnsafeRawBufferPointer) {
        var input = input
        while let wanted = preface.first, let got = input.first {
            guard wanted == got else { return refusePreface() }
            preface = preface.dropFirst()
            input = UnsafeRawBufferPointer(rebasing: input[1...])
        }
        if isFresh, input.starts(with: "HTTP/".utf8) {
            return lose(.violation(ProtocolViolation("it speaks HTTP: is this the server's bind_addr?")))
        }
        isFresh = isFresh && input.isEmpty
        do throws(ProtocolViolation) { try mux.receive(input) } catch {
            // A stranger hears nothing; a peer hears what it did, which helps whoever runs it.
            guard isOpen else { return lose(.violation(error)) }
            close(.goAway, Refusal(code: .protocolViolation, text: error.reason), as: .violation(error))
        }
    }

    private func refusePreface() {
        guard ProtocolLimits.preface.count - preface.count >= ProtocolLimits.prefaceNameLength else {
            return lose(.violation(ProtocolViolation("not a tunnel client")))
        }
        // Its other versions may change everything but this: the frames of a login that fails.
        close(.reject, Refusal(code: .version, text: "this server speaks \(ProtocolLimits.alpn) only"))
    }

    func connectionOpened() {}
    func connectionFailed(_ error: ConnectionError) { lose(.connection(error)) }

    func muxReceived(_ type: FrameType, _ payload: Span<UInt8>) throws(ProtocolViolation) {
        switch type {
        case .ping where !isOpen, .pong where !isOpen: throw ProtocolViolation("PING before the login")
        case .ping: mux.write(.pong, number: try number(payload))
        case .pong: receivePong(try number(payload))
        default:
            try owner?.laneReceived(type, payload)
        }
    }

    /// The payload of PING and PONG.
    private func number(_ payload: Span<UInt8>) throws(ProtocolViolation) -> UInt64 {
        guard payload.count == 8 else { throw ProtocolViolation("PING or PONG of the wrong length") }
        return payload.withUnsafeBytes { UInt64(bigEndian: $0.loadUnaligned(as: UInt64.self)) }
    }

    func muxOpened(_ id: UInt32, _ message: Open) -> MuxStream? { owner?.laneOpened(id, message) }
    func muxClosed(_ stream: MuxStream) { owner?.laneClosed(stream) }

    // MARK: Ending

    /// Says farewell behind all that waits to be sent, and closes. The owner hears of it at once.
    func close(_ type: FrameType, _ refusal: Refusal, as reason: LaneLoss? = nil) {
        guard !isLost else { return }
        mux.writeLast(type, payload: refusal.payload)
        isLost = true
        mux.fail(refusal.text)
        cancelTimers()
        let timer = Timer(on: loop) { [connection] in connection.close() }
        self.timer = timer
        timer.set(after: Self.farewellTimeout)
        // Later: the caller may be inside a reading that uses the same scratch.
        loop.later { self.sendFarewell() }
        tellOwner(reason ?? .stopped(refusal.text))
    }

    private func cancelTimers() {
        for timer in [timer, readRest, sendRest] { timer?.cancel() }
        (readRest, sendRest) = (nil, nil)
        pace = nil
    }

    private func tellOwner(_ reason: LaneLoss) {
        let owner = owner
        self.owner = nil
        owner?.laneLost(reason)
    }

    private func sendFarewell() {
        do throws(ConnectionError) {
            guard try sendOutput() else { return }
            timer?.cancel()
            connection.closeLingering()
        } catch {
            timer?.cancel()
            connection.close()
        }
    }

    func lose(_ reason: LaneLoss) {
        guard !isLost else { return }
        isLost = true
        cancelTimers()
        connection.close()
        mux.fail(reason.description)
        tellOwner(reason)
    }
}

/// The shortest round trip of the last five to ten seconds, nanoseconds.
private struct ShortestRoundTrip {
    private var before = Int64.max
    private var now = Int64.max
    private var since: Int64 = 0

    private static let period: Int64 = 5_000_000_000

    mutating func add(_ sample: Int64, at time: Int64) -> Int64 {
        if time - since >= Self.period {
            (before, now, since) = (now, .max, time)
        }
        now = min(now, sample)
        return min(before, now)
    }
}
