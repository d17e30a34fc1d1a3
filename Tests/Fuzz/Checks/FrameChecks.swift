// What must hold of the receiving end of a lane for every input there is: split anyhow it hears the same, and it hears
// what a plain reading of docs/PROTOCOL.md hears. Fuzzers call this, and so does the test that replays the corpus. A
// check that fails stops the process: that is what a fuzzer looks for.
#if canImport(WMPWire)
import WMPWire
#endif

/// Checks a mux in either role, before and after the login, on `bytes`.
package func checkFrames(_ bytes: [UInt8]) {
    for role in [Mux.Role.server, .client] {
        for isOpen in [false, true] {
            let whole = hear(bytes, role, isOpen, pieces: [bytes.count])
            for pieces in splits(of: bytes) {
                check(hear(bytes, role, isOpen, pieces: pieces) == whole, "a lane hears otherwise when split", bytes)
            }
            var book = Book(role: role, isOpen: isOpen)
            book.read(bytes)
            check(book.heard == whole.heard, "a lane hears otherwise than by the book", bytes)
        }
    }
}

/// What a lane's end tells those above it.
private enum Heard: Equatable {
    case session(UInt8, [UInt8])
    case opened(UInt32, mapping: UInt32, visitor: [UInt8])
    case refused(UInt32)
    case accepted(UInt32)
    case data(UInt32, [UInt8])
    case end(UInt32)
    case reset(UInt32, UInt16)
    case mayGoOn(UInt32)
    case closed(UInt32)
    case violation
}

/// What a stream does by itself: told by its number.
private enum Manner: UInt32 {
    case listens, answersEnd, resetsAtEnd, hasEnded

    init(_ id: UInt32) { self = Manner(rawValue: id >> 1 & 3) ?? .listens }
}

/// Credit that streams of this check begin with, all of it used at once by those that we open.
private let firstWindow = 1000

// MARK: - The code

private struct Hearing: Equatable {
    var heard: [Heard] = []
    var said: [UInt8] = []
}

private func hear(_ bytes: [UInt8], _ role: Mux.Role, _ isOpen: Bool, pieces: [Int]) -> Hearing {
    let ear = Ear(role)
    if isOpen { ear.open() }
    var start = 0
    for end in pieces {
        if let violation = feed(ear.mux, bytes[start..<end]) {
            check(!violation.reason.isEmpty, "a violation without a reason", bytes)
            ear.hear(.violation)
            break
        }
        start = end
    }
    ear.drain()
    let count = ear.mux.streamCount
    var hearing = ear.hearing
    ear.mux.fail("over")
    check(ear.mux.streamCount == 0 && ear.closed == ear.born, "streams outlive their lane", bytes)
    check(count == ear.hearing.heard.count - hearing.heard.count, "a lost lane is not told to every stream", bytes)
    hearing.said += [UInt8(clamping: count)]
    return hearing
}

/// Has `mux` receive `bytes`; returns the violation, if there is one.
func feed(_ mux: Mux, _ bytes: ArraySlice<UInt8>) -> ProtocolViolation? {
    bytes.withUnsafeBytes { input in
        do throws(ProtocolViolation) { try mux.receive(input) } catch { return error }
        return nil
    }
}

/// A mux's owner that writes down all it hears.
private final class Ear: MuxOwner {
    private(set) var hearing = Hearing()
    private let role: Mux.Role
    private(set) lazy var mux = Mux(role: role, owner: self)
    private var streams: [UInt32: EarStream] = [:]
    private(set) var born = 0
    private(set) var closed = 0

    init(_ role: Mux.Role) { self.role = role }

    func hear(_ event: Heard) {
        if case .data(let id, let bytes) = event, case .data(id, let known)? = hearing.heard.last {
            hearing.heard[hearing.heard.count - 1] = .data(id, known + bytes)
        } else {
            hearing.heard.append(event)
        }
        drain()
    }

    /// Takes the output as a socket would.
    func drain() {
        while mux.hasOutput {
            let output = mux.nextOutput
            hearing.said += output
            mux.taken(output.count)
        }
    }

    /// The login is over. Three streams are opened, and a fourth has only its number yet.
    func open() {
        mux.acceptsStreams = true
        mux.maxControlFrame = ProtocolLimits.maxControlFrame
        mux.peerWindow = firstWindow
        for index in 0..<4 {
            guard let id = mux.takeID(), index < 3 else { continue }
            let stream = EarStream(id, self)
            add(stream)
            mux.open(stream, Open(mapping: 1, visitor: ""))
            let sent = [UInt8](repeating: 7, count: firstWindow + 1).withUnsafeBytes { stream.send($0) }
            check(sent == (Manner(id) == .hasEnded ? 0 : firstWindow), "other than the whole window is sent", [])
        }
        drain()
    }

