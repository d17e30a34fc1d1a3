import Testing

@testable import WMPWire

/// One end of a lane: writes down what its mux tells.
final class TestEnd: MuxOwner {
    let role: Mux.Role
    private(set) lazy var mux = Mux(role: role, owner: self)
    /// Those that the other side has opened, and those that this one has.
    private(set) var streams: [UInt32: TestStream] = [:]
    private(set) var messages: [FrameType] = []
    private(set) var closed: [UInt32] = []
    private(set) var outputs = 0
    /// Refuses what the other side opens.
    var refuses = false
    /// What new streams do with what they receive.
    var consumesAtOnce = true

    /// `isOpen`: the login is over.
    init(_ role: Mux.Role, isOpen: Bool = true) {
        self.role = role
        if isOpen {
            mux.acceptsStreams = true
            mux.maxControlFrame = ProtocolLimits.maxControlFrame
        }
    }

    /// Streams and mux hold each other until the streams are closed.
    deinit {
        for stream in streams.values { stream.forgetHooks() }
        mux.fail("the test is over")
    }

    func open(_ message: Open = Open(mapping: 1, visitor: "203.0.113.7:49152")) throws -> TestStream {
        let stream = TestStream(try #require(mux.takeID()), self)
        streams[stream.id] = stream
        mux.open(stream, message)
        return stream
    }

    func stream(_ id: UInt32) throws -> TestStream { try #require(streams[id], "stream \(id) was never opened") }

    /// The violation that `bytes` are, if they are one.
    func receive(_ bytes: some Sequence<UInt8>) -> ProtocolViolation? {
        Array(bytes).withUnsafeBytes { input in
            do throws(ProtocolViolation) { try mux.receive(input) } catch { return error }
            return nil
        }
    }

    /// Nothing waits to be sent.
    var isSilent: Bool { !mux.hasOutput }
    var waitingBytes: Int { mux.output.count + mux.control.count }

    /// The next bytes for the other side.
    func takeOutput(_ most: Int = .max) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < most, mux.hasOutput {
            let piece = mux.nextOutput.prefix(most - bytes.count)
            bytes += piece
            mux.taken(piece.count)
        }
        return bytes
    }

    /// The whole frames among the next bytes for the other side.
    func takeFrames() -> [TestFrame] { TestFrame.split(takeOutput()) }

    func muxHasOutput() { outputs += 1 }

    func muxReceived(_ type: FrameType, _ payload: Span<UInt8>) throws(ProtocolViolation) {
        messages.append(type)
        switch type {
        case .hello: _ = try Hello(payload: payload)
        case .challenge: _ = try Challenge(payload: payload)
        case .login: _ = try Login(payload: payload)
        case .welcome: _ = try Welcome(payload: payload)
        case .map: _ = try Map(payload: payload)
        case .mapped: _ = try Mapped(payload: payload)
        case .mapRefused: _ = try MapRefused(payload: payload)
        case .unmap, .unmapped: _ = try Unmap(payload: payload)
        case .reject, .goAway: _ = try Refusal(payload: payload)
        case .ping:
            guard payload.count == 8 else { throw ProtocolViolation("PING of the wrong length") }
            mux.write(.pong, payload: payload.withUnsafeBytes { Array($0) })
        case .pong: guard payload.count == 8 else { throw ProtocolViolation("PONG of the wrong length") }
        default: guard type.mayBeIgnored else { throw ProtocolViolation("unknown type \(type.rawValue)") }
        }
    }

    func muxOpened(_ id: UInt32, _ message: Open) -> MuxStream? {
        guard !refuses else {
            mux.refuse(id, .unknownMapping, "no such mapping")
            return nil
        }
        let stream = TestStream(id, self)
        stream.message = message
        streams[id] = stream
        return stream
    }

    func muxClosed(_ stream: MuxStream) { closed.append(stream.id) }
}

/// A stream that writes down what it hears and sends what it was given, as soon as it may.
final class TestStream: MuxStream {
    enum Event: Equatable {
        case started
        case opened
        case end
        case reset(StreamError, String)
    }

    var message: Open?
    var consumesAtOnce: Bool
    private(set) var events: [Event] = []
    private(set) var received: [UInt8] = []
    private(set) var turns = 0
    /// What `canSend` does beside sending, and the others beside writing down. Each is called once.
    var onTurn: (() -> Void)?
    var onReset: (() -> Void)?
    var onEnd: (() -> Void)?
    /// Most that is sent in one turn.
    var quantum = Int.max
    private var outbox: ArraySlice<UInt8> = []
    private var wantsEnd = false

    init(_ id: UInt32, _ end: TestEnd) {
        consumesAtOnce = end.consumesAtOnce
        super.init(id: id, mux: end.mux)
    }

    var unsent: Int { outbox.count }
    var hasHeardEnd: Bool { events.contains(.end) }

    func write(_ bytes: [UInt8], end: Bool = false) {
        outbox += bytes
        wantsEnd = wantsEnd || end
        pump()
    }

