import Glibc

/// Who a datagram socket tells what happened to it, on its loop.
package protocol DatagramHandler: AnyObject {
    /// A datagram, which may be empty, borrowed for the call: it stands in the loop's scratch, where the next reading
    /// of whatever lives on the loop goes. `sender` is nil if the socket is connected.
    func datagramReceived(_ bytes: UnsafeRawBufferPointer, from sender: SocketAddress?)
    /// What was sent could not be delivered, as the network said (ECONNREFUSED: nobody listens there), or reading
    /// failed. The socket stays open, and may do better next time.
    func datagramFailed(_ error: SystemError)
}

/// A UDP socket on one loop: bound to an address, for visitors who come from anywhere, or connected to one.
///
/// Nothing waits here: what is not read waits in the kernel, which drops what it has no room for; what cannot be sent
/// is dropped.
/// @unchecked Sendable: confined to its loop, but for `address`, which never changes.
package final class DatagramSocket: Pollable, @unchecked Sendable {
    /// Its own address, with the port that 0 became.
    package let address: SocketAddress
    private let fd: Int32
    private let loop: Loop
    private let isConnected: Bool
    private var handler: (any DatagramHandler)?
    private var isOpen = true
    /// Reading goes on in the next turn.
    private var isReadingLater = false
    /// Filled by each reading: kept for its memory, which is not small.
    private var sender = SocketAddress.unspecified

    /// What is read in one turn: a flood of datagrams must not keep the others of the loop waiting.
    private static let budget = 64

    /// Room for a burst of all visitors while the loop is busy; the system may allow less. A connected socket, of which
    /// there is one per visitor, has what the system gives everybody.
    private static let receiveBuffer: Int32 = 1024 * 1024

    /// Takes datagrams from anybody at `address`; nothing is read before `start`. Any thread.
    package convenience init(bound address: SocketAddress, on loop: Loop) throws(SystemError) {
        try self.init(address.family, on: loop, isConnected: false) { fd throws(SystemError) in
            System.setOption(fd, SOL_SOCKET, SO_RCVBUF, Self.receiveBuffer)
            if address.family == AF_INET6, address.host != "::" {
                System.setOption(fd, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 1)
            }
            // Without SO_REUSEADDR, which for UDP means that another may take the port over while this one has it.
            try System.bind(fd, address)
        }
    }

    /// Sends to `peer` and takes datagrams from there alone; nothing is read before `start`. Any thread.
    package convenience init(connectedTo peer: SocketAddress, on loop: Loop) throws(SystemError) {
        try self.init(peer.family, on: loop, isConnected: true) { fd throws(SystemError) in
            try System.connect(fd, peer)
        }
    }

    private init(
        _ family: Int32, on loop: Loop, isConnected: Bool, prepare: (Int32) throws(SystemError) -> Void
    ) throws(SystemError) {
        self.loop = loop
        self.isConnected = isConnected
        fd = try System.socket(family, datagrams: true)
        // There may be one for each visitor: the last descriptors are for others.
        guard !System.isScarce(fd) else {
            System.close(fd)
            throw SystemError("socket", EMFILE)
        }
        do throws(SystemError) {
            try prepare(fd)
            address = try System.localAddress(fd)
        } catch {
            System.close(fd)
            throw error
        }
    }

    private init(_ fd: Int32, like other: DatagramSocket, on loop: Loop) {
        (self.fd, self.loop, address, isConnected) = (fd, loop, other.address, other.isConnected)
    }

    deinit { if isOpen { System.close(fd) } }

    package var isClosed: Bool { !isOpen }

    /// Begins to report to `handler`, what has come meanwhile first. Keeps it until `close`.
    package func start(_ handler: any DatagramHandler) throws(SystemError) {
        try loop.watch(fd, self)
        self.handler = handler
    }

    /// The same socket on another loop, whose thread goes on with it; this object is done. What comes meanwhile waits
    /// in the kernel.
    package func moved(to loop: Loop) -> DatagramSocket {
        guard isOpen else { return self }
        isOpen = false
        if handler != nil { self.loop.unwatch(fd) }
        handler = nil
        return DatagramSocket(fd, like: self, on: loop)
    }

    // MARK: Reading

    package func ready(_ readiness: Readiness) {
        guard !isReadingLater, !readiness.isDisjoint(with: [.readable, .failed, .hangup]) else { return }
        receive()
    }

    private func receive() {
        var failures = 0
        for _ in 0..<Self.budget {
            guard isOpen, let handler else { return }
            switch System.receiveDatagram(fd, loop.scratch, from: &sender) {
            case .bytes(let count):
                let bytes = UnsafeRawBufferPointer(rebasing: loop.scratch[..<count])
                handler.datagramReceived(bytes, from: isConnected ? nil : sender)
            case .wouldBlock: return
            case .failed(let code):
                handler.datagramFailed(SystemError("recvfrom", code))
                // What the network said is told once, and datagrams may stand behind it. What fails again is the
                // system's trouble: the next datagram to come is reason enough to try again.
                failures += 1
                if failures > 1 { return }
            }
        }
        // There may be more, and no new edge tells of it.
        isReadingLater = true
        loop.later { [weak self] in
            guard let self else { return }
            isReadingLater = false
            receive()
        }
    }

    // MARK: Sending

    /// What sending came to.
    package enum Sent: Equatable {
        /// On its way, which says nothing about its arrival.
        case sent
        /// Dropped: the kernel has no room. There is no word when it has again.
        case wouldBlock
        /// Dropped: too large (EMSGSIZE), no way there, or what the network said about an earlier one (ECONNREFUSED).
        /// The socket stays open.
        case failed(SystemError)
    }

    /// Sends one datagram of at most 65,507 bytes; `address` is nil if the socket is connected.
    package func send(_ bytes: UnsafeRawBufferPointer, to address: SocketAddress? = nil) -> Sent {
        guard isOpen else { return .failed(SystemError("sendto", EBADF)) }
        return switch System.sendDatagram(fd, bytes, to: address) {
        case .bytes: .sent
        // The network device's queue is as full as the socket's own would be.
        case .wouldBlock, .failed(ENOBUFS): .wouldBlock
        case .failed(let code): .failed(SystemError("sendto", code))
        }
    }

    // MARK: Ending

    /// Closes at once: what has come and was not read is lost, what was sent is on its way.
    package func close() {
        guard isOpen else { return }
        isOpen = false
        if handler != nil { loop.unwatch(fd) }
        handler = nil
        System.close(fd)
    }

    package func loopEnded() { close() }
}
