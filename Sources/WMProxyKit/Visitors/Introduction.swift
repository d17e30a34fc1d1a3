import WMPIO
import WMPWire

/// A connection of a trusted proxy until its PROXY header has come, which says for whom it speaks.
///
/// Confined to its shard's loop, which has it in its table as long.
final class Introduction: ConnectionHandler {
    private let connection: Connection
    private let peer: SocketAddress
    private unowned let shard: ServerShard
    private let done: (Result<SocketAddress, Failure>, Introduction) -> Void
    private var timer: Timer?
    private var isOver = false

    /// Why there is nobody to speak for.
    struct Failure: Error {
        let reason: String
    }

    /// `done` hears once who the visitor is, or why that is not known; the connection is then the hearer's, without a
    /// handler, and reports nothing until it is started.
    init(
        _ connection: Connection, peer: SocketAddress, shard: ServerShard,
        done: @escaping (Result<SocketAddress, Failure>, Introduction) -> Void
    ) {
        (self.connection, self.peer, self.shard, self.done) = (connection, peer, shard, done)
    }

    func start() throws(SystemError) {
        let timer = Timer(on: shard.loop) { [self] in end("no PROXY header in time") }
        self.timer = timer
        timer.set(after: shard.policy.options.timeouts.login)
        try connection.start(self)
    }

    func connectionReadable() {
        guard !isOver else { return }
        let room = UnsafeMutableRawBufferPointer(rebasing: shard.loop.scratch[..<ProxyHeaderReader.maximumLength])
        switch connection.peek(into: room) {
        case .bytes(let count): read(UnsafeRawBufferPointer(rebasing: room[..<count]))
        case .wouldBlock: break
        case .end: end("closed before its PROXY header")
        case .failed(let error): end("\(error)")
        }
    }

    private func read(_ bytes: UnsafeRawBufferPointer) {
        do throws(PrologueViolation) {
            guard let header = try ProxyHeaderReader.read(Span<UInt8>(_unsafeBytes: bytes)) else { return }
            let room = UnsafeMutableRawBufferPointer(rebasing: shard.loop.scratch[..<header.length])
            guard case .bytes(header.length) = connection.read(into: room) else {
                return end("its PROXY header is cut")
            }
            finish(.success(header.ends.map { SocketAddress($0.source) } ?? peer))
        } catch { end("\(error.reason)") }
    }

    func connectionOpened() {}
    func connectionFailed(_ error: ConnectionError) { end("\(error)") }
    func connectionWritable() {}

    func end(_ reason: String) { finish(.failure(Failure(reason: reason))) }

    private func finish(_ result: Result<SocketAddress, Failure>) {
        guard !isOver else { return }
        isOver = true
        timer?.cancel()
        connection.handler = nil
        connection.leave()
        done(result, self)
    }
}
