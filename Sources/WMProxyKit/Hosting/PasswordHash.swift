/// A password as a server's configuration may have it, so that nobody who reads it can log in.
public enum PasswordHash {
    /// Salts a password of 1 to 1,024 bytes for `password` under `users`: the form in which PostgreSQL keeps it
    /// (RFC 5802, RFC 7677). Another text each time, of at most 159 bytes. Takes some milliseconds.
    /// - Throws: `.invalidArgument`, `.system`.
    public static func make(of password: String) throws(TunnelError) -> String {
        guard (1...1024).contains(password.utf8.count) else {
            throw TunnelError(.invalidArgument, "a password has 1 to 1024 bytes, not \(password.utf8.count)")
        }
        guard let secret = ScramSecret(password: password) else {
            throw TunnelError(.system, "the system has no random numbers")
        }
        return secret.text
    }
}
