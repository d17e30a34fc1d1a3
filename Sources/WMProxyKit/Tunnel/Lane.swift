import WMPIO
import WMPWire

/// What a lane's owner, a session, hears from it. On the lane's loop.
protocol LaneOwner: AnyObject {
    func laneReceived(_ type: FrameType, _ payload: Span<UInt8>) throws(ProtocolViolation)
    /// nil: the owner has refused the stream.
    func laneOpened(_ id: UInt32, _ message: Open) -> MuxStream?
    func laneClosed(_ stream: MuxStream)
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

/// One tunnel connection: a mux over a connection, with the pings that keep watch over it.
///
/// Confined to its loop.
final class Lane: ConnectionHandler, MuxOwner, Flushable {
    let connection: Connection
    private let role: Mux.Role
    private(set) lazy var mux = Mux(role: role, owner: self)
    private weak var owner: (any LaneOwner)?
    private let ping: PingOptions
    private var heardAt: Int64
    private var timer: Timer?
    private var isFlushScheduled = false
    private var isReading = false
    private(set) var isLost = false
    /// The login is over.
    private var isOpen = false
    /// A server's lane: the part of the preface that has not come yet.
    private var preface: ArraySlice<UInt8>
    /// Nothing but the preface has come yet.
    private var isFresh = true

    /// Takes over `connection`, which is open.
    init(_ connection: Connection, role: Mux.Role, owner: any LaneOwner, ping: PingOptions) {
        self.connection = connection
        self.role = role
        self.owner = owner
        self.ping = ping
        heardAt = connection.loop.now
        preface = role == .server ? ProtocolLimits.preface[...] : []
        if role == .client {
            ProtocolLimits.preface.withUnsafeBytes { mux.output.append($0) }
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
        timer = Timer(on: loop) { [weak self] in self?.beat() }
        timer?.set(after: ping.interval)
    }

    private func beat() {
        guard loop.now - heardAt < Int64(ping.timeout) * 1_000_000 else { return lose(.silent) }
        // An idle lane holds no memory for output.
        mux.output.releaseIfEmpty()
        mux.write(.ping, payload: [0, 0, 0, 0, 0, 0, 0, 0])
        timer?.set(after: ping.interval)
    }

    // MARK: Sending

    func muxHasOutput() {
        guard !isFlushScheduled, !isLost else { return }
        isFlushScheduled = true
        loop.flushLater(self)
    }

    func flush() {
        isFlushScheduled = false
        guard !isLost else { return }
        // Twice at most: what the waiting streams add goes out at once, what comes after that with the next turn's
        // frames.
        for _ in 0..<2 {
            while !mux.output.isEmpty {
                switch connection.write(mux.output.readable) {
                case .taken(let count):
                    mux.output.consume(count)
                    guard mux.output.isEmpty else {
                        mux.isBlocked = true
                        return
                    }
                case .failed(let error): return lose(.connection(error))
                }
            }
            mux.isBlocked = false
            guard mux.hasWaiting else { return }
            isFlushScheduled = true
            mux.serveWaiting()
            isFlushScheduled = false
        }
        if !mux.output.isEmpty || mux.hasWaiting {
            isFlushScheduled = true
            loop.later { [weak self] in self?.flush() }
        }
    }

    func connectionWritable() { flush() }

    // MARK: Receiving

    func connectionReadable() {
        // Some at a time, so that one lane's flood does not hold up the loop's other work.
        for _ in 0..<4 {
            guard !isLost else { return }
            switch connection.read(into: loop.scratch) {
            case .bytes(let count):
                heardAt = loop.now
                take(UnsafeRawBufferPointer(rebasing: loop.scratch[..<count]))
            case .wouldBlock: return
            case .end: return lose(.closed)
            case .failed(let error): return lose(.connection(error))
            }
        }
        guard !isReading else { return }
        isReading = true
        loop.later { [weak self] in
            self?.isReading = false
            self?.connectionReadable()
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
        case .ping:
            guard payload.count == 8 else { throw ProtocolViolation("PING of the wrong length") }
            mux.write(.pong, payload: (0..<8).map { payload[$0] })
        case .pong:
            guard payload.count == 8 else { throw ProtocolViolation("PONG of the wrong length") }
        default:
            try owner?.laneReceived(type, payload)
        }
    }

    func muxOpened(_ id: UInt32, _ message: Open) -> MuxStream? { owner?.laneOpened(id, message) }
    func muxClosed(_ stream: MuxStream) { owner?.laneClosed(stream) }

    // MARK: Ending

    /// Says farewell, as far as the other side listens, and closes.
    func close(_ type: FrameType, _ refusal: Refusal, as reason: LaneLoss? = nil) {
        guard !isLost else { return }
        mux.write(type, payload: refusal.payload)
        flush()
        guard !isLost else { return }
        isLost = true
        timer?.cancel()
        mux.fail(refusal.text)
        connection.closeLingering()
        owner?.laneLost(reason ?? .stopped(refusal.text))
    }

    func lose(_ reason: LaneLoss) {
        guard !isLost else { return }
        isLost = true
        timer?.cancel()
        connection.close()
        mux.fail(reason.description)
        owner?.laneLost(reason)
    }
}