    private func add(_ stream: EarStream) {
        streams[stream.id] = stream
        born += 1
    }

    func muxHasOutput() {}

    func muxReceived(_ type: FrameType, _ payload: Span<UInt8>) throws(ProtocolViolation) {
        let bytes = copy(payload)
        switch type {
        case .hello: try take(Hello.self, payload)
        case .challenge: try take(Challenge.self, payload)
        case .login: try take(Login.self, payload)
        case .welcome: try take(Welcome.self, payload)
        case .reject, .goAway:
            let refusal = try Refusal(payload: payload)
            check((try? Refusal(payload: refusal.payload.span)) == refusal, "a refusal reads back otherwise", bytes)
        case .map: try take(Map.self, payload)
        case .mapped: try take(Mapped.self, payload)
        case .mapRefused: try take(MapRefused.self, payload)
        case .unmap, .unmapped: try take(Unmap.self, payload)
        case .ping, .pong: guard payload.count == 8 else { throw ProtocolViolation("wrong length") }
        default: guard type.mayBeIgnored else { throw ProtocolViolation("unknown") }
        }
        hear(.session(type.rawValue, bytes))
        switch type {
        case .ping:
            mux.write(.pong, payload: bytes)
            for id in streams.keys.sorted() { streams[id]?.consumeAll() }
        case .login, .welcome: if !mux.acceptsStreams { open() }
        default: break
        }
        drain()
    }

    private func take<M: Message & Equatable>(_: M.Type, _ payload: Span<UInt8>) throws(ProtocolViolation) {
        let message = try M(payload: payload)
        check((try? M(payload: message.payload.span)) == message, "a message reads back otherwise", copy(payload))
    }

    func muxOpened(_ id: UInt32, _ message: Open) -> MuxStream? {
        guard message.mapping & 3 != 3 else {
            mux.refuse(id, .unknownMapping, "none")
            hear(.refused(id))
            return nil
        }
        hear(.opened(id, mapping: message.mapping, visitor: Array(message.visitor.utf8)))
        let stream = EarStream(id, self)
        add(stream)
        return stream
    }

    func muxClosed(_ stream: MuxStream) {
        closed += 1
        streams[stream.id] = nil
        check(stream.isClosed, "a closed stream is open", [])
        hear(.closed(stream.id))
    }
}

private final class EarStream: MuxStream {
    private unowned let ear: Ear
    private var held = 0

    init(_ id: UInt32, _ ear: Ear) {
        self.ear = ear
        super.init(id: id, mux: ear.mux)
    }

    override func start() { if Manner(id) == .hasEnded { sendEnd() } }
    override func receive(_ bytes: UnsafeRawBufferPointer) {
        check(!bytes.isEmpty, "no bytes are received", [])
        held += bytes.count
        ear.hear(.data(id, Array(bytes)))
    }
    override func receiveEnd() {
        ear.hear(.end(id))
        switch Manner(id) {
        case .answersEnd: sendEnd()
        case .resetsAtEnd: reset(.cancelled)
        case .listens, .hasEnded: break
        }
    }
    override func receiveReset(_ error: StreamError, _ explanation: String) {
        if error != .laneLost || explanation != "over" { ear.hear(.reset(id, error.rawValue)) }
    }
    override func receiveOpened() { ear.hear(.accepted(id)) }
    override func canSend() { ear.hear(.mayGoOn(id)) }

    func consumeAll() {
        consumed(held)
        held = 0
    }
}

// MARK: - The book

/// A plain reading of docs/PROTOCOL.md, with nothing in common with the mux.
private struct Book {
    private struct Entry {
        var mayReceive = 262_144
        var owed = 0
        var held = 0
        var maySend: Int
        var hasEnded = false
        var hasSentEnd: Bool
    }

    private let role: Mux.Role
    private var isOpen = false
    private var streams: [UInt32: Entry] = [:]
    /// The highest number of each side: those up to it have been opened.
    private var ours: UInt32 = 0
    private var theirs: UInt32 = 0
    private var emptyRun = 0
    private(set) var heard: [Heard] = []

    init(role: Mux.Role, isOpen: Bool) {
        self.role = role
        if isOpen { open() }
    }

    private mutating func open() {
        isOpen = true
        for index in 0..<4 {
            ours = UInt32(index) * 2 + (role == .server ? 2 : 1)
            let hasEnded = Manner(ours) == .hasEnded
            guard index < 3 else { continue }
            streams[ours] = Entry(maySend: hasEnded ? firstWindow : 0, hasSentEnd: hasEnded)
        }
    }

    private mutating func hear(_ event: Heard) {
        if case .data(let id, let bytes) = event {
            guard !bytes.isEmpty else { return }
            if case .data(id, let known)? = heard.last {
                heard[heard.count - 1] = .data(id, known + bytes)
                return
            }
        }
        heard.append(event)
    }

