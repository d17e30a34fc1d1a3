import WMPIO

/// Who may come in at a server, how they show who they are, and what they may do: what the configuration says, ready
/// for use.
///
/// A principal is whom a session belongs to: the user of a login, or whom the client's certificate names. It is found
/// out once, at the login, and everything else goes by it.
struct Access: Sendable {
    private struct User: Sendable {
        /// As it was configured: the same password is salted otherwise each time. nil: the certificate is enough.
        let password: String?
        let secret: ScramSecret?
        let grant: Grant

        init(_ password: String?, _ grant: Grant, _ earlier: User?) throws(TunnelError) {
            (self.password, self.grant) = (password, grant)
            guard let password else {
                secret = nil
                return
            }
            // What has not changed keeps its salt, as decoys do.
            secret = earlier?.password == password ? earlier?.secret : try Access.secret(password)
        }
    }

    /// By the bytes of their names: in Swift some texts are equal whose bytes differ.
    private let users: [[UInt8]: User]
    /// Users are told apart by name; otherwise one secret is for all.
    private let hasUsers: Bool
    private let needsSecret: Bool
    /// For users that there are not.
    let decoy: ScramDecoy

    /// SHA-256 of who signs the certificates that clients must show; nil: they need none.
    private let authorities: [UInt8]?

    /// Salts what is not salted yet, some milliseconds for each password: on a host's thread. `earlier`: that of the
    /// configuration before.
    init(_ options: ServerOptions, after earlier: Access? = nil) throws(TunnelError) {
        var users: [[UInt8]: User] = [:]
        if let credential = options.credential {
            users[Array(credential.user.utf8)] = try User(
                credential.secret, .all, earlier?.users[Array(credential.user.utf8)])
        }
        for user in options.users {
            users[Array(user.name.utf8)] = try User(user.password, user.grant, earlier?.users[Array(user.name.utf8)])
        }
        self.users = users
        hasUsers = !options.users.isEmpty
        needsSecret = options.credential != nil
        authorities = try options.clientAuthorities.map { path throws(TunnelError) in
            do throws(SystemError) {
                return try System.readFile(path, limit: 1 << 20).withUnsafeBytes(Digest.sha256)
            } catch { throw TunnelError(.file, "\(path): \(error.text)") }
        }
        // Like those of the first user, in the order of the configuration.
        let first = options.credential?.user ?? options.users.first { $0.password != nil }?.name
        let model = first.flatMap { users[Array($0.utf8)]?.secret?.salting } ?? Salting.random()
        guard let model, let decoy = earlier?.decoy.like(model) ?? ScramDecoy(like: model) else {
            throw Self.withoutRandom
        }
        self.decoy = decoy
    }

    private static let withoutRandom = TunnelError(.system, "the system has no random numbers")

    fileprivate static func secret(_ password: String) throws(TunnelError) -> ScramSecret {
        if ScramSecret.isSalted(password) {
            do throws(ScramSecret.Malformed) { return try ScramSecret(text: password) } catch {
                throw TunnelError(.configuration, "a salted password \(error.description)")
            }
        }
        guard let secret = ScramSecret(password: password) else { throw withoutRandom }
        return secret
    }

    /// What the login of `user` is checked against.
    func secret(of user: String) -> ScramSecret? { users[Array(user.utf8)]?.secret }

    /// Whether a client that shows a certificate of `name` (nil: none) has to prove a secret as well.
    func needsProof(certificate name: String?) -> Bool {
        guard hasUsers else { return needsSecret }
        guard let name, let user = users[Array(name.utf8)] else { return true }
        return user.secret != nil
    }

    /// Whose session it is, of a client with a verified certificate of that name, if any, that has proven the secret of
    /// `user`, if it had to; nil: nobody's. Where both tell who it is, they have to tell the same.
    func principal(certificate name: String?, user: String?) -> String? {
        guard hasUsers else { return name ?? user ?? "" }
        guard let user else { return name }
        return name == nil || name.map { Array($0.utf8) } == Array(user.utf8) ? user : nil
    }

    /// What `principal` may do; nil: it may not come in.
    func grant(of principal: String) -> Grant? { hasUsers ? users[Array(principal.utf8)]?.grant : .all }

    /// Whether `principal` proves itself here as it did in `earlier`: what got in by another secret has to come anew.
    func isSecretOf(_ principal: String, thatOf earlier: Access) -> Bool {
        guard hasUsers == earlier.hasUsers, needsSecret == earlier.needsSecret, authorities == earlier.authorities
        else {
            return false
        }
        // Without users, one secret is for all principals.
        guard hasUsers else {
            return users.keys == earlier.users.keys && isSame(users.values.first, earlier.users.values.first)
        }
        let name = Array(principal.utf8)
        return isSame(users[name], earlier.users[name])
    }

    private func isSame(_ user: User?, _ other: User?) -> Bool { user?.password == other?.password }
}
