// What must hold of two muxes joined to each other, whatever those above them do and however their bytes are cut: what
// is sent arrives, once and in order; ends and resets arrive; nobody sends beyond the credit; both accounts of a window
// agree; nobody waits for ever; and neither finds fault with the other. A check that fails stops the process.
import Glibc

#if canImport(WMPWire)
import WMPWire
#endif

/// Reads `bytes` as a schedule, two at a time: what to do, and with what. Then lets everything come to rest.
package func checkMuxPair(_ bytes: [UInt8]) {
    let pair = MuxPair(bytes)
    var at = 0
    while at + 1 < bytes.count, at < 4096 {
        guard pair.step(bytes[at], bytes[at + 1]) else { return pair.loseLane() }
        at += 2
    }
    pair.rest()
    // Streams and mux hold each other until the streams are closed.
    pair.loseLane()
}

private final class MuxPair {
    let schedule: [UInt8]
    private let ends: [PairEnd]

    init(_ schedule: [UInt8]) {
        self.schedule = schedule
        ends = [PairEnd(.server, schedule), PairEnd(.client, schedule)]
    }

    /// How many bytes an argument means.
    private static let sizes = [1, 63, 64, 65, 4096, 65_536, 131_073, 300_000]

    /// Does one thing. false: the lane is to be lost.
    func step(_ operation: UInt8, _ argument: UInt8) -> Bool {
        let end = ends[Int(operation >> 7)]
        let size = Self.sizes[Int(argument & 7)]
        let stream = end.stream(Int(argument >> 3))
        switch operation & 15 {
        case 0, 1: end.open(mapping: UInt32(argument & 3))
        case 2, 3: stream?.want(size)
        case 4: stream?.wantEnd()
        case 5: stream?.giveUp()
        case 6: stream?.consume(size)
        case 7: stream?.consume(.max)
        case 8: stream?.agree()
        case 9: stream?.decline()
        case 10: end.mux.write(.ping, payload: [0, 0, 0, 0, 0, 0, 0, argument])
        case 11: end.mux.write(FrameType(rawValue: 0x80 | argument), stream: UInt32(argument), payload: [argument])
        case 12: for _ in 0..<16 { deliver(from: end, Int(argument & 31) + 1) }
        case 13, 14: deliver(from: end, size)
        default:
            guard argument & 15 != 15 else { return false }
            guard argument & 15 == 14 else { break }
            end.mux.resetAll(.shuttingDown)
            end.check(end.mux.streamCount == 0, "streams outlive the reset of all")
        }
        for end in ends { end.tap() }
        return true
    }

    /// The first `size` bytes of `end`'s output reach the other end.
    private func deliver(from end: PairEnd, _ size: Int) {
        guard let other = ends.first(where: { $0 !== end }) else { return }
        end.tap()
        let bytes = end.takeOutput(size)
        other.learn(bytes)
        let violation = feed(other.mux, bytes[...])
        end.check(violation == nil, "a fault where there is none: \(violation?.reason ?? "")")
        other.tap()
        // As a lane does it whose socket took so much.
        end.mux.isBlocked = end.mux.hasOutput
        if !end.mux.isBlocked { end.mux.serveWaiting() }
        end.tap()
    }

    /// Consumes and delivers until nothing moves any more; then both ends must say the same.
    func rest() {
        var rounds = 0
        repeat {
            rounds += 1
            ends[0].check(rounds < 10_000, "the two never come to rest")
            for end in ends {
                end.consumeAll()
                deliver(from: end, .max)
            }
        } while ends.contains { $0.mux.hasOutput || $0.mux.hasWaiting || $0.isHolding }
        ends[0].check(ends[0].mux.streamCount == ends[1].mux.streamCount, "the two have other streams")
        for end in ends {
            for stream in end.all {
                let peer = ends.first { $0 !== end }?.all.first { $0.id == stream.id }
                guard let peer else {
                    end.check(stream.isClosed && stream.wasReset, "a refused stream is open")
                    continue
                }
                stream.checkAgainst(peer)
            }
            end.checkAccounts()
        }
    }

    func loseLane() {
        for end in ends {
            end.mux.fail("over")
            end.check(end.mux.streamCount == 0 && end.all.allSatisfy(\.isClosed), "streams outlive their lane")
            end.check(end.closed == end.all.count, "not every stream is told that the lane is lost")
        }
    }
}

/// One end, and what its other end may conclude from the bytes it says.
private final class PairEnd: MuxOwner {
    private let role: Mux.Role
    private let schedule: [UInt8]
    private(set) lazy var mux = Mux(role: role, owner: self)
    private(set) var all: [PairStream] = []
    private(set) var closed = 0

    /// How much of either kind of output has been looked at.
    private var tapped = (data: 0, control: 0)
    private var saying = FrameSplitter()
    private var hearing = FrameSplitter()
    /// What may be sent on each stream, by the frames alone.
    private var windows: [UInt32: Int] = [:]
    private var ended: Set<UInt32> = []
    private var over: Set<UInt32> = []

