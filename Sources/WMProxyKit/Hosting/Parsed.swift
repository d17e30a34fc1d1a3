/// From a configuration's text to options, for those who start something.
enum Parsed {
    /// Warnings go to the log.
    static func take<Options>(
        _ parse: () throws(ConfigError) -> Configuration<Options>
    ) throws(TunnelError) -> Options {
        let parsed = try configuration(parse)
        for warning in parsed.warnings { Log.write(warning.level == .info ? .info : .warning, warning.description) }
        return parsed.options
    }

    /// Warnings were shown already.
    static func silently<Options>(
        _ parse: () throws(ConfigError) -> Configuration<Options>
    ) throws(TunnelError) -> Options {
        try configuration(parse).options
    }

    private static func configuration<Options>(
        _ parse: () throws(ConfigError) -> Configuration<Options>
    ) throws(TunnelError) -> Configuration<Options> {
        do throws(ConfigError) { return try parse() } catch { throw TunnelError(.configuration, error.description) }
    }
}
