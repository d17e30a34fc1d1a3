import WMPIO
import WMPWire

/// The way back: the service's answer, from the stream to the visitor.
extension HTTPVisitor {
    /// 1xx answers before a final one; a service that sends more is out of its mind.
    private static let maxInterims = 32

    // MARK: From the stream

    /// Inside the lane's reading: `bytes` are borrowed, and nothing may read into the loop's scratch.
    func upstreamReceived(_ bytes: UnsafeRawBufferPointer) {
        shard.counters.bytesOut.add(bytes.count)
        ungranted += bytes.count
        if responseInbox.isEmpty {
            let used = passOn(bytes)
            if upstream != nil, used < bytes.count {
                responseInbox.append(UnsafeRawBufferPointer(rebasing: bytes[used...]))
            }
        } else {
            responseInbox.append(bytes)
            let gathered = responseInbox.take()
            let used = passOn(gathered.readable)
            if upstream != nil { responseInbox.append(UnsafeRawBufferPointer(rebasing: gathered.readable[used...])) }
        }
        flush()
    }

    /// Uses as much as it understands; the rest is part of a head.
    private func passOn(_ bytes: UnsafeRawBufferPointer) -> Int {
        var at = 0
        while at < bytes.count, upstream != nil {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[at...])
            switch state {
            case .tunnel:
                emit(rest)
                return bytes.count
            case .exchange where responseBody != nil:
                guard let used = passBody(rest) else { return bytes.count }
                at += used
            case .exchange:
                guard let used = passHead(rest) else { return at }
                at += used
            case .head, .closing, .closed:
                // Nobody asked: the service's framing cannot be trusted any more.
                dropUpstream(cleanly: false)
                return bytes.count
            }
        }
        return at
    }

    /// nil: more is needed, or the exchange is over.
    private func passHead(_ bytes: UnsafeRawBufferPointer) -> Int? {
        let input = Span<UInt8>(_unsafeBytes: bytes)
        do throws(HTTPViolation) {
            guard let length = try response.parse(input) else { return nil }
            retry = nil
            let context = ResponseContext(request, keepAlive: request.keepAlive && !isDraining)
            let way = try response.writeDownstream(from: input, context: context, into: &outbox)
            if response.isInterim {
                interims += 1
                guard interims <= Self.maxInterims else {
                    throw HTTPViolation(status: 502, reason: "too many interim responses")
                }
                response.reset()
                return length
            }
            interims = 0
            answerBegan()
            downstream = way
            if response.status == 101 {
                state = .tunnel
                schedulePump()
                return length
            }
            let body = BodyReader(response.framing(forRequest: request.method), of: .response)
            responseBody = body
            if body.isComplete { bodyPassed() }
            return length
        } catch {
            // An answer there was: asking again is not safe.
            upstream?.isReused = false
            answerLost(502, "The service's answer is malformed: \(error.reason).")
            return nil
        }
    }

    /// nil: the exchange is over.
    private func passBody(_ bytes: UnsafeRawBufferPointer) -> Int? {
        do throws(HTTPViolation) {
            guard let step = try responseBody?.next(Span<UInt8>(_unsafeBytes: bytes), from: 0) else { return nil }
            switch step {
            case .payload(let range):
                let payload = UnsafeRawBufferPointer(rebasing: bytes[range])
                if downstream?.framing == .chunked {
                    ChunkWriter.writeChunk(payload, into: &outbox)
                } else {
                    emit(payload)
                }
                if responseBody?.isComplete == true { bodyPassed() }
                return range.upperBound
            case .needMore(let consumed): return max(consumed, 1)
            case .end(let consumed):
                bodyPassed()
                return consumed
            }
        } catch {
            close()
            return nil
        }
    }

    private func bodyPassed() {
        if downstream?.framing == .chunked { ChunkWriter.writeEnd(into: &outbox) }
        exchangeEnded()
    }

    func upstreamEnded() {
        switch state {
        case .exchange where responseBody != nil:
            do throws(HTTPViolation) { try responseBody?.close() } catch { return close() }
            bodyPassed()
            flush()
        case .exchange: answerLost(502, "The service closed the connection without an answer.")
        case .tunnel: flush()
        case .head, .closing, .closed: dropUpstream(cleanly: true)
        }
    }

    func upstreamReset(_ error: StreamError, _ explanation: String) {
        switch state {
        case .exchange where downstream != nil: close()
        case .exchange:
            let (status, retryAfter): (Int, Int?) =
                switch error {
                case .timedOut: (504, nil)
                case .denied: (403, nil)
                case .laneLost, .tooMany, .unknownMapping, .shuttingDown: (503, 5)
                default: (502, nil)
                }
            let cause =
                error == .denied
                ? "This is not for visitors from there." : "The service cannot be reached: \(explanation)."
            answerLost(status, cause, retryAfter: retryAfter)
        case .tunnel: close()
        case .head, .closing, .closed: dropUpstream(cleanly: true)
        }
    }

    /// There will be no answer on this stream: asks again on another if that is safe, else tells the visitor.
    private func answerLost(_ status: Int, _ cause: String, retryAfter: Int? = nil) {
        guard let lost = upstream else { return }
        let again = retry
        let wasSilent = responseInbox.isEmpty
        lost.visitor = nil
        upstream = nil
        lost.reset(.cancelled)
        // Nothing of the lost exchange may reach the next one, on either side.
        forgetExchange()
        guard lost.isReused, wasSilent else { return refuse(status, cause, retryAfter: retryAfter) }
        guard let again, let lane = lost.route.session.flatMap({ shard.lane(of: $0) }) else {
            // RFC 9112 §9.3.1: the visitor sees a connection that closed between requests and may ask again by itself.
            if again == nil, status == 502 { return close() }
            return refuse(status, cause, retryAfter: retryAfter)
        }
        guard open(lost.route, on: lane) else { return }
        upload.append(again)
        schedulePump()
    }

    // MARK: To the visitor

    /// Writes through, or behind what waits.
    private func emit(_ bytes: UnsafeRawBufferPointer) {
        var taken = 0
        if outbox.isEmpty, case .taken(let count) = connection.write(bytes) {
            taken = count
            held.noteTaken(count, at: shard.loop.now)
        }
        outbox.append(UnsafeRawBufferPointer(rebasing: bytes[taken...]))
    }

    func connectionWritable() {
        flush()
        // The next request waits for the answer before it to be out.
        if state == .head, outbox.isEmpty { schedulePump() }
    }

    /// Writes what waits; grants the service credit for what is out.
    func flush() {
        guard state != .closed else { return }
        defer { if state != .closed { countQueued() } }
        let before = outbox.count
        while !outbox.isEmpty {
            switch connection.write(outbox.readable) {
            case .taken(0):
                if outbox.count < before { stopStallTimer() }
                return startStallTimer()
            case .taken(let count):
                outbox.consume(count)
                held.noteTaken(count, at: shard.loop.now)
            case .failed: return close()
            }
        }
        outbox.releaseIfEmpty()
        stopStallTimer()
        if state == .closing {
            state = .closed
            leaveLingering()
            return
        }
        if let upstream, ungranted > 0 {
            upstream.passedOn(ungranted, at: shard.loop.now)
            ungranted = 0
        }
        if state == .tunnel, upstream?.hasReceivedEnd == true {
            connection.shutdownWriting()
            closeIfTunnelEnded()
        }
    }
}
