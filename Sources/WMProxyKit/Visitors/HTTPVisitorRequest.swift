import WMPIO
import WMPWire

/// The way in: what the visitor sends, from its requests' heads to the stream of the session that serves each.
extension HTTPVisitor {
    /// Unused input beyond this waits in the socket.
    private static let inboxLimit = 64 * 1024

    // MARK: Reading

    func connectionReadable() {
        if isSecure, !hasBegunTLS {
            beginTLS()
        } else {
            pump()
        }
    }

    private func beginTLS() {
        guard let context = shard.policy.edgeContext else { return close() }
        switch connection.peek(into: UnsafeMutableRawBufferPointer(rebasing: shard.loop.scratch[..<1])) {
        case .bytes: break
        case .wouldBlock: return
        case .end, .failed: return close()
        }
        hasBegunTLS = true
        guard shard.loop.scratch[0] == 0x16 else {
            fail(ErrorPage(status: 400, domain: "", cause: "This port speaks HTTPS: the address begins with https://"))
            return
        }
        do throws(TLSError) { try connection.startTLS(context) } catch { close() }
    }

    /// Uses what has come and reads more, as far as the service takes it.
    ///
    /// Never inside a lane's reading: both use the loop's scratch. From there, `schedulePump`.
    func pump() {
        guard !isPumping else { return }
        isPumping = true
        let destination = pumpHere()
        isPumping = false
        countQueued()
        if let destination, state != .closed { move(to: destination) }
    }

    /// Returns the shard to go on at, if it is not this one.
    private func pumpHere() -> ServerShard? {
        // Some at a time: a fast upload must not keep the loop's other visitors waiting.
        for _ in 0..<16 {
            guard sendUpload() else {
                if connection.hasFailed { close() }
                return nil
            }
            if !inbox.isEmpty {
                switch use(inbox.readable) {
                case .used(let count):
                    // An answer to what was used may have ended all this.
                    guard state != .closed else { return nil }
                    inbox.consume(count)
                    inbox.releaseIfEmpty()
                    continue
                case .blocked: if inbox.count >= Self.inboxLimit { return nil }
                case .needsMore: break
                case .moving(let other): return other
                case .over: return nil
                }
            }
            guard state != .closed, state != .closing else { return nil }
            guard !hasEnded else {
                if connection.hasFailed { close() } else { endInput() }
                return nil
            }
            switch read() {
            case .more: break
            case .none: return nil
            case .moving(let other): return other
            }
        }
        schedulePump()
        return nil
    }

    private enum Reading {
        case more
        /// Nothing for now.
        case none
        case moving(ServerShard)
    }

    private func read() -> Reading {
        let scratch = shard.loop.scratch
        var limit = Self.inboxLimit
        if state == .tunnel || (state == .exchange && body != nil), let upstream {
            limit = min(upstream.sendable, scratch.count)
            guard limit > 0 else {
                // One that broke while there is no credit would not be noticed by reading.
                if connection.hasFailed { close() }
                return .none
            }
        }
        switch connection.read(into: UnsafeMutableRawBufferPointer(rebasing: scratch[..<limit])) {
        case .bytes(let count): return take(UnsafeRawBufferPointer(rebasing: scratch[..<count]))
        case .wouldBlock: return .none
        case .end:
            hasEnded = true
            return .more
        case .failed:
            close()
            return .none
        }
    }

    /// Uses what was read; what has to wait goes into the inbox.
    private func take(_ bytes: UnsafeRawBufferPointer) -> Reading {
        var at = 0
        while inbox.isEmpty, at < bytes.count {
            switch use(UnsafeRawBufferPointer(rebasing: bytes[at...])) {
            case .used(let count): at += count
            case .blocked, .needsMore:
                inbox.append(UnsafeRawBufferPointer(rebasing: bytes[at...]))
                return .more
            case .moving(let other):
                inbox.append(UnsafeRawBufferPointer(rebasing: bytes[at...]))
                return .moving(other)
            case .over: return .none
            }
        }
        inbox.append(UnsafeRawBufferPointer(rebasing: bytes[at...]))
        return .more
    }

    /// The visitor sends no more, and what it has sent is used as far as it can be.
    private func endInput() {
        switch state {
        case .head:
            // A request may wait for the answer before it to go out.
            guard outbox.isEmpty || inbox.isEmpty else { return }
            finish()
        case .exchange: if body != nil { close() }  // The request is cut short; a complete one is still answered.
        case .tunnel:
            guard inbox.isEmpty else { return }
            upstream?.sendEnd()
            closeIfTunnelEnded()
        case .closing, .closed: break
        }
    }

