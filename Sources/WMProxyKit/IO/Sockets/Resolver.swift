import CWMProxyShims
import Glibc

/// Host names to addresses, on a thread of its own, since getaddrinfo blocks; and other work that takes too long for a
/// loop.
///
/// The thread starts with the first name and serves one at a time. @unchecked Sendable: the queue is locked.
package final class Resolver: @unchecked Sendable {
    private struct Question: @unchecked Sendable {
        let host: String
        let port: UInt16
        let answer: (Result<[SocketAddress], ConnectionError>) -> Void
        let loop: Loop
    }

    private let monitor = Monitor()
    private enum Job {
        case question(Question)
        case work(() -> Void)
    }

    private var jobs: [Job] = []
    private var isStopping = false
    private var thread: OpaquePointer?

    package init() {}

    /// Looks `host` up and hands the addresses to `answer` on `loop`, in the order to try them. Numeric hosts are
    /// answered at once.
    package func resolve(
        _ host: String, port: UInt16, on loop: Loop,
        answer: @escaping (Result<[SocketAddress], ConnectionError>) -> Void
    ) {
        if let known = Self.known(host, port) { return answer(.success(known)) }
        let code = enqueue(.question(Question(host: host, port: port, answer: answer, loop: loop)))
        if code != 0 { answer(.failure(.system(SystemError("pthread_create", code)))) }
    }

    /// Does `work` on the resolver's thread, and hands its result to `done` on `loop`; nil if there is no thread to be
    /// had.
    package func perform<Result>(
        on loop: Loop, _ work: @escaping @Sendable () -> Result?, _ done: @escaping (Result?) -> Void
    ) {
        nonisolated(unsafe) let done = done
        let code = enqueue(
            .work {
                nonisolated(unsafe) let result = work()
                loop.submit { done(result) }
            })
        if code != 0 { done(nil) }
    }

    /// 0, or why there is no thread.
    private func enqueue(_ job: Job) -> Int32 {
        monitor.locked {
            jobs.append(job)
            monitor.signal()
            guard thread == nil else { return 0 }
            let context = Unmanaged.passRetained(self)
            let code = wmps_thread_start(
                "wmp-resolver",
                { context in
                    guard let context else { return }
                    Unmanaged<Resolver>.fromOpaque(context).takeRetainedValue().run()
                }, context.toOpaque(), &thread)
            if code != 0 {
                context.release()
                jobs.removeLast()
            }
            return code
        }
    }

    private func run() {
        while true {
            let next: Job? = monitor.locked {
                while jobs.isEmpty, !isStopping { _ = monitor.wait(until: nil) }
                return isStopping ? nil : jobs.removeFirst()
            }
            switch next {
            case .question(let question): answer(question)
            case .work(let work): work()
            case nil: return
            }
        }
    }

    private func answer(_ first: Question) {
        let result = Self.lookUp(first.host, first.port)
        // Whoever asked for the same name meanwhile has the same answer.
        var questions = [first]
        monitor.locked {
            jobs.removeAll { job in
                guard case .question(let other) = job, other.host == first.host else { return false }
                questions.append(other)
                return true
            }
        }
        for question in questions {
            question.loop.submit {
                question.answer(
                    result.map { addresses in
                        addresses.map { address in
                            var address = address
                            address.port = question.port
                            return address
                        }
                    })
            }
        }
    }

    /// What needs no looking up: numbers, and `localhost`, which is this machine whatever a name server says (RFC 6761
    /// §6.3).
    private static func known(_ host: String, _ port: UInt16) -> [SocketAddress]? {
        if let address = SocketAddress(numeric: host, port: port) { return [address] }
        guard host == "localhost" else { return nil }
        return ["127.0.0.1", "::1"].compactMap { SocketAddress(numeric: $0, port: port) }
    }

    /// Blocking; on the resolver's thread, or on a host's that starts a listener by name.
    package static func lookUp(_ host: String, _ port: UInt16) -> Result<[SocketAddress], ConnectionError> {
        if let known = known(host, port) { return .success(known) }
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, nil, &hints, &list)
        guard code == 0 else {
            return .failure(.resolve("'\(host)' cannot be resolved: \(String(cString: gai_strerror(code)))"))
        }
        defer { freeaddrinfo(list) }
        var addresses: [SocketAddress] = []
        var entry = list
        while let this = entry {
            if let pointer = this.pointee.ai_addr {
                var address = SocketAddress(pointer, this.pointee.ai_addrlen)
                address.port = port
                addresses.append(address)
            }
            entry = this.pointee.ai_next
        }
        return addresses.isEmpty ? .failure(.resolve("'\(host)' has no address")) : .success(addresses)
    }

    /// Ends the thread once the name in progress is answered; questions that wait are dropped. false: it was not in
    /// time.
    package func stop(within milliseconds: Int32) -> Bool {
        let thread = monitor.locked {
            isStopping = true
            jobs.removeAll()
            monitor.signal()
            defer { self.thread = nil }
            return self.thread
        }
        guard let thread else { return true }
        if wmps_thread_join(thread, milliseconds) == 0 { return true }
        // It hangs in getaddrinfo, and ends after that.
        wmps_thread_detach(thread)
        return false
    }
}