    mutating func read(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while rest.count >= 8 {
            let header = rest.prefix(8).map { UInt32($0) }
            let length = Int(header[0] << 16 | header[1] << 8 | header[2])
            let type = UInt8(header[3])
            let stream = header[4] << 24 | header[5] << 16 | header[6] << 8 | header[7]
            let isOfStream = type <= 6
            var isWrong = length > (type == 0 ? 131_072 : isOpen ? 16_384 : 4096)
            if isOfStream { isWrong = isWrong || !isOpen || stream == 0 }
            if !isOfStream, type < 0x80 { isWrong = isWrong || stream != 0 }
            guard !isWrong else { return hear(.violation) }
            rest = rest.dropFirst(8)
            if type == 0 {
                let payload = rest.prefix(length)
                guard data(stream, length, Array(payload)) else { return hear(.violation) }
                rest = rest.dropFirst(payload.count)
                guard payload.count == length else { return }
                continue
            }
            guard rest.count >= length else { return }
            let payload = Array(rest.prefix(length))
            rest = rest.dropFirst(length)
            guard isOfStream ? control(type, stream, payload) : session(type, payload) else { return hear(.violation) }
        }
    }

    private func wasOpened(_ id: UInt32) -> Bool { (id % 2 == 0) == (role == .server) ? id <= ours : id <= theirs }

    private mutating func data(_ id: UInt32, _ length: Int, _ payload: [UInt8]) -> Bool {
        emptyRun = length == 0 ? emptyRun + 1 : 0
        guard emptyRun <= 16, wasOpened(id) else { return false }
        guard var entry = streams[id] else { return true }
        guard !entry.hasEnded, entry.mayReceive > 0, length <= entry.mayReceive else { return false }
        let charge = length < 64 ? 64 : length
        entry.mayReceive -= charge
        entry.owed += charge - length
        entry.held += payload.count
        streams[id] = entry
        hear(.data(id, payload))
        return true
    }

    private mutating func control(_ type: UInt8, _ id: UInt32, _ payload: [UInt8]) -> Bool {
        if type == 4 {
            guard let fields = Fields(payload, [1: .number(UInt64(UInt32.max)), 2: .text(128)]) else { return false }
            guard (id % 2 == 0) != (role == .server), id > theirs else { return false }
            theirs = id
            let mapping = UInt32(fields.number(1))
            guard mapping % 4 != 3 else {
                hear(.refused(id))
                return true
            }
            hear(.opened(id, mapping: mapping, visitor: fields.values[2] ?? []))
            streams[id] = Entry(maySend: firstWindow, hasSentEnd: Manner(id) == .hasEnded)
            return true
        }
        guard wasOpened(id) else { return false }
        switch type {
        case 1:
            guard payload.count == 4 else { return false }
            guard let entry = streams[id] else { return true }
            let increment = payload.reduce(0) { $0 * 256 + Int($1) }
            guard increment > 0, entry.maySend + increment <= 16 * 1024 * 1024 else { return false }
            streams[id]?.maySend += increment
            if entry.maySend <= 0, !entry.hasSentEnd { hear(.mayGoOn(id)) }
        case 2:
            guard payload.isEmpty else { return false }
            guard let entry = streams[id] else { return true }
            guard !entry.hasEnded else { return false }
            streams[id]?.hasEnded = true
            hear(.end(id))
            switch Manner(id) {
            case .answersEnd, .resetsAtEnd, .hasEnded: close(id)
            case .listens: break
            }
        case 3:
            guard payload.count == 2 else { return false }
            // "The lane was lost" is never on the wire: whoever says it means that he gave the stream up.
            let code = UInt16(payload[0]) * 256 + UInt16(payload[1])
            if close(id) { hear(.reset(id, code == .max ? 1 : code)) }
        case 5:
            if streams[id] != nil { hear(.accepted(id)) }
        default:
            guard let fields = Fields(payload, [1: .number(UInt64(UInt16.max)), 2: .text(512)]) else { return false }
            if close(id) { hear(.reset(id, UInt16(fields.number(1)))) }
        }
        return true
    }

    @discardableResult
    private mutating func close(_ id: UInt32) -> Bool {
        guard streams.removeValue(forKey: id) != nil else { return false }
        hear(.closed(id))
        return true
    }

