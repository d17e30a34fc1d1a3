/// The secret that a server and its clients share.
package enum Credential: Sendable, Hashable {
    /// One secret for all clients.
    case token(String)
    case password(username: String, password: String)

    /// The credential in `settings`; nil if there is none.
    init?(_ settings: Settings) throws(ConfigError) {
        let username = settings.text("username")
        let password = settings.text("password")
        if let token = settings.text("token") {
            if username != nil || password != nil {
                throw settings.error(
                    username == nil ? "password" : "username",
                    "'token' and 'username' with 'password' exclude each other: keep one of them")
            }
            self = .token(token)
            return
        }
        switch (username, password) {
        case (let username?, let password?): self = .password(username: username, password: password)
        case (_?, nil): throw settings.error("username", "'username' needs 'password' beside it")
        case (nil, _?): throw settings.error("password", "'password' needs 'username' beside it")
        case (nil, nil): return nil
        }
    }
}

extension Credential {
    /// Whose secret it is; a token belongs to a fixed user.
    var user: String {
        switch self {
        case .token: "token"
        case .password(let username, _): username
        }
    }

    var secret: String {
        switch self {
        case .token(let token): token
        case .password(_, let password): password
        }
    }
}

extension Credential: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// What kind it is, never the secret: this may end in a log.
    package var description: String {
        switch self {
        case .token: "token"
        case .password(let username, _): "password of \(username.quoted)"
        }
    }

    package var debugDescription: String { description }

    /// Without children, so that `dump` of a whole configuration shows no secret either.
    package var customMirror: Mirror { Mirror(self, children: [:]) }
}

/// A certificate and its private key, as paths of PEM files.
package struct CertificateFiles: Sendable, Hashable {
    package var certificate: String
    package var key: String

    /// The pair of options `certificate` and `key`; nil if neither is set, an error if one alone is.
    init?(_ settings: Settings, _ certificate: String, _ key: String) throws(ConfigError) {
        switch (settings.text(certificate), settings.text(key)) {
        case (let certificatePath?, let keyPath?):
            self.certificate = certificatePath
            self.key = keyPath
        case (_?, nil): throw settings.error(certificate, "'\(certificate)' needs '\(key)' beside it")
        case (nil, _?): throw settings.error(key, "'\(key)' needs '\(certificate)' beside it")
        case (nil, nil): return nil
        }
    }
}
