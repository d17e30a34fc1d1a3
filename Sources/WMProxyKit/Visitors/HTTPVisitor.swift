import WMPIO
import WMPWire

/// A visitor's connection to the HTTP or HTTPS edge.
///
/// Each request is routed by its own Host, rewritten and sent on a stream of the session that serves it; the answer
/// comes back the same way. Bodies pass through: a head costs memory, a body never does. When a request's session lives
/// on another loop, the connection moves there between two requests.
///
/// @unchecked Sendable: confined to its shard's loop; moved by `arrive` when nothing is in progress.
final class HTTPVisitor: ConnectionHandler, @unchecked Sendable {
    enum State {
        /// Waits for a request's head.
        case head
        /// A request is on its way, or its answer.
        case exchange
        /// After a 101: bytes both ways.
        case tunnel
        /// The last answer goes out, then the end.
        case closing
        case closed
    }

    let connection: Connection
    let peer: SocketAddress
    let isSecure: Bool
    private(set) var shard: ServerShard
    var state = State.head
    private var timer: Timer?
    var timerPurpose = Purpose.idle
    var hasBegunTLS = false
    var isPumping = false
    /// What the present loop will call later; cut off when the connection moves away from it.
    var stay = Stay()
    var isDraining = false

    // Visitor → service.
    /// Received, not yet used: part of a head, or a request sent ahead of its turn.
    var inbox = ByteBuffer()
    var request = RequestHead()
    var body: BodyReader?
    var isChunked = false
    /// Framed for the service, waiting for credit.
    var upload = ByteBuffer()
    /// The visitor sends no more.
    var hasEnded = false

    // Service → visitor.
    var upstream: RequestStream?
    /// The head as sent, while it may be sent again: on a reused stream, before any answer.
    var retry: [UInt8]?
    var response = ResponseHead()
    var responseBody: BodyReader?
    var downstream: Downstream?
    /// 1xx answers to the request so far.
    var interims = 0
    /// Part of a response's head.
    var responseInbox = ByteBuffer()
    /// For the visitor, not yet taken by its socket.
    var outbox = ByteBuffer()
    /// Received from the service and not yet passed on.
    var ungranted = 0
    /// What waits in these buffers, on the account of the session last asked.
    var held: Holding
    /// Whom the visitor asked for in its TLS hello; nil if it named nobody.
    var serverName: HostName?

    final class Stay {
        weak var visitor: HTTPVisitor?
        var isPumpScheduled = false
    }

    enum Purpose { case idle, head, body, response, stall }

    private static let stallTimeout = 30_000

    init(_ connection: Connection, peer: SocketAddress, secure: Bool, shard: ServerShard) {
        (self.connection, self.peer, self.shard, isSecure) = (connection, peer, shard, secure)
        held = Holding(shard.core.budget)
    }

    // MARK: Coming and going

    /// Goes on, on `shard`, whose loop calls this: new, or moved. From here on it belongs to that loop.
    func arrive(on shard: ServerShard) {
        let isNew = self.shard === shard && timer == nil
        self.shard = shard
        stay.visitor = self
        timer = Timer(on: shard.loop) { [weak self] in self?.expired() }
        do throws(SystemError) {
            if isNew { try connection.start(self) } else { try connection.arrive(on: shard.loop) }
        } catch { return close() }
        startTimer(.head)
        if !isNew { pump() }
    }

    func move(to other: ServerShard) {
        dropUpstream(cleanly: true)
        charge(nil)
        timer?.cancel()
        timer = nil
        connection.leave()
        request.reset()
        shard.leave(self)
        stay.visitor = nil
        stay = Stay()
        // The last that this loop does with it.
        other.core.on(other) { $0.arrive(self) }
    }

    /// Ends now. An answer under way is cut off, and the visitor sees that it is.
    func close() {
        guard state != .closed else { return }
        let isCut = state == .exchange || state == .tunnel || !outbox.isEmpty
        dropUpstream(cleanly: state == .head)
        state = .closed
        timer?.cancel()
        forget()
        if isCut { connection.reset() } else { connection.close() }
        shard.ended(self)
    }

    /// The answer is complete: sends what is left of it, and then the end.
    func finish() {
        guard state != .closed, state != .closing else { return }
        dropUpstream(cleanly: state == .head)
        state = .closing
        flush()
    }

    /// All is said: the connection ends by itself, so that the visitor reads the last answer before a reset could
    /// overtake it.
    func leaveLingering() {
        timer?.cancel()
        forget()
        connection.closeLingering()
        shard.ended(self)
    }

