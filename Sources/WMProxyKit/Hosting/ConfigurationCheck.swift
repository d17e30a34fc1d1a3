import WMPIO

/// What a configuration would do, without doing it.
public struct ConfigurationCheck: Sendable, Equatable {
    public enum Role: Int32, Sendable {
        case server = 1
        case client = 2
    }

    public let role: Role
    /// Lines for a reader, the warnings last.
    public let report: String

    /// Validates as a start would: opens no port, connects nowhere; certificates and keys named in it are read.
    /// - Throws: `.configuration`, `.certificate`.
    public init(_ configuration: String) throws(TunnelError) { try self.init(Array(configuration.utf8), file: nil) }

    /// The same for a file.
    /// - Throws: also `.file`.
    public init(file: String) throws(TunnelError) { try self.init(try ConfigurationFile.read(file), file: file) }

    package init(_ configuration: [UInt8], file: String?) throws(TunnelError) {
        do throws(ConfigError) {
            let checked = try CheckReport.check(bytes: configuration, file: file)
            role = checked.role == .server ? .server : .client
            report = checked.text
        } catch {
            throw TunnelError(.configuration, error.description)
        }
        switch role {
        case .server:
            let options = try Parsed.silently { () throws(ConfigError) in
                try ServerOptions.parse(bytes: configuration, file: file)
            }
            try Self.check(threads: options.threads)
            let certificates = [options.mapCertificate, options.certificate].compactMap { $0 }
            for files in certificates + options.mapCertificates {
                _ = try Self.certified { () throws(TLSError) in try files.load() }
            }
        case .client:
            let options = try Parsed.silently { () throws(ConfigError) in
                try ClientOptions.parse(bytes: configuration, file: file)
            }
            try Self.check(threads: options.threads)
            _ = try Self.certified { () throws(TLSError) in try options.makeTLS() }
        }
    }

    /// As an engine would.
    private static func check(threads: Int?) throws(TunnelError) {
        if threads == 0 { throw TunnelEngine.hostDrivenIsLater }
    }

    private static func certified<R>(_ body: () throws(TLSError) -> R) throws(TunnelError) -> R {
        do throws(TLSError) { return try body() } catch { throw TunnelError(error) }
    }
}

/// A configuration's file.
enum ConfigurationFile {
    static func read(_ path: String) throws(TunnelError) -> [UInt8] {
        do throws(SystemError) { return try System.readFile(path, limit: 1 << 20) } catch {
            throw TunnelError(.file, "\(path): \(error.text)")
        }
    }
}
