import Glibc

/// A listening TCP socket on one loop.
///
/// @unchecked Sendable: confined to its loop, but for `address`, which never changes.
package final class Listener: Pollable, @unchecked Sendable {
    /// Where it listens, with the port that 0 became.
    package let address: SocketAddress
    private let fd: Int32
    private let loop: Loop
    private var onAccept: ((Int32, SocketAddress) -> Void)?
    private var onExhausted: ((SystemError) -> Void)?
    private var pause: Timer?
    private var isOpen = true

    /// Binds and listens; nothing is accepted before `start`. Any thread.
    package init(_ address: SocketAddress, on loop: Loop) throws(SystemError) {
        self.loop = loop
        fd = try System.socket(address.family)
        do throws(SystemError) {
            System.setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1)
            if address.family == AF_INET6, address.host != "::" {
                System.setOption(fd, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 1)
            }
            Connection.setOptions(fd)
            // A visitor may be silent for as long as it likes, but not gone for good unnoticed.
            System.setOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1)
            System.setOption(fd, Int32(IPPROTO_TCP), TCP_KEEPIDLE, 60)
            System.setOption(fd, Int32(IPPROTO_TCP), TCP_KEEPINTVL, 15)
            System.setOption(fd, Int32(IPPROTO_TCP), TCP_KEEPCNT, 4)
            try System.bind(fd, address)
            try System.listen(fd)
            self.address = try System.localAddress(fd)
        } catch {
            System.close(fd)
            throw error
        }
    }

    deinit { if isOpen { System.close(fd) } }

    /// See `System.isScarce`.
    package var isScarce: Bool { System.isScarce(fd) }

    /// Hands each accepted descriptor to `onAccept`, which owns it. `onExhausted` hears, at most once a second, that
    /// none could be had.
    package func start(onAccept: @escaping (Int32, SocketAddress) -> Void, onExhausted: @escaping (SystemError) -> Void)
        throws(SystemError)
    {
        self.onAccept = onAccept
        self.onExhausted = onExhausted
        try loop.watch(fd, self, level: true)
    }

    package func ready(_ readiness: Readiness) {
        // Some at a time: a flood of visitors must not keep those inside waiting.
        for _ in 0..<64 {
            do throws(SystemError) {
                guard let (accepted, peer) = try System.accept(fd) else { return }
                onAccept?(accepted, peer)
            } catch {
                onExhausted?(error)
                rest()
                return
            }
        }
    }

    /// Out of descriptors or memory: the visitors wait in the backlog, and the loop does not spin.
    private func rest() {
        loop.unwatch(fd)
        let timer = pause ?? Timer(on: loop) { [weak self] in self?.resume() }
        pause = timer
        timer.set(after: 200)
    }

    private func resume() {
        guard isOpen else { return }
        do throws(SystemError) { try loop.watch(fd, self, level: true) } catch { rest() }
    }

    /// Closes at once; waiting visitors are reset.
    package func close() {
        guard isOpen else { return }
        isOpen = false
        pause?.cancel()
        loop.unwatch(fd)
        System.close(fd)
        onAccept = nil
        onExhausted = nil
    }

    package func loopEnded() { close() }
}
