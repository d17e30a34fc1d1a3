import CWMProxyShims
import Glibc

/// Every system call of the engine, once, each with its errno in the result.
///
/// In debug builds a test can make the next call of a kind fail: `fault` is asked first and returns the errno to force.
package enum System {
    #if DEBUG
    /// Asked before each call, on the thread that makes it; set before the engine starts.
    nonisolated(unsafe) package static var fault: (@Sendable (_ call: StaticString) -> Int32?)?
    #endif

    /// Runs a call that returns −1 on failure, again if a signal interrupted it.
    @inline(__always)
    private static func attempt(_ name: StaticString, _ call: () -> Int) -> Int {
        #if DEBUG
        if let code = fault?(name) {
            wmps_set_errno(code)
            return -1
        }
        #endif
        while true {
            let result = call()
            if result >= 0 || wmps_errno() != EINTR { return result }
        }
    }

    private static func checked(_ name: StaticString, _ call: () -> Int32) throws(SystemError) -> Int32 {
        let result = attempt(name) { Int(call()) }
        guard result >= 0 else { throw .last("\(name)") }
        return Int32(truncatingIfNeeded: result)
    }

    // MARK: Bytes

    /// What moving bytes came to.
    package enum Moved: Equatable {
        /// More than 0 of them.
        case bytes(Int)
        case wouldBlock
        /// The other side sends no more (reading only).
        case end
        case failed(Int32)
    }

    @inline(__always)
    package static func receive(_ fd: Int32, _ room: UnsafeMutableRawBufferPointer) -> Moved {
        let count = attempt("recv") { recv(fd, room.baseAddress, room.count, Int32(MSG_DONTWAIT)) }
        if count > 0 { return .bytes(count) }
        if count == 0 { return .end }
        return wmps_errno() == EAGAIN ? .wouldBlock : .failed(wmps_errno())
    }

    /// Looks at what has arrived without taking it.
    package static func peek(_ fd: Int32, _ room: UnsafeMutableRawBufferPointer) -> Moved {
        let flags = Int32(MSG_DONTWAIT) | Int32(MSG_PEEK)
        let count = attempt("recv") { recv(fd, room.baseAddress, room.count, flags) }
        if count > 0 { return .bytes(count) }
        if count == 0 { return .end }
        return wmps_errno() == EAGAIN ? .wouldBlock : .failed(wmps_errno())
    }

    @inline(__always)
    package static func send(_ fd: Int32, _ bytes: UnsafeRawBufferPointer) -> Moved {
        let flags = Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL)
        let count = attempt("send") { Glibc.send(fd, bytes.baseAddress, bytes.count, flags) }
        if count >= 0 { return .bytes(count) }
        return wmps_errno() == EAGAIN ? .wouldBlock : .failed(wmps_errno())
    }

    // MARK: Datagrams

    /// What moving a datagram came to.
    package enum DatagramMoved: Equatable {
        /// All of it, which may be nothing.
        case bytes(Int)
        case wouldBlock
        case failed(Int32)
    }

    /// The next datagram and its sender. What is longer than `room` is cut.
    @inline(__always)
    package static func receiveDatagram(
        _ fd: Int32, _ room: UnsafeMutableRawBufferPointer, from sender: inout SocketAddress
    ) -> DatagramMoved {
        moved(
            sender.fill { pointer, length in
                attempt("recvfrom") { recvfrom(fd, room.baseAddress, room.count, Int32(MSG_DONTWAIT), pointer, length) }
            })
    }

    /// As a whole or not at all; to where the socket is connected if `address` is nil.
    @inline(__always)
    package static func sendDatagram(_ fd: Int32, _ bytes: UnsafeRawBufferPointer, to address: SocketAddress?)
        -> DatagramMoved
    {
        let flags = Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL)
        guard let address else {
            return moved(attempt("sendto") { sendto(fd, bytes.baseAddress, bytes.count, flags, nil, 0) })
        }
        return moved(
            address.withSockAddr { pointer, length in
                attempt("sendto") { sendto(fd, bytes.baseAddress, bytes.count, flags, pointer, length) }
            })
    }

    private static func moved(_ count: Int) -> DatagramMoved {
        if count >= 0 { return .bytes(count) }
        return wmps_errno() == EAGAIN ? .wouldBlock : .failed(wmps_errno())
    }

    // MARK: Sockets

    package static func socket(_ family: Int32, datagrams: Bool = false) throws(SystemError) -> Int32 {
        let type = Int32((datagrams ? SOCK_DGRAM : SOCK_STREAM).rawValue)
        let kind = type | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        return try checked("socket") { Glibc.socket(family, kind, 0) }
    }

    /// Few descriptors are left beside `fd`, the one just opened: the system gives the lowest number that is free. What
    /// can be done without should be closed again.
    package static func isScarce(_ fd: Int32) -> Bool { fd >= wmps_scarce_descriptor() }

    /// Bytes that a TCP socket has taken and the peer has not acknowledged (tcp(7), SIOCOUTQ).
    static func unacknowledged(_ fd: Int32) -> Int { Int(wmps_unacknowledged(fd)) }

    package static func bind(_ fd: Int32, _ address: SocketAddress) throws(SystemError) {
        _ = try address.withSockAddr { pointer, length throws(SystemError) in
            try checked("bind") { Glibc.bind(fd, pointer, length) }
        }
    }

    package static func listen(_ fd: Int32) throws(SystemError) {
        _ = try checked("listen") { Glibc.listen(fd, 4096) }
    }

    /// Begins to connect; done or failed when the socket becomes writable.
    package static func connect(_ fd: Int32, _ address: SocketAddress) throws(SystemError) {
        do {
            _ = try address.withSockAddr { pointer, length throws(SystemError) in
                try checked("connect") { Glibc.connect(fd, pointer, length) }
            }
        } catch  where error.code == EINPROGRESS {}
    }

    /// nil: nobody is waiting.
    package static func accept(_ fd: Int32) throws(SystemError) -> (fd: Int32, peer: SocketAddress)? {
        var peer = SocketAddress.unspecified
        let accepted = peer.fill { pointer, length in attempt("accept") { Int(wmps_accept(fd, pointer, length)) } }
        guard accepted >= 0 else {
            // ECONNABORTED and the network's errors belong to the one who left (accept(2)).
            if [EAGAIN, ECONNABORTED, EPROTO, ENETDOWN, EHOSTUNREACH, ENETUNREACH].contains(wmps_errno()) {
                return nil
            }
            throw .last("accept")
        }
        return (Int32(truncatingIfNeeded: accepted), peer)
    }

    package static func localAddress(_ fd: Int32) throws(SystemError) -> SocketAddress {
        var address = SocketAddress.unspecified
        guard address.fill({ pointer, length in attempt("getsockname") { Int(getsockname(fd, pointer, length)) } }) >= 0
        else { throw .last("getsockname") }
        return address
    }

    static func peerAddress(_ fd: Int32) throws(SystemError) -> SocketAddress {
        var address = SocketAddress.unspecified
        guard address.fill({ pointer, length in attempt("getpeername") { Int(getpeername(fd, pointer, length)) } }) >= 0
        else { throw .last("getpeername") }
        return address
    }

    package static func setOption(_ fd: Int32, _ level: Int32, _ name: Int32, _ value: Int32) {
        var value = value
        // An option is an improvement, never a condition: a socket without it still works.
        _ = setsockopt(fd, level, name, &value, socklen_t(MemoryLayout<Int32>.size))
    }

    /// The error a connect ended with, or 0.
    package static func pendingError(_ fd: Int32) -> Int32 {
        var code: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        guard getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &length) == 0 else { return wmps_errno() }
        return code
    }

    /// No more is sent; reading goes on.
    package static func shutdownWriting(_ fd: Int32) {
        _ = shutdown(fd, Int32(SHUT_WR))
    }

    /// The next close sends a reset instead of an end.
    static func resetOnClose(_ fd: Int32) { linger(fd, isOn: true) }

    /// The next close sends an end, behind all that was sent.
    package static func endOnClose(_ fd: Int32) { linger(fd, isOn: false) }

    private static func linger(_ fd: Int32, isOn: Bool) {
        var option = Glibc.linger(l_onoff: isOn ? 1 : 0, l_linger: 0)
        _ = setsockopt(fd, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<Glibc.linger>.size))
    }

    package static func close(_ fd: Int32) {
        // Linux closes even when it reports EINTR: never twice.
        _ = Glibc.close(fd)
    }

    /// Gives memory that is not in use back to the system, as malloc_trim(3) does it where there is one.
    package static func trimMemory() { wmps_trim_memory() }

    // MARK: Waiting

    package static func epollCreate() throws(SystemError) -> Int32 {
        try checked("epoll_create1") { wmps_epoll_create() }
    }

    package static func epollAdd(_ epoll: Int32, _ fd: Int32, token: UInt64, level: Bool) throws(SystemError) {
        _ = try checked("epoll_ctl") {
            level ? wmps_epoll_add_level(epoll, fd, token) : wmps_epoll_add(epoll, fd, token)
        }
    }

    package static func epollRemove(_ epoll: Int32, _ fd: Int32) {
        _ = wmps_epoll_remove(epoll, fd)
    }

    package static func eventDescriptor() throws(SystemError) -> Int32 {
        try checked("eventfd") { wmps_eventfd() }
    }

    /// Makes an event descriptor readable.
    package static func signal(_ fd: Int32) {
        var one: UInt64 = 1
        _ = attempt("write") { write(fd, &one, 8) }
    }

    /// Makes an event descriptor unreadable again.
    package static func drain(_ fd: Int32) {
        var count: UInt64 = 0
        _ = attempt("read") { read(fd, &count, 8) }
    }

    // MARK: Files

    /// The whole of a file of at most `limit` bytes.
    package static func readFile(_ path: String, limit: Int) throws(SystemError) -> [UInt8] {
        let fd = try checked("open") { wmps_open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) }
        defer { close(fd) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 * 1024)
        while true {
            let size = chunk.count
            let count = attempt("read") { read(fd, &chunk, size) }
            guard count >= 0 else { throw .last("read") }
            if count == 0 { return bytes }
            bytes.append(contentsOf: chunk.prefix(count))
            guard bytes.count <= limit else { throw SystemError("read", EFBIG) }
        }
    }
}