    init(_ role: Mux.Role, _ schedule: [UInt8]) {
        (self.role, self.schedule) = (role, schedule)
        mux.acceptsStreams = true
        mux.maxControlFrame = ProtocolLimits.maxControlFrame
    }

    func check(_ condition: Bool, _ message: @autoclosure () -> String) {
        guard !condition else { return }
        fatalError("\(role): \(message()): \(schedule)")
    }

    func open(mapping: UInt32) {
        guard all.count < 64, let id = mux.takeID() else { return }
        let stream = PairStream(id, self, isOpener: true)
        all.append(stream)
        mux.open(stream, Open(mapping: mapping, visitor: "203.0.113.7:\(id)"))
    }

    func stream(_ index: Int) -> PairStream? { all.isEmpty ? nil : all[index % all.count] }

    var isHolding: Bool { all.contains { $0.held > 0 } }

    func consumeAll() { for stream in all { stream.consume(.max) } }

    func takeOutput(_ size: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < size, mux.hasOutput {
            let piece = mux.nextOutput.prefix(size - bytes.count)
            bytes += piece
            mux.taken(piece.count)
        }
        if !mux.hasOutput { mux.releaseOutput() }
        tapped = (mux.output.count, mux.control.count)
        return bytes
    }

    /// Looks at what was said since the last time: nothing but what the other side has to take.
    func tap() {
        // Data first: it is said before the reset that may overtake it.
        tap(UnsafeRawBufferPointer(rebasing: mux.output.readable[tapped.data...]))
        tap(UnsafeRawBufferPointer(rebasing: mux.control.readable[tapped.control...]))
        tapped = (mux.output.count, mux.control.count)
    }

    private func tap(_ new: UnsafeRawBufferPointer) {
        saying.split(new) { header, payload in
            let id = header.stream
            if header.type.belongsToStream { check(!over.contains(id), "frame \(header) after the stream is over") }
            switch header.type {
            case .data:
                let window = windows[id] ?? ProtocolLimits.initialWindow
                check(header.length > 0 && header.length <= 131_072, "DATA of \(header.length) bytes")
                check(!ended.contains(id), "DATA after END")
                check(window > 0 && header.length <= window, "DATA of \(header.length) with a credit of \(window)")
                windows[id] = window - max(header.length, 64)
            case .end: check(ended.insert(id).inserted, "END twice")
            case .reset, .refused: over.insert(id)
            default: break
            }
        }
    }

    /// Looks at what arrives, before the mux does.
    func learn(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { bytes in
            hearing.split(bytes) { header, payload in
                guard header.type == .credit else { return }
                let increment = payload.reduce(0) { $0 << 8 | Int($1) }
                let window = (windows[header.stream] ?? ProtocolLimits.initialWindow) + increment
                check(increment > 0 && window <= ProtocolLimits.initialWindow, "a window grows to \(window)")
                windows[header.stream] = window
            }
        }
    }

    /// At rest: what is not granted to this end is less than a quarter of a window.
    func checkAccounts() {
        for stream in all where !stream.isClosed && !stream.hasSentEnd {
            let window = windows[stream.id] ?? ProtocolLimits.initialWindow
            check(
                window > ProtocolLimits.initialWindow * 3 / 4 && window <= ProtocolLimits.initialWindow,
                "a window of \(window) at rest")
            check(stream.sendable > 0, "no credit at rest")
        }
    }

    func muxHasOutput() {}

    func muxReceived(_ type: FrameType, _ payload: Span<UInt8>) throws(ProtocolViolation) {
        if type == .ping {
            mux.write(.pong, payload: payload.withUnsafeBytes { Array($0) })
        } else if type != .pong, !type.mayBeIgnored {
            throw ProtocolViolation("frame of type \(type.rawValue)")
        }
    }

    func muxOpened(_ id: UInt32, _ message: Open) -> MuxStream? {
        check(message.visitor == "203.0.113.7:\(id)", "an OPEN changes on its way")
        guard message.mapping != 2 else {
            mux.refuse(id, .tooMany, "no more")
            return nil
        }
        let stream = PairStream(id, self, isOpener: false)
        stream.agreesAtOnce = message.mapping == 1
        all.append(stream)
        return stream
    }

    func muxClosed(_ stream: MuxStream) { closed += 1 }
}

private final class PairStream: MuxStream {
    private unowned let end: PairEnd
    private let isOpener: Bool
    /// This end passes on what it receives at once, and ends when the other does.
    private let isPrompt: Bool
    var agreesAtOnce = false
    private var wanted = 0
    private var sent = 0
    private var wantsEnd = false
    private var received = 0
    private(set) var held = 0
    private(set) var peerHasEnded = false
    private(set) var wasReset = false

    init(_ id: UInt32, _ end: PairEnd, isOpener: Bool) {
        (self.end, self.isOpener) = (end, isOpener)
        isPrompt = id & 2 != 0
        super.init(id: id, mux: end.mux)
    }