    private mutating func session(_ type: UInt8, _ payload: [UInt8]) -> Bool {
        let u16 = Fields.Kind.number(UInt64(UInt16.max))
        let u32 = Fields.Kind.number(UInt64(UInt32.max))
        let window = Fields.Kind.number(16 * 1024 * 1024)
        let isRight: Bool
        switch type {
        case 0x10:
            let known: [UInt8: Fields.Kind] = [
                1: .text(64), 2: .bytes(1024), 4: window, 5: .text(128), 6: .bytes(16),
            ]
            let fields = Fields(payload, known)
            isRight = fields.map { !($0.values[1] ?? []).isEmpty && $0.isSession(6) } ?? false
        case 0x11, 0x12: isRight = Fields(payload, [1: .bytes(1024)]) != nil
        case 0x13:
            let fields = Fields(
                payload, [1: .bytes(1024), 2: window, 3: .text(64), 4: .bytes(16), 5: .number(255)])
            isRight = fields.map { $0.isSession(4) && ($0.values[5] == nil || $0.number(5) > 0) } ?? false
        case 0x14, 0x32: isRight = Fields(payload, [1: u16, 2: .text(512)]) != nil
        case 0x20:
            let fields = Fields(
                payload, [1: u32, 2: .text(64), 3: .number(255), 4: .text(255), 5: .text(261), 6: u32, 7: u16])
            isRight = fields.map { !($0.values[2] ?? []).isEmpty } ?? false
        case 0x21: isRight = Fields(payload, [1: u32, 2: .text(1024)]) != nil
        case 0x22: isRight = Fields(payload, [1: u32, 2: u16, 3: .text(512)]) != nil
        case 0x23, 0x24: isRight = Fields(payload, [1: u32]) != nil
        case 0x30, 0x31: isRight = payload.count == 8
        default: isRight = type >= 0x80
        }
        guard isRight else { return false }
        hear(.session(type, payload))
        if type == 0x12 || type == 0x13, !isOpen { open() }
        if type == 0x30 {
            for (id, entry) in streams where !entry.hasEnded {
                streams[id]?.owed += entry.held
                streams[id]?.held = 0
                let owed = entry.owed + entry.held
                guard owed >= 65_536 else { continue }
                streams[id]?.mayReceive += owed
                streams[id]?.owed = 0
            }
        }
        return true
    }
}

/// The fields of a payload by the book; nil if they are malformed.
private struct Fields {
    enum Kind {
        case text(Int)
        case bytes(Int)
        case number(UInt64)
    }

    private(set) var values: [UInt8: [UInt8]] = [:]

    init?(_ payload: [UInt8], _ known: [UInt8: Kind]) {
        var rest = payload[...]
        while let key = rest.popFirst() {
            guard rest.count >= 2, values[key] == nil else { return nil }
            let length = Int(rest.removeFirst()) * 256 + Int(rest.removeFirst())
            guard rest.count >= length else { return nil }
            values[key] = Array(rest.prefix(length))
            rest = rest.dropFirst(length)
        }
        for (key, kind) in known {
            guard let value = values[key] else { continue }
            switch kind {
            case .bytes(let most): guard value.count <= most else { return nil }
            case .number(let most): guard (1...8).contains(value.count), number(key) <= most else { return nil }
            case .text(let most):
                let text = String(decoding: value, as: UTF8.self)
                guard value.count <= most, Array(text.utf8) == value else { return nil }
                guard text.unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control }) else { return nil }
            }
        }
    }

    /// The name of a session is whole, or there is none.
    func isSession(_ key: UInt8) -> Bool { [0, 16].contains((values[key] ?? []).count) }

    func number(_ key: UInt8) -> UInt64 { (values[key] ?? []).reduce(0) { $0 * 256 + UInt64($1) } }
}

// MARK: - Splitting

/// Ways to present `bytes` in pieces, as the ends of these: octet by octet while that is cheap, and some at random. The
/// randomness comes from the bytes themselves, so that a finding repeats.
private func splits(of bytes: [UInt8]) -> [[Int]] {
    guard !bytes.isEmpty else { return [] }
    var result: [[Int]] = []
    if bytes.count <= 2048 { result.append(Array(1...bytes.count)) }
    var seed: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in bytes.prefix(64) { seed = (seed ^ UInt64(byte)) &* 0x100_0000_01B3 }
    for _ in 0..<2 {
        var ends: [Int] = []
        var end = 0
        while end < bytes.count {
            seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            end = min(end + 1 + Int(truncatingIfNeeded: (seed >> 33) % UInt64(max(bytes.count / 4, 2))), bytes.count)
            ends.append(end)
        }
        result.append(ends)
    }
    return result
}

private func copy(_ bytes: Span<UInt8>) -> [UInt8] { bytes.withUnsafeBytes { Array($0) } }

private func check(_ condition: Bool, _ message: @autoclosure () -> String, _ bytes: [UInt8]) {
    guard !condition else { return }
    // Not `precondition`: an optimised build would keep the message to itself.
    fatalError("\(message()): \(bytes.prefix(400))")
}