    private func pump() {
        let turn = outbox.prefix(quantum)
        let sent = turn.withUnsafeBytes { send($0) }
        outbox = outbox.dropFirst(sent)
        if outbox.isEmpty {
            if wantsEnd { sendEnd() }
        } else if sent == quantum {
            mux?.wait(self)
        }
    }

    override func start() { events.append(.started) }
    override func receive(_ bytes: UnsafeRawBufferPointer) {
        received += bytes
        if consumesAtOnce { consumed(bytes.count) }
    }
    override func receiveEnd() {
        events.append(.end)
        take(&onEnd)?()
    }
    override func receiveReset(_ error: StreamError, _ explanation: String) {
        events.append(.reset(error, explanation))
        take(&onReset)?()
    }
    override func receiveOpened() { events.append(.opened) }
    override func canSend() {
        turns += 1
        take(&onTurn)?()
        pump()
    }

    func forgetHooks() { (onTurn, onReset, onEnd) = (nil, nil, nil) }

    private func take(_ hook: inout (() -> Void)?) -> (() -> Void)? {
        defer { hook = nil }
        return hook
    }
}

/// Two ends and the bytes between them.
final class TestLane {
    let server = TestEnd(.server)
    let client = TestEnd(.client)
    private(set) var violation: ProtocolViolation?
    /// Bytes that go at once; random pieces up to this if there is a source of randomness.
    var piece = Int.max
    var random: SeededRandom?

    /// Brings over what waits on both sides, until nothing does.
    func run() {
        while violation == nil, isBusy {
            deliver(from: server, to: client)
            deliver(from: client, to: server)
        }
    }

    private var isBusy: Bool {
        [server, client].contains { !$0.isSilent || $0.mux.hasWaiting }
    }

    /// Brings one piece over, as a lane does it whose socket takes so much.
    func deliver(from: TestEnd, to: TestEnd) {
        let size = random == nil ? piece : Int.random(in: 1...min(piece, 1 << 20), using: &random!)
        violation = to.receive(from.takeOutput(size)) ?? violation
        from.mux.isBlocked = from.mux.hasOutput
        if !from.mux.isBlocked { from.mux.serveWaiting() }
    }
}

/// A frame as it stands on the wire.
struct TestFrame: Equatable, CustomStringConvertible {
    var type: FrameType
    var stream: UInt32
    var payload: [UInt8]

    init(_ type: FrameType, _ stream: UInt32 = 0, _ payload: [UInt8] = []) {
        (self.type, self.stream, self.payload) = (type, stream, payload)
    }

    var description: String { "frame \(type.rawValue) of stream \(stream) with \(payload.count) bytes" }

    var bytes: [UInt8] { Self.header(type, stream, length: payload.count) + payload }

    static func header(_ type: FrameType, _ stream: UInt32 = 0, length: Int) -> [UInt8] {
        [16, 8, 0].map { UInt8(truncatingIfNeeded: length >> $0) } + [type.rawValue]
            + [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: stream >> $0) }
    }

    static func split(_ bytes: [UInt8]) -> [TestFrame] {
        var frames: [TestFrame] = []
        var rest = bytes[...]
        while rest.count >= 8 {
            let header = Array(rest.prefix(8))
            let length = Int(header[0]) << 16 | Int(header[1]) << 8 | Int(header[2])
            let stream = header[4...].reduce(0) { $0 << 8 | UInt32($1) }
            rest = rest.dropFirst(8)
            frames.append(TestFrame(FrameType(rawValue: header[3]), stream, Array(rest.prefix(length))))
            rest = rest.dropFirst(length)
        }
        return frames
    }

    static func open(_ stream: UInt32, mapping: UInt32 = 1) -> TestFrame {
        TestFrame(.open, stream, Open(mapping: mapping, visitor: "203.0.113.7:49152").payload)
    }
    static func data(_ stream: UInt32, _ count: Int) -> TestFrame {
        TestFrame(.data, stream, [UInt8](repeating: 0x61, count: count))
    }
    static func credit(_ stream: UInt32, _ increment: UInt32) -> TestFrame {
        TestFrame(.credit, stream, [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: increment >> $0) })
    }
    static func end(_ stream: UInt32) -> TestFrame { TestFrame(.end, stream) }
    static func reset(_ stream: UInt32, _ error: StreamError) -> TestFrame {
        TestFrame(.reset, stream, [UInt8(error.rawValue >> 8), UInt8(error.rawValue & 255)])
    }
    static let ping = TestFrame(.ping, 0, [1, 2, 3, 4, 5, 6, 7, 8])
}

extension [TestFrame] {
    var bytes: [UInt8] { flatMap(\.bytes) }
    func of(_ type: FrameType) -> [TestFrame] { filter { $0.type == type } }
}

/// Bytes that differ from place to place, with a period that is prime.
func pattern(_ count: Int, seed: Int = 0) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count)
    var start = seed * 7919 % patternTable.count
    while bytes.count < count {
        bytes += patternTable[start..<min(patternTable.count, start + count - bytes.count)]
        start = 0
    }
    return bytes
}

private let patternTable: [UInt8] = (0..<65_521).map { UInt8(truncatingIfNeeded: ($0 &* 2_654_435_761) >> 11) }
