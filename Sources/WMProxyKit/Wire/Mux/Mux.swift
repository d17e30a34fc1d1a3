/// Many streams and the session's own messages on one lane: bytes in, calls on streams and owner; calls, bytes out by
/// `nextOutput`.
///
/// Pure: no socket, no clock. The owner feeds `receive` and drains `output`. Payloads are passed on as they arrive, so
/// a frame's size costs no memory; only control frames that come in pieces are gathered.
package final class Mux {
    /// Which side opens which streams: the numbers never meet.
    package enum Role: Sendable {
        /// Opens even numbers.
        case server
        /// Opens odd numbers.
        case client
    }

    /// Frames of data, and the ends behind them, waiting for the lane.
    package internal(set) var output = ByteBuffer()
    /// All other frames: they go first.
    package internal(set) var control = ByteBuffer()
    /// Bytes at the head of `output` that end a frame of which the lane has taken the beginning: nothing may come
    /// before them.
    private var unfinished = 0
    /// The lane, which owns this mux; nil from its end on, since a stream may keep the mux a little longer.
    package private(set) unowned(unsafe) var owner: (any MuxOwner)?
    package let role: Role

    /// What a new stream may send before credit comes, told by the other side's HELLO or WELCOME.
    package var peerWindow = ProtocolLimits.initialWindow
    /// What we let the other side send on a new stream.
    package let localWindow = ProtocolLimits.initialWindow
    /// How wide the windows of our streams may become.
    package var maxWindow = ProtocolLimits.maxWindow
    /// What pays for wider windows; nil: nothing limits them.
    package var budget: (any WindowBudget)?
    /// How long an answer of the other side takes, nanoseconds; 0: not known yet.
    package var roundTrip: Int64 = 0
    /// Longest control frame now taken; short until the owner says that the login is over.
    package var maxControlFrame = ProtocolLimits.maxLoginFrame
    /// Before the login is over, frames of streams are violations.
    package var acceptsStreams = false
    /// While the owner's socket takes nothing, data is not framed: it stays where it is.
    package var isBlocked = false
    /// The lane is lost; input still at hand is dropped.
    private var hasFailed = false

    private var streams: [UInt32: MuxStream] = [:]
    private var nextID: UInt32
    private var highestPeerID: UInt32 = 0
    /// Streams with something to send, served in turn: those of little, then those of much (as RFC 8290 §4 has it for
    /// the flows of a link).
    private var waiting = StreamQueue()
    private var waitingBulk = StreamQueue()
    /// Streams in them that have ended meanwhile, or more.
    private var closedWaiting = 0

    // The frame being read.
    private var gathered = ByteBuffer()
    private var payloadLeft = 0
    private var dataStream: MuxStream?
    private var emptyDataRun = 0
    /// Frames received so far.
    package private(set) var framesReceived = 0

    package init(role: Role, owner: any MuxOwner) {
        self.role = role
        self.owner = owner
        nextID = role == .server ? 2 : 1
    }

    package var streamCount: Int { streams.count }

    package var hasWaiting: Bool { !waiting.isEmpty || !waitingBulk.isEmpty }

    /// How much one stream sends in its turn: less when others wait, so that a turn of each takes less time.
    package var quantum: Int { waitingBulk.isEmpty ? Self.outputLimit : Self.outputLimit / 4 }

    /// Output beyond this waits at its source instead.
    private static let outputLimit = 256 * 1024

    /// Data may be framed now.
    @inline(__always)
    package var hasRoom: Bool { !isBlocked && output.count < Self.outputLimit }

    // MARK: Streams

    /// The number of the next stream we open; nil when all are used up and the session has to be renewed.
    package func takeID() -> UInt32? {
        guard nextID < UInt32.max - 2, !hasFailed else { return nil }
        defer { nextID += 2 }
        return nextID
    }

    /// Opens `stream`, numbered by `takeID`. Its data may follow at once.
    package func open(_ stream: MuxStream, _ message: Open) {
        streams[stream.id] = stream
        write(.open, stream: stream.id, payload: message.payload)
        stream.start()
    }

    /// Refuses a stream the other side has opened, before there is one.
    package func refuse(_ id: UInt32, _ error: StreamError, _ explanation: String) {
        var fields = FieldWriter()
        fields.add(1, error.rawValue)
        fields.add(2, explanation)
        write(.refused, stream: id, payload: fields.payload)
    }

    func forget(_ stream: MuxStream) {
        guard streams[stream.id] != nil else { return }
        streams.forget(stream.id)
        stream.mux = nil
        if dataStream === stream { dataStream = nil }
        if stream.isWaiting {
            closedWaiting += 1
            if closedWaiting > 64, closedWaiting * 2 > waiting.count + waitingBulk.count { sweepWaiting() }
        }
        owner?.muxClosed(stream)
    }

    /// Forgets the streams that ended while they waited.
    private func sweepWaiting() {
        waiting.removeClosed()
        waitingBulk.removeClosed()
        closedWaiting = 0
    }

    /// The lane is lost: every stream hears it.
    package func fail(_ explanation: String) {
        hasFailed = true
        let lost = streams
        streams.removeAll()
        waiting.removeAll()
        waitingBulk.removeAll()
        dataStream = nil
        for stream in lost.values {
            stream.mux = nil
            stream.receiveReset(.laneLost, explanation)
            owner?.muxClosed(stream)
        }
        owner = nil
    }

    /// Resets every stream, as a server or client does that stops.
    package func resetAll(_ error: StreamError) {
        // What one stream's end sets off may end others: no hook of those is called any more.
        for stream in streams.values where !stream.isClosed {
            stream.reset(error)
            stream.receiveReset(error, error.explanation)
        }
    }

    /// Has `canSend` called in turn, once there is room.
    package func wait(_ stream: MuxStream) {
        guard !stream.isWaiting else { return }
        stream.isWaiting = true
        if stream.isBulk { waitingBulk.append(stream) } else { waiting.append(stream) }
    }

    /// The lane has room again: lets the waiting streams send, in turn.
    package func serveWaiting() {
        // One that sends much has its turn even if those that send little would leave it no room.
        var turn = waitingBulk.count
        if turn > 0, hasRoom {
            serve(waitingBulk.popFirst())
            turn -= 1
        }
        // Whoever wants more queues behind those that had nothing yet. `canSend` may lose the lane, and with it the
        // queues.
        for _ in 0..<waiting.count where hasRoom { serve(waiting.popFirst()) }
        for _ in 0..<turn where hasRoom { serve(waitingBulk.popFirst()) }
    }

    private func serve(_ stream: MuxStream?) {
        guard let stream else { return }
        stream.isWaiting = false
        if !stream.isClosed { stream.canSend() }
    }

    // MARK: Sending

    /// Frames what stands behind the header room at the output's tail: data, and what has to stay behind data.
    @inline(__always)
    func commitFrame(_ type: FrameType, stream: UInt32, length: Int = 0) {
        let room = output.reserve(FrameHeader.size + length)
        FrameHeader(length: length, type: type, stream: stream).write(to: room)
        let wasEmpty = !hasOutput
        output.commit(FrameHeader.size + length)
        if wasEmpty { owner?.muxHasOutput() }
    }

    /// What a client sends before its first frame.
    package func writePreface() { control.append(ProtocolLimits.preface) }

    /// The last frame of the lane, behind all data.
    package func writeLast(_ type: FrameType, payload: [UInt8]) {
        let room = output.reserve(FrameHeader.size + payload.count)
        payload.withUnsafeBytes {
            UnsafeMutableRawBufferPointer(rebasing: room[FrameHeader.size...]).copyMemory(from: $0)
        }
        commitFrame(type, stream: 0, length: payload.count)
    }

    private func writeControl(
        _ type: FrameType, _ stream: UInt32, length: Int, _ fill: (UnsafeMutableRawBufferPointer) -> Void
    ) {
        let wasEmpty = !hasOutput
        let room = control.reserve(FrameHeader.size + length)
        FrameHeader(length: length, type: type, stream: stream).write(to: room)
        fill(UnsafeMutableRawBufferPointer(rebasing: room[FrameHeader.size..<FrameHeader.size + length]))
        control.commit(FrameHeader.size + length)
        if wasEmpty || isOverfull { owner?.muxHasOutput() }
    }

    /// More waits than a peer leaves unread that means well: the lane is to be closed.
    package var isOverfull: Bool { control.count > ProtocolLimits.maxUnread }

    package func write(_ type: FrameType, stream: UInt32 = 0, payload: [UInt8] = []) {
        writeControl(type, stream, length: payload.count) { room in
            payload.withUnsafeBytes { room.copyMemory(from: $0) }
        }
    }

    /// A frame whose payload is one number, big-endian.
    package func write<Number: FixedWidthInteger>(_ type: FrameType, stream: UInt32 = 0, number: Number) {
        writeControl(type, stream, length: MemoryLayout<Number>.size) { room in
            room.storeBytes(of: number.bigEndian, as: Number.self)
        }
    }

    package func write(_ message: some Message) {
        write(Swift.type(of: message).type, payload: message.payload)
    }

    // MARK: What the lane takes

    package var hasOutput: Bool { !control.isEmpty || !output.isEmpty }

    /// Data of at most this size is put behind the control frames before it, to be sent in one go with them.
    private static let joinLimit = 16 * 1024

    /// The bytes to send next, which are not all when some must come before others; none if there is no output.
    package var nextOutput: UnsafeRawBufferPointer {
        if unfinished > 0 { return UnsafeRawBufferPointer(rebasing: output.readable[..<unfinished]) }
        guard !control.isEmpty else { return output.readable }
        if !output.isEmpty, output.count <= Self.joinLimit {
            control.append(output.readable)
            output.consume(output.count)
        }
        return control.readable
    }

    /// The lane has taken the first `count` bytes of `nextOutput`.
    package func taken(_ count: Int) {
        if unfinished == 0, !control.isEmpty { return control.consume(count) }
        if count < output.count { noteUnfinished(after: count) } else { unfinished = 0 }
        output.consume(count)
    }

    private func noteUnfinished(after count: Int) {
        guard count >= unfinished else {
            unfinished -= count
            return
        }
        var at = unfinished
        while at < count {
            let header = FrameHeader(reading: UnsafeRawBufferPointer(rebasing: output.readable[at...]))
            at += FrameHeader.size + header.length
        }
        unfinished = at - count
    }

    /// An idle lane holds no memory for output.
    package func releaseOutput() {
        control.releaseIfEmpty()
        output.releaseIfEmpty()
    }

    // MARK: Receiving

    /// Takes bytes of the lane, split anyhow. After a violation the lane is to be closed.
    package func receive(_ input: UnsafeRawBufferPointer) throws(ProtocolViolation) {
        var at = 0
        while at < input.count, !hasFailed {
            if payloadLeft > 0 {
                let size = min(payloadLeft, input.count - at)
                payloadLeft -= size
                dataStream?.receive(UnsafeRawBufferPointer(rebasing: input[at..<at + size]))
                at += size
                continue
            }
            // A control frame that began in earlier input is finished in `gathered`.
            if !gathered.isEmpty {
                at += try gather(UnsafeRawBufferPointer(rebasing: input[at...]))
                continue
            }
            guard input.count - at >= FrameHeader.size else {
                gathered.append(UnsafeRawBufferPointer(rebasing: input[at...]))
                return
            }
            let header = FrameHeader(reading: UnsafeRawBufferPointer(rebasing: input[at...]))
            try check(header)
            if header.type.isData {
                at += FrameHeader.size
                try beginData(header)
                continue
            }
            guard input.count - at - FrameHeader.size >= header.length else {
                gathered.append(UnsafeRawBufferPointer(rebasing: input[at...]))
                return
            }
            at += FrameHeader.size
            let payload = UnsafeRawBufferPointer(rebasing: input[at..<at + header.length])
            at += header.length
            try handle(header, payload)
        }
    }

    /// Adds to the frame in `gathered` what it lacks, no more; returns how much that was.
    private func gather(_ input: UnsafeRawBufferPointer) throws(ProtocolViolation) -> Int {
        var taken = 0
        if gathered.count < FrameHeader.size {
            taken = min(FrameHeader.size - gathered.count, input.count)
            gathered.append(UnsafeRawBufferPointer(rebasing: input[..<taken]))
            guard gathered.count == FrameHeader.size else { return taken }
        }
        let header = FrameHeader(reading: gathered.readable)
        try check(header)
        if header.type.isData {
            gathered.consume(FrameHeader.size)
            gathered.releaseIfEmpty()
            try beginData(header)
            return taken
        }
        let rest = min(FrameHeader.size + header.length - gathered.count, input.count - taken)
        gathered.append(UnsafeRawBufferPointer(rebasing: input[taken..<taken + rest]))
        taken += rest
        if gathered.count == FrameHeader.size + header.length {
            let frame = gathered.take()
            try handle(header, UnsafeRawBufferPointer(rebasing: frame.readable[FrameHeader.size...]))
        }
        return taken
    }

    /// Lengths first, before anything is allotted.
    private func check(_ header: FrameHeader) throws(ProtocolViolation) {
        framesReceived &+= 1
        if header.type.isData {
            guard header.length <= ProtocolLimits.maxData else {
                throw ProtocolViolation("DATA of \(header.length) bytes")
            }
        } else {
            guard header.length <= maxControlFrame else {
                throw ProtocolViolation("frame of type \(header.type.rawValue) with \(header.length) bytes")
            }
        }
        if header.type.belongsToStream {
            guard acceptsStreams else { throw ProtocolViolation("frame of a stream before the login") }
            guard header.stream != 0 else { throw ProtocolViolation("frame of a stream without its number") }
        } else {
            guard header.stream == 0 || header.type.mayBeIgnored else {
                throw ProtocolViolation("frame of the session with a stream's number")
            }
        }
    }

    private func beginData(_ header: FrameHeader) throws(ProtocolViolation) {
        if header.length == 0 {
            emptyDataRun += 1
            guard emptyDataRun <= ProtocolLimits.maxEmptyDataRun else { throw ProtocolViolation("a run of empty DATA") }
        } else {
            emptyDataRun = 0
        }
        let stream = try find(header.stream)
        if let stream {
            guard !stream.hasReceivedEnd else { throw ProtocolViolation("DATA after END") }
            try stream.receiveWindow.take(header.length)
        }
        dataStream = stream
        payloadLeft = header.length
    }

    /// The stream of a frame; nil if it is closed here already, which the other side may not know yet.
    private func find(_ id: UInt32) throws(ProtocolViolation) -> MuxStream? {
        if let stream = streams[id] { return stream }
        let isOurs = (id & 1 == 0) == (role == .server)
        guard isOurs ? id < nextID : id <= highestPeerID else {
            throw ProtocolViolation("frame of stream \(id), never opened")
        }
        return nil
    }

    private func handle(_ header: FrameHeader, _ payload: UnsafeRawBufferPointer) throws(ProtocolViolation) {
        guard control.count <= (acceptsStreams ? ProtocolLimits.maxUnread : ProtocolLimits.maxUnreadInLogin) else {
            throw ProtocolViolation("\(control.count) bytes of answers are not read")
        }
        let bytes = Span<UInt8>(_unsafeBytes: payload)
        guard header.type.belongsToStream else {
            try owner?.muxReceived(header.type, bytes)
            return
        }
        if header.type == .open {
            try accept(header.stream, try Open(payload: bytes))
            return
        }
        let stream = try find(header.stream)
        switch header.type {
        case .credit:
            guard payload.count == 4 else { throw ProtocolViolation("CREDIT of the wrong length") }
            let increment = UInt32(bigEndian: payload.loadUnaligned(as: UInt32.self))
            guard let stream else { return }
            let hadNone = stream.sendWindow.available <= 0
            try stream.sendWindow.grow(by: increment)
            if hadNone, !stream.hasSentEnd { stream.canSend() }
        case .end:
            guard payload.isEmpty else { throw ProtocolViolation("END with a payload") }
            guard let stream else { return }
            guard !stream.hasReceivedEnd else { throw ProtocolViolation("END twice") }
            stream.hasReceivedEnd = true
            stream.receiveEnd()
            if stream.hasSentEnd { forget(stream) }
        case .reset:
            guard payload.count == 2 else { throw ProtocolViolation("RESET of the wrong length") }
            let error = StreamError(rawValue: UInt16(bigEndian: payload.loadUnaligned(as: UInt16.self)))
            end(stream, error == .laneLost ? .cancelled : error, error.explanation)
        case .refused:
            let fields = try FieldReader(bytes)
            let error = StreamError(rawValue: try fields.number(1, as: UInt16.self))
            let text = try fields.text(2, max: 512)
            end(stream, error, text.isEmpty ? error.explanation : text)
        case .opened:
            stream?.receiveOpened()
        default:
            break
        }
    }

    private func end(_ stream: MuxStream?, _ error: StreamError, _ explanation: String) {
        guard let stream else { return }
        forget(stream)
        stream.receiveReset(error, explanation)
    }

    private func accept(_ id: UInt32, _ message: Open) throws(ProtocolViolation) {
        let isPeers = (id & 1 == 0) != (role == .server)
        guard isPeers, id > highestPeerID else { throw ProtocolViolation("OPEN of stream \(id) out of order") }
        highestPeerID = id
        guard let stream = owner?.muxOpened(id, message) else { return }
        streams[id] = stream
        stream.start()
    }
}

/// What a mux tells the one who feeds and drains it.
package protocol MuxOwner: AnyObject {
    /// There was no output and now there is.
    func muxHasOutput()
    /// A frame of the session itself.
    func muxReceived(_ type: FrameType, _ payload: Span<UInt8>) throws(ProtocolViolation)
    /// The other side opens a stream. nil if the owner has refused it, with `Mux.refuse`.
    func muxOpened(_ id: UInt32, _ message: Open) -> MuxStream?
    /// A stream is over.
    func muxClosed(_ stream: MuxStream)
}
