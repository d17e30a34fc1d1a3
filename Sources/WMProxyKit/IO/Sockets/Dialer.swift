import Glibc

/// Makes one outgoing connection: resolves, then tries one address after the other within one deadline.
///
/// Confined to its loop. `cancel` may be called at any time; after it, nothing is heard any more.
package final class Dialer: ConnectionHandler {
    private let loop: Loop
    private let host: String
    private var timer: Timer?
    private var addresses: [SocketAddress] = []
    /// How many of them have been tried.
    private var tried = 0
    private var current: Connection?
    private var done: ((Result<Connection, ConnectionError>) -> Void)?
    private let tls: TLSContext?

    /// Begins to connect; `done` is called once, on `loop`, later or before this returns. The connection has no handler
    /// yet.
    package init(
        _ host: String, _ port: UInt16, on loop: Loop, resolver: Resolver, timeout: Int,
        tls: TLSContext? = nil,
        done: @escaping (Result<Connection, ConnectionError>) -> Void
    ) {
        self.loop = loop
        self.host = host
        self.tls = tls
        self.done = done
        // The circle ends with `finish`, `cancel` or the loop. A weak reference would make every retain and release of
        // the dialer a slow one.
        timer = Timer(on: loop) { [self] in finish(.failure(.timedOut)) }
        timer?.set(after: timeout)
        resolver.resolve(host, port: port, on: loop) { [self] result in
            switch result {
            case .success(let addresses):
                self.addresses = addresses
                tryNext(after: nil)
            case .failure(let error): finish(.failure(error))
            }
        }
    }

    /// `error` is why the one before failed.
    private func tryNext(after error: ConnectionError?) {
        guard done != nil else { return }
        guard tried < addresses.count else {
            return finish(.failure(error ?? .resolve("'\(host)' has no address")))
        }
        let address = addresses[tried]
        tried += 1
        do throws(SystemError) {
            let fd = try System.socket(address.family)
            let connection = Connection(fd, on: loop, connecting: true)
            current = connection
            try System.connect(fd, address)
            if let tls {
                do throws(TLSError) { try connection.startTLS(tls) } catch {
                    return finish(.failure(.tls(error)))
                }
            }
            try connection.start(self)
        } catch {
            current?.close()
            current = nil
            tryNext(after: .system(error))
        }
    }

    package func connectionOpened() {
        guard let connection = current else { return }
        current = nil
        connection.handler = nil
        finish(.success(connection))
    }

    package func connectionFailed(_ error: ConnectionError) {
        current = nil
        // A certificate that is wrong at one address is no better at the next.
        if case .tls = error { return finish(.failure(error)) }
        tryNext(after: error)
    }

    package func connectionReadable() {}
    package func connectionWritable() {}

    private func finish(_ result: Result<Connection, ConnectionError>) {
        guard let done else { return }
        self.done = nil
        timer?.cancel()
        current?.close()
        current = nil
        done(result)
    }

    package func cancel() {
        done = nil
        timer?.cancel()
        // Nobody wants it any more, which is no proper end either.
        current?.reset()
        current = nil
    }
}
