import WMPIO

/// The passwords that a client has salted, by their salting: lanes and sessions that follow need not do it again.
///
/// Any thread.
final class SaltedPasswords: Sendable {
    private let workers: Resolver
    private let known = Guarded<[Salting: SaltedPassword]>([:])

    /// A server that asks for another salting each time gets no more of our memory.
    private static let most = 8

    /// Salts on the thread of `workers`, as that takes milliseconds.
    init(_ workers: Resolver) { self.workers = workers }

    /// Hands the salted password to `done` on `loop`, at once or later; nil: it cannot be salted.
    func salt(_ password: String, _ salting: Salting, on loop: Loop, _ done: @escaping (SaltedPassword?) -> Void) {
        if let salted = known.withLock({ $0[salting] }) { return done(salted) }
        workers.perform(on: loop, { SaltedPassword(password, salting) }) { [self] salted in
            known.withLock { known in
                if known.count >= Self.most { known.removeAll() }
                known[salting] = salted
            }
            done(salted)
        }
    }
}