    /// Calls `body` with the bytes from `position` on, of the direction that begins at the opener or at the other end.
    private func pattern(_ position: Int, _ size: Int, fromOpener: Bool, _ body: (UnsafeRawBufferPointer) -> Void) {
        let start = (position + Int(id) * 97 + (fromOpener ? 31 : 0)) % patternPeriod
        patternBytes.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[start..<start + size])) }
    }

    // MARK: What it does

    func want(_ size: Int) {
        guard !wantsEnd, wanted < 1 << 20 else { return }
        wanted += size
        pump()
    }

    func wantEnd() {
        wantsEnd = true
        pump()
    }

    func giveUp() {
        guard !isClosed else { return }
        wasReset = true
        reset(.cancelled)
    }

    func agree() { if !isOpener, !isClosed, !hasSentEnd { sendOpened() } }

    func decline() {
        guard !isOpener, !isClosed, sent == 0, !hasSentEnd else { return }
        wasReset = true
        refuse(.connectionRefused, "refused")
    }

    func consume(_ most: Int) {
        let size = min(most, held)
        guard size > 0 else { return }
        held -= size
        consumed(size)
    }

    private func pump() {
        while sent < wanted {
            let size = min(sendable, wanted - sent)
            guard size > 0 else { return }
            let room = prepareData(size)
            pattern(sent, size, fromOpener: isOpener) { room.copyMemory(from: $0) }
            commitData(size)
            sent += size
        }
        if wantsEnd { sendEnd() }
    }

    // MARK: What it hears

    override func start() {
        if agreesAtOnce { sendOpened() }
    }

    override func canSend() {
        end.check(!isClosed && !hasSentEnd, "may go on after its end")
        pump()
    }

    override func receive(_ bytes: UnsafeRawBufferPointer) {
        end.check(!isClosed && !peerHasEnded && !bytes.isEmpty, "bytes of a stream that is over")
        pattern(received, bytes.count, fromOpener: !isOpener) { expected in
            guard let expected = expected.baseAddress, let actual = bytes.baseAddress else { return }
            end.check(memcmp(expected, actual, bytes.count) == 0, "a wrong byte")
        }
        received += bytes.count
        held += bytes.count
        end.check(held <= ProtocolLimits.initialWindow, "more is held than the window")
        if isPrompt { consume(.max) }
    }

    override func receiveEnd() {
        end.check(!isClosed && !peerHasEnded, "an end of a stream that is over")
        peerHasEnded = true
        if isPrompt { wantEnd() }
    }

    override func receiveReset(_ error: StreamError, _ explanation: String) {
        end.check(isClosed && !explanation.isEmpty, "a reset without an end")
        wasReset = true
    }

    override func receiveOpened() {
        end.check(isOpener && !isClosed, "accepted by itself")
    }

    // MARK: At rest

    func checkAgainst(_ peer: PairStream) {
        end.check(isClosed == peer.isClosed, "one end only is closed")
        end.check(received <= peer.sent, "more arrives than was sent")
        guard !wasReset, !peer.wasReset else {
            return end.check(isClosed, "a reset stream is open")
        }
        end.check(sent == wanted, "\(wanted - sent) bytes wait for ever")
        end.check(received == peer.sent, "\(peer.sent - received) bytes are lost")
        end.check(peerHasEnded == peer.hasSentEnd, "an end is lost")
        end.check(isClosed == (hasSentEnd && peerHasEnded), "a stream outlives its ends")
    }
}

/// What streams carry: repeated with a period that is prime, as long again as the longest DATA.
private let patternPeriod = 65_521
private let patternBytes: [UInt8] = (0..<patternPeriod + ProtocolLimits.maxData).map { index in
    UInt8(truncatingIfNeeded: (UInt64(index % patternPeriod) &* 0x9E37_79B9) >> 13)
}

/// Frames out of a stream of bytes, by docs/PROTOCOL.md and without the code that is under test.
private struct FrameSplitter {
    private var gathered: [UInt8] = []
    private var dataLeft = 0

    /// Calls `body` with each header and, but for DATA, its whole payload.
    mutating func split(_ bytes: UnsafeRawBufferPointer, _ body: (FrameHeader, ArraySlice<UInt8>) -> Void) {
        var rest = bytes[...]
        while !rest.isEmpty {
            if dataLeft > 0 {
                let size = min(dataLeft, rest.count)
                dataLeft -= size
                rest = rest.dropFirst(size)
                continue
            }
            guard gathered.count >= 8 else {
                gathered.append(rest.removeFirst())
                if gathered.count == 8 { finish(body) }
                continue
            }
            let missing = 8 + length - gathered.count
            gathered += rest.prefix(missing)
            rest = rest.dropFirst(missing)
            finish(body)
        }
    }

    private var length: Int { Int(gathered[0]) << 16 | Int(gathered[1]) << 8 | Int(gathered[2]) }

    private mutating func finish(_ body: (FrameHeader, ArraySlice<UInt8>) -> Void) {
        let isData = gathered[3] == 0
        guard isData || gathered.count == 8 + length else { return }
        let stream = gathered[4..<8].reduce(0) { $0 << 8 | UInt32($1) }
        body(FrameHeader(length: length, type: FrameType(rawValue: gathered[3]), stream: stream), gathered[8...])
        if isData { dataLeft = length }
        gathered.removeAll(keepingCapacity: true)
    }
}