    /// After a 101 each direction ends by itself; the connection closes with the second.
    func closeIfTunnelEnded() {
        guard state == .tunnel, upstream?.hasSentEnd == true, upstream?.hasReceivedEnd == true, outbox.isEmpty else {
            return
        }
        state = .head
        close()
    }

    /// What became of input.
    private enum Use {
        /// So many bytes, more than 0.
        case used(Int)
        /// Has to wait for the service or for the answer before.
        case blocked
        /// Is only the beginning of something.
        case needsMore
        /// Belongs to a session of another shard.
        case moving(ServerShard)
        /// The connection is ending.
        case over
    }

    private func use(_ bytes: UnsafeRawBufferPointer) -> Use {
        switch state {
        case .head: return useHead(bytes)
        case .exchange:
            guard body != nil else { return .blocked }
            return useBody(bytes)
        case .tunnel:
            guard let upstream else { return .over }
            let sent = upstream.send(bytes)
            shard.counters.bytesIn.add(sent)
            return sent > 0 ? .used(sent) : .blocked
        case .closing, .closed: return .over
        }
    }

    private func useHead(_ bytes: UnsafeRawBufferPointer) -> Use {
        guard outbox.isEmpty else { return .blocked }
        let input = Span<UInt8>(_unsafeBytes: bytes)
        do throws(HTTPViolation) {
            guard let length = try request.parse(input) else {
                if timerPurpose != .head { startTimer(.head) }
                return .needsMore
            }
            return begin(input, length: length)
        } catch {
            shard.core.logStranger(shard, "visitor \(peer): malformed request: \(error.reason)")
            fail(ErrorPage(error))
            return .over
        }
    }

    private func useBody(_ bytes: UnsafeRawBufferPointer) -> Use {
        guard upload.isEmpty, let upstream, upstream.sendable > 0 else { return .blocked }
        do throws(HTTPViolation) {
            guard let step = try body?.next(Span<UInt8>(_unsafeBytes: bytes), from: 0) else { return .blocked }
            switch step {
            case .payload(let range):
                let payload = UnsafeRawBufferPointer(rebasing: bytes[range])
                if isChunked { ChunkWriter.writeChunk(payload, into: &upload) } else { send(payload) }
                _ = sendUpload()
                if body?.isComplete == true { bodyEnded() }
                return .used(range.upperBound)
            case .needMore(let consumed):
                return consumed > 0 ? .used(consumed) : .needsMore
            case .end(let consumed):
                bodyEnded()
                return consumed > 0 ? .used(consumed) : .blocked
            }
        } catch {
            fail(ErrorPage(error, domain: request.host.description))
            return .over
        }
    }

    private func bodyEnded() {
        guard body != nil else { return }
        body = nil
        if isChunked { ChunkWriter.writeEnd(into: &upload) }
        _ = sendUpload()
        startTimer(.response)
    }

    /// Sends to the service; what there is no credit for waits.
    private func send(_ bytes: UnsafeRawBufferPointer) {
        guard upload.isEmpty, let upstream else { return upload.append(bytes) }
        let sent = upstream.send(bytes)
        shard.counters.bytesIn.add(sent)
        if sent > 0, body != nil { startTimer(.body) }
        upload.append(UnsafeRawBufferPointer(rebasing: bytes[sent...]))
    }

    /// Sends what waits. false: some still does.
    private func sendUpload() -> Bool {
        guard !upload.isEmpty else { return true }
        guard let upstream else { return false }
        let sent = upstream.send(upload.readable)
        shard.counters.bytesIn.add(sent)
        upload.consume(sent)
        upload.releaseIfEmpty()
        if sent > 0, body != nil { startTimer(.body) }
        if upload.isEmpty, body == nil { upstream.rest() }
        return upload.isEmpty
    }

    func upstreamCanSend() { schedulePump() }

    /// Pumps after what is ready in this turn.
    func schedulePump() {
        guard !stay.isPumpScheduled, state != .closed else { return }
        stay.isPumpScheduled = true
        shard.loop.later { [stay] in
            stay.isPumpScheduled = false
            stay.visitor?.pump()
        }
    }

    // MARK: A request