    private func forget() {
        inbox.consume(inbox.count)
        outbox.consume(outbox.count)
        countQueued()
    }

    /// What it says of the visitors it speaks for is believed.
    var isOfTrustedProxy: Bool {
        let trusted = shard.policy.options.trustedProxies
        return !trusted.isEmpty && peer.ip.map(trusted.contains) == true
    }

    /// The server stops: no request is taken any more, those under way may end.
    func drain() {
        isDraining = true
        if state == .head, inbox.isEmpty { finish() }
    }

    func connectionFailed(_ error: ConnectionError) {
        shard.core.logStranger(shard, "visitor \(peer): \(error)")
        state = .head
        close()
    }

    func connectionOpened() {
        guard isSecure else { return }
        shard.counters.handshakes.add(1)
        serverName = connection.serverName.flatMap { HostName($0) }
    }

    /// From here on what waits is on this account.
    func charge(_ budget: ByteBudget?) {
        shard.counters.queuedBytes.add(-held.bytes)
        held = Holding(budget ?? shard.core.budget)
        if budget != nil { countQueued() }
    }

    /// Brings the statistics up to what is held in memory now.
    func countQueued() {
        let bytes = inbox.count + upload.count + outbox.count + responseInbox.count
        shard.counters.queuedBytes.add(bytes - held.bytes)
        if let exceeded = held.set(to: bytes) {
            shard.shed(exceeded)
        }
    }

    // MARK: Errors

    /// Answers with a page, and keeps the connection where the request's end is certain.
    func refuse(_ status: Int, _ cause: String, retryAfter: Int? = nil) {
        let keepAlive = request.keepAlive && !request.hasBody && !isDraining && body == nil
        var page = ErrorPage(status: status, cause: cause, inAnswerTo: request, keepAlive: keepAlive)
        page.retryAfter = retryAfter
        shard.counters.refused.add(1)
        shard.counters.httpErrors.add(1)
        Log.debug("visitor \(peer): \(status) for '\(request.host)': \(cause)")
        page.write(into: &outbox)
        guard keepAlive else { return finish() }
        dropUpstream(cleanly: state == .head)
        state = .head
        request.reset()
        retry = nil
        response.reset()
        responseBody = nil
        startTimer(.idle)
        flush()
        schedulePump()
    }

    /// Answers a request that cannot be understood: nothing after it can be either.
    func fail(_ page: ErrorPage) {
        shard.counters.httpErrors.add(1)
        if state == .exchange, downstream != nil { return close() }
        page.write(into: &outbox)
        finish()
    }

    // MARK: Time

    func startTimer(_ purpose: Purpose) {
        timerPurpose = purpose
        let timeouts = shard.policy.options.timeouts
        let milliseconds =
            switch purpose {
            case .idle: timeouts.idle
            case .head: timeouts.head
            case .response: timeouts.response
            // Both sides make progress or the request is given up.
            case .body, .stall: Self.stallTimeout
            }
        if milliseconds > 0 { timer?.set(after: milliseconds) } else { timer?.unset() }
    }

    /// The service has answered: from here on only a stalled visitor ends the exchange.
    func answerBegan() { timer?.unset() }

    func startStallTimer() {
        if timerPurpose != .stall { startTimer(.stall) }
    }

    func stopStallTimer() {
        guard timerPurpose == .stall else { return }
        // It stood in for another.
        switch state {
        case .head: startTimer(inbox.isEmpty ? .idle : .head)
        case .exchange where downstream == nil: startTimer(body == nil ? .response : .body)
        default:
            timerPurpose = .idle
            timer?.unset()
        }
    }

    private func expired() {
        switch timerPurpose {
        case .idle, .stall: close()
        case .head:
            if inbox.isEmpty { return close() }
            fail(ErrorPage(status: 408, domain: "", cause: "The request did not arrive in time."))
        case .body:
            guard state == .exchange, downstream == nil else { return }
            if upload.isEmpty {
                return fail(
                    ErrorPage(
                        status: 408, cause: "The request's body did not arrive in time.", inAnswerTo: request,
                        keepAlive: false))
            }
            refuse(504, "The service takes no more of the request.")
        case .response:
            guard state == .exchange, downstream == nil else { return }
            upstream?.reset(.timedOut)
            refuse(504, "The service did not answer in time.")
        }
    }
}
