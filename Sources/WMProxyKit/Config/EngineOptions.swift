/// What an engine is told.
package struct EngineOptions: Sendable, Equatable {
    /// Threads that carry the traffic; 0: the host drives the engine. Nil: one per core, at most 4.
    package var threads: Int?

    /// Reads the configuration text of an engine; an empty one is valid.
    package static func parse(_ text: String, file: String? = nil) throws(ConfigError) -> Configuration<EngineOptions> {
        try parse(bytes: Array(text.utf8), file: file)
    }

    /// Like `parse(_:file:)`, for bytes that may turn out not to be UTF-8.
    package static func parse(bytes: [UInt8], file: String? = nil) throws(ConfigError) -> Configuration<EngineOptions> {
        try Configuration(bytes, file: file)
    }
}

extension EngineOptions: Configurable {
    static let place = Option.Place.engine

    init(_ settings: Settings, warnings: inout [ConfigWarning]) throws(ConfigError) {
        threads = settings.integer("threads")
    }
}

/// How a tunnel connection is kept from dying unnoticed. Both in milliseconds.
package struct PingOptions: Sendable, Equatable {
    /// From one ping to the next.
    package var interval: Int
    /// Without any answer for so long, the connection is dead.
    package var timeout: Int

    /// Checks that an answer has time to come.
    init(_ settings: Settings) throws(ConfigError) {
        interval = settings.number("ping_interval")
        timeout = settings.number("ping_timeout")
        if timeout <= interval {
            throw settings.error(
                settings.isSet("ping_timeout") ? "ping_timeout" : "ping_interval",
                "'ping_timeout' (\(Quantity.duration(timeout))) must be longer than 'ping_interval' "
                    + "(\(Quantity.duration(interval)))")
        }
    }
}