    private func begin(_ input: Span<UInt8>, length: Int) -> Use {
        let route = shard.routes[request.host].flatMap { isSecure || $0.allowsPlain ? $0 : nil }
        let lane = route?.session.flatMap { shard.lane(of: $0) }
        if let session = route?.session,
            lane == nil || session.isBetterServedElsewhere(thanOnShard: shard.index),
            let other = session.shard(from: shard.index + 1), other != shard.index
        {
            return .moving(shard.core.shards[other])
        }
        shard.counters.httpRequests.add(1)
        // RFC 9110 §15.5.20: whoever checked one service's certificate must not be led to another's.
        if let serverName, let wanted = shard.routes[serverName], wanted != route {
            refuse(421, "The connection was made to another name than the request asks for.")
            return .used(length)
        }
        guard let route else {
            refuse(404, "No service is mapped to this name here.")
            return .used(length)
        }
        guard let lane else {
            refuse(503, "The service's tunnel client is not connected.", retryAfter: 5)
            return .used(length)
        }
        if upstream.map({ $0.isClosed || $0.hasReceivedEnd || $0.route != route }) ?? false {
            dropUpstream(cleanly: true)
        }
        if let upstream {
            upstream.isReused = true
        } else {
            guard open(route, on: lane) else { return .used(length) }
        }
        state = .exchange
        isChunked = request.framing == .chunked
        body = request.hasBody ? BodyReader(request.framing) : nil
        request.writeUpstream(
            from: input,
            visitor: VisitorInfo(
                address: peer.host, isSecure: isSecure,
                port: shard.core.addresses[isSecure ? "map_https_bind" : "map_http_bind"]?.port,
                trustsForwarded: isOfTrustedProxy),
            into: &upload)
        // RFC 9110 §9.2.2: what is idempotent may be sent again when the service closed its idle connection just then.
        if upstream?.isReused == true, body == nil, request.method.isIdempotent { retry = upload.readable.map { $0 } }
        _ = sendUpload()
        startTimer(body == nil ? .response : .body)
        return .used(length)
    }

    /// Opens a stream to the service. false: the visitor has been told why not.
    func open(_ route: Route, on lane: ServerLane) -> Bool {
        switch lane.admit() {
        case .success(let number):
            let stream = RequestStream(
                id: number, mux: lane.mux, route: route, name: request.host,
                routesVersion: shard.routesVersion, visitor: self)
            upstream = stream
            charge(lane.session?.budget)
            lane.open(stream, mapping: route.mapping, visitor: peer)
            return true
        case .failure(let error):
            refuse(503, "The tunnel takes no more requests: \(error.explanation).", retryAfter: 1)
            return false
        }
    }

    /// Lets go of the stream: with an end if nothing is under way on it, else with a reset.
    func dropUpstream(cleanly: Bool) {
        guard let stream = upstream else { return }
        upstream = nil
        stream.visitor = nil
        forgetExchange()
        if cleanly { stream.sendEnd() } else { stream.reset(.cancelled) }
    }

    /// Lets go of a stream that is kept for the next request, if that would go another way now.
    func dropIdleUpstream() {
        guard state == .head, let upstream, upstream.routesVersion != shard.routesVersion else { return }
        upstream.routesVersion = shard.routesVersion
        if shard.routes[upstream.name] != upstream.route { dropUpstream(cleanly: true) }
    }

    /// What was gathered for one exchange, in either direction.
    func forgetExchange() {
        ungranted = 0
        retry = nil
        response.reset()
        responseInbox.consume(responseInbox.count)
        responseInbox.releaseIfEmpty()
        upload.consume(upload.count)
        upload.releaseIfEmpty()
    }

    /// The exchange is over, its answer at least in the outbox.
    func exchangeEnded() {
        let keepsVisitor = downstream?.keepAlive ?? false
        let isComplete = body == nil && upload.isEmpty
        let keepsUpstream = isComplete && response.keepAlive && upstream?.hasReceivedEnd == false
        retry = nil
        responseBody = nil
        downstream = nil
        response.reset()
        if !keepsUpstream { dropUpstream(cleanly: isComplete) }
        guard keepsVisitor, isComplete, !isDraining else {
            if isComplete { state = .head }
            return finish()
        }
        body = nil
        state = .head
        dropIdleUpstream()
        request.reset()
        startTimer(inbox.isEmpty ? .idle : .head)
        flush()
        schedulePump()
    }
}

extension HTTPMethod {
    /// RFC 9110 §9.2.2, for the methods known here.
    var isIdempotent: Bool {
        switch self {
        case .get, .head, .put, .delete, .options, .trace: true
        default: false
        }
    }
}
