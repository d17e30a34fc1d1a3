import Glibc
import WMPWire

/// Why a connection could not be made, or ended.
package enum ConnectionError: Error, Equatable, Sendable, CustomStringConvertible {
    case system(SystemError)
    case tls(TLSError)
    case resolve(String)
    case timedOut
    /// TCP ended inside TLS: bytes may be missing.
    case truncated
    /// TCP ended before TLS began.
    case closedInHandshake

    package var description: String {
        switch self {
        case .system(let error): error.text
        case .tls(let error): error.description
        case .resolve(let text): text
        case .timedOut: "no answer in time"
        case .truncated: "the connection was cut off"
        case .closedInHandshake: "the other side closed the connection during the TLS handshake"
        }
    }
}

/// Who a connection tells what happened to it, on its loop.
package protocol ConnectionHandler: AnyObject {
    /// Connected, and the TLS handshake is done.
    func connectionOpened()
    /// It could not be opened. It is closed already.
    func connectionFailed(_ error: ConnectionError)
    /// There may be something to read: read until `.wouldBlock`, or come back by yourself.
    func connectionReadable()
    /// `write` took less than all before; now it takes more.
    func connectionWritable()
}

/// A TCP connection, with or without TLS, on one loop.
///
/// @unchecked Sendable: confined to its loop; `leave` and `arrive` hand it to another when nothing is in progress.
package final class Connection: Pollable, @unchecked Sendable {
    private enum State { case connecting, handshaking, open, closed }

    package let fd: Int32
    package private(set) var loop: Loop
    package var handler: (any ConnectionHandler)?
    private var state: State
    private var tls: TLSSession?
    /// Ciphertext the socket has not taken. Plaintext never waits here.
    private var sealed = ByteBuffer()
    /// The socket has not said that it is empty.
    private var mayRead = true
    private var mayWrite = true
    /// The peer's end is in sight, or an urgent mark: a short read does not mean that no more is there.
    private var readsToTheEnd = false
    /// The peer has reset the connection, or it broke: known before anybody reads, who may be waiting for credit.
    package private(set) var hasFailed = false
    private var wantsEnd = false

    /// Takes over `fd`, accepted by a `Listener`, which has set its options; or `connecting`: a connect is in progress.
    package init(_ fd: Int32, on loop: Loop, connecting: Bool = false) {
        self.fd = fd
        self.loop = loop
        state = connecting ? .connecting : .open
        if connecting { Self.setOptions(fd) }
    }

    /// What a connection's socket is set to. A listener's too: on Linux the sockets it accepts inherit it.
    static func setOptions(_ fd: Int32) {
        // Whatever closes it but `close`, the death of the process above all, is no proper end: the peer sees a reset.
        System.resetOnClose(fd)
        System.setOption(fd, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        // Urgent data stays where it was sent: the tunnel carries one stream of bytes.
        System.setOption(fd, SOL_SOCKET, SO_OOBINLINE, 1)
        // Bytes in the kernel that the network has not taken: enough for a long fast path, and no more.
        System.setOption(fd, Int32(IPPROTO_TCP), TCP_NOTSENT_LOWAT, 256 * 1024)
    }

    deinit { if state != .closed { System.close(fd) } }

    package var isClosed: Bool { state == .closed }
    package var isSecure: Bool { tls != nil }
    /// See `TLSSession.channelBinding`.
    package var channelBinding: [UInt8]? { tls?.channelBinding }
    /// See `TLSSession.peerName`.
    package var peerName: String? { tls?.peerName }
    /// The host name that the peer, a client, asked for in its TLS hello (RFC 6066 §3); nil if none.
    package var serverName: String? { tls?.serverName }

    /// Bytes that the socket has taken and the peer's has not. A system call.
    package var unacknowledged: Int { state == .closed ? 0 : System.unacknowledged(fd) }

    /// The other end; nil if the system cannot tell. A system call.
    package var peerAddress: SocketAddress? { try? System.peerAddress(fd) }

    /// Begins to report to `handler`.
    package func start(_ handler: any ConnectionHandler) throws(SystemError) {
        self.handler = handler
        try loop.watch(fd, self)
    }

    /// Speaks TLS from here on; `connectionOpened` follows.
    package func startTLS(_ context: TLSContext) throws(TLSError) {
        tls = try TLSSession(context)
        if state == .open {
            state = .handshaking
            continueHandshake()
        }
    }

    /// Leaves its loop: nothing is reported until `arrive`.
    package func leave() { loop.unwatch(fd) }

    /// Goes on, on `loop`, whose thread calls this.
    package func arrive(on loop: Loop) throws(SystemError) {
        self.loop = loop
        mayRead = true
        // What waits goes out with the first word from the new loop.
        mayWrite = sealed.isEmpty
        try loop.watch(fd, self)
    }

    // MARK: Readiness

    package func ready(_ readiness: Readiness) {
        switch state {
        case .connecting:
            // A failure is reported as one (tcp_poll): no need to ask after a mere writable.
            let isBad = !readiness.isDisjoint(with: [.failed, .hangup])
            let code = isBad ? System.pendingError(fd) : 0
            if code != 0 {
                fail(.system(SystemError("connect", code)))
            } else if tls != nil {
                state = .handshaking
                continueHandshake()
            } else {
                state = .open
                noteReadable(readiness)
                handler?.connectionOpened()
                if state == .open, !readiness.isDisjoint(with: [.readable, .halfClosed]) {
                    handler?.connectionReadable()
                }
            }
        case .handshaking:
            noteReadable(readiness)
            if readiness.contains(.writable) { mayWrite = true }
            continueHandshake()
        case .open:
            if readiness.contains(.writable), !mayWrite {
                mayWrite = true
                flushSealed()
                if sealed.isEmpty { handler?.connectionWritable() }
            }
            guard state == .open, !readiness.isDisjoint(with: [.readable, .halfClosed, .hangup, .failed, .urgent])
            else {
                return
            }
            noteReadable(readiness)
            handler?.connectionReadable()
        case .closed: break
        }
    }

    private func noteReadable(_ readiness: Readiness) {
        if readiness.contains(.failed) { hasFailed = true }
        if !readiness.isDisjoint(with: [.halfClosed, .hangup, .failed, .urgent]) { readsToTheEnd = true }
        if readsToTheEnd || readiness.contains(.readable) { mayRead = true }
    }

    /// Receives what is there. A short read has emptied the socket (epoll(7)): what comes later is a new edge.
    @inline(__always)
    private func receive(into room: UnsafeMutableRawBufferPointer) -> System.Moved {
        let moved = System.receive(fd, room)
        switch moved {
        case .bytes(let count): if count < room.count, !readsToTheEnd { mayRead = false }
        case .wouldBlock: mayRead = false
        case .end, .failed: break
        }
        return moved
    }

    private func continueHandshake() {
        guard let tls else { return }
        while state == .handshaking {
            tls.beginOutput(loop.sealedOutput)
            let step = tls.handshake()
            tls.keepRest(fromStash: false)
            if case .failed(let error) = step {
                // The alert that explains it goes out if it can.
                takeOutput(tls)
                return fail(.tls(error))
            }
            takeOutput(tls)
            switch step {
            case .done:
                state = .open
                handler?.connectionOpened()
                if state == .open, mayRead || tls.hasBuffered { handler?.connectionReadable() }
                return
            case .wantsInput:
                if tls.feedStash() {
                    tls.beginOutput(loop.sealedOutput)
                    let again = tls.handshake()
                    tls.keepRest(fromStash: true)
                    takeOutput(tls)
                    if case .failed(let error) = again { return fail(.tls(error)) }
                    if case .done = again { continue }
                }
                guard mayRead else { return }
                switch receive(into: loop.sealed) {
                case .bytes(let count): tls.feed(UnsafeRawBufferPointer(rebasing: loop.sealed[..<count]))
                case .wouldBlock: return
                case .end: return fail(.closedInHandshake)
                case .failed(let code): return fail(.system(SystemError("recv", code)))
                }
            case .end, .failed: return fail(.truncated)
            }
        }
    }

    private func fail(_ error: ConnectionError) {
        let handler = handler
        close()
        handler?.connectionFailed(error)
    }

    // MARK: Reading

    /// What a read came to.
    package enum ReadResult: Equatable {
        case bytes(Int)
        /// Nothing now; `connectionReadable` follows.
        case wouldBlock
        /// The peer sends no more, and said so.
        case end
        case failed(ConnectionError)
    }

    /// Reads into `room`, which is at least 1 byte long.
    @inline(__always)
    package func read(into room: UnsafeMutableRawBufferPointer) -> ReadResult {
        guard let tls else {
            guard state == .open, mayRead else { return .wouldBlock }
            switch receive(into: room) {
            case .bytes(let count): return .bytes(count)
            case .wouldBlock: return .wouldBlock
            case .end: return .end
            case .failed(let code): return .failed(.system(SystemError("recv", code)))
            }
        }
        return readSealed(tls, into: room)
    }

    private func readSealed(_ tls: TLSSession, into room: UnsafeMutableRawBufferPointer) -> ReadResult {
        guard state == .open else { return .wouldBlock }
        var total = 0
        var fromStash = tls.feedStash()
        tls.noteUse(at: loop.now)
        tls.beginOutput(loop.sealedOutput)
        defer {
            tls.keepRest(fromStash: fromStash)
            takeOutput(tls)
        }
        while total < room.count {
            if tls.needsInput {
                if total > 0 { return .bytes(total) }
                tls.keepRest(fromStash: fromStash)
                fromStash = false
                guard mayRead else { return .wouldBlock }
                switch receive(into: loop.sealed) {
                case .bytes(let count): tls.feed(UnsafeRawBufferPointer(rebasing: loop.sealed[..<count]))
                case .wouldBlock: return .wouldBlock
                case .end: return .failed(.truncated)
                case .failed(let code): return .failed(.system(SystemError("recv", code)))
                }
            }
            switch tls.read(into: UnsafeMutableRawBufferPointer(rebasing: room[total...])) {
            case .done(let count): total += count
            case .wantsInput: guard tls.needsInput else { return total > 0 ? .bytes(total) : .wouldBlock }
            case .end: return total > 0 ? .bytes(total) : .end
            case .failed(let error): return total > 0 ? .bytes(total) : .failed(.tls(error))
            }
        }
        return .bytes(total)
    }

    /// Looks at the first bytes without taking them; before TLS only.
    package func peek(into room: UnsafeMutableRawBufferPointer) -> ReadResult {
        switch System.peek(fd, room) {
        case .bytes(let count): return .bytes(count)
        case .wouldBlock: return .wouldBlock
        case .end: return .end
        case .failed(let code): return .failed(.system(SystemError("recv", code)))
        }
    }

    // MARK: Writing

    /// What a write came to: how much of the bytes is taken. Less than all: `connectionWritable` follows.
    package enum WriteResult: Equatable {
        case taken(Int)
        case failed(ConnectionError)
    }

    package func write(_ bytes: UnsafeRawBufferPointer) -> WriteResult {
        guard state == .open, mayWrite, sealed.isEmpty, bytes.count > 0 else { return .taken(0) }
        guard let tls else {
            var taken = 0
            while taken < bytes.count {
                switch System.send(fd, UnsafeRawBufferPointer(rebasing: bytes[taken...])) {
                case .bytes(let count): taken += count
                case .wouldBlock:
                    mayWrite = false
                    return .taken(taken)
                case .end: return .taken(taken)
                case .failed(let code): return .failed(.system(SystemError("send", code)))
                }
            }
            return .taken(taken)
        }
        var taken = 0
        tls.noteUse(at: loop.now)
        while taken < bytes.count, sealed.isEmpty, state == .open {
            tls.beginOutput(loop.sealedOutput)
            switch tls.write(UnsafeRawBufferPointer(rebasing: bytes[taken...])) {
            case .done(let count):
                taken += count
                takeOutput(tls)
                if count == 0 { return .taken(taken) }
            case .failed(let error): return .failed(.tls(error))
            case .wantsInput, .end: return .taken(taken)
            }
        }
        return .taken(taken)
    }

    /// Sends the ciphertext that the calls into libssl produced; keeps what the socket does not take.
    private func takeOutput(_ tls: TLSSession) {
        let count = tls.outputCount
        guard count > 0 else { return }
        let output = UnsafeRawBufferPointer(rebasing: loop.sealedOutput[..<count])
        tls.beginOutput(loop.sealedOutput)
        guard sealed.isEmpty, mayWrite else {
            sealed.append(output)
            return
        }
        switch System.send(fd, output) {
        case .bytes(let sent) where sent == count: break
        case .bytes(let sent):
            sealed.append(UnsafeRawBufferPointer(rebasing: output[sent...]))
            flushSealed()
        case .wouldBlock:
            mayWrite = false
            sealed.append(output)
        case .end, .failed: break  // The next read says what happened.
        }
    }

    private func flushSealed() {
        while !sealed.isEmpty, mayWrite {
            switch System.send(fd, sealed.readable) {
            case .bytes(let count): sealed.consume(count)
            case .wouldBlock: mayWrite = false
            case .end, .failed:
                sealed.consume(sealed.count)
                return
            }
        }
        guard sealed.isEmpty else { return }
        sealed.releaseIfEmpty()
        if wantsEnd { System.shutdownWriting(fd) }
    }

    // MARK: Ending

    /// Sends no more; reading goes on.
    package func shutdownWriting() {
        guard state == .open, !wantsEnd else { return }
        wantsEnd = true
        if let tls {
            tls.beginOutput(loop.sealedOutput)
            tls.sendEnd()
            takeOutput(tls)
        }
        if sealed.isEmpty { System.shutdownWriting(fd) }
    }

    /// Closes at once. What the kernel has taken is still delivered, unless the peer has sent what nobody read.
    package func close() {
        guard state != .closed else { return }
        System.endOnClose(fd)
        reset()
    }

    package func loopEnded() { reset() }

    /// Closes so that the peer sees a reset: its bytes did not all arrive.
    package func reset() {
        guard state != .closed else { return }
        state = .closed
        loop.unwatch(fd)
        System.close(fd)
        handler = nil
        tls = nil
    }

    /// Sends the end, then waits for the peer's, at most a second and 64 KiB, so that it reads what was sent before
    /// a reset could overtake it (RFC 9112 §9.6).
    package func closeLingering() {
        guard state == .open else { return close() }
        shutdownWriting()
        let linger = Linger(self)
        handler = linger
        // Later: the caller may be inside a reading that uses the same scratch.
        loop.later { linger.connectionReadable() }
    }
}

/// Reads and forgets until the peer is done.
private final class Linger: ConnectionHandler {
    private let connection: Connection
    private var budget = 64 * 1024
    private var timer: Timer?

    init(_ connection: Connection) {
        self.connection = connection
        timer = Timer(on: connection.loop) { [weak connection] in connection?.close() }
        timer?.set(after: 1000)
    }

    func connectionOpened() {}
    func connectionFailed(_ error: ConnectionError) {}
    func connectionWritable() {}

    func connectionReadable() {
        while budget > 0 {
            switch connection.read(into: connection.loop.scratch) {
            case .bytes(let count): budget -= count
            case .wouldBlock: return
            case .end, .failed: budget = 0
            }
        }
        timer?.cancel()
        connection.close()
    }
}
