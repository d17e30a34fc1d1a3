// swift-format-ignore-file: AlwaysUseLowerCamelCase

public import CWMProxy
import WMPEngine

@c @implementation
public func wmp_set_log_callback(
    _ level: wmp_log_level, _ fn: wmp_log_fn?, _ user: UnsafeMutableRawPointer?
) -> wmp_status {
    call { () throws(TunnelError) in
        guard let fn else { return try TunnelLog.setCallback(.error, nil) }
        guard let least = LogLevel(rawValue: level) else {
            throw TunnelError(.invalidArgument, "level is \(level): WMP_LOG_ERROR to WMP_LOG_DEBUG")
        }
        // The host says by giving it that `user` may be used on the notifier's thread.
        nonisolated(unsafe) let user = user
        try TunnelLog.setCallback(least) { level, message in fn(level.rawValue, message, user) }
    }
}

@c @implementation
public func wmp_config_check(
    _ config: UnsafePointer<CChar>?, _ role: UnsafeMutablePointer<wmp_role>?, _ report: UnsafeMutablePointer<CChar>?,
    _ len: Int
) -> wmp_status {
    check(role, report, len) { () throws(TunnelError) in
        try ConfigurationCheck(bytes(config, "config"), file: nil)
    }
}

@c @implementation
public func wmp_config_check_file(
    _ path: UnsafePointer<CChar>?, _ role: UnsafeMutablePointer<wmp_role>?, _ report: UnsafeMutablePointer<CChar>?,
    _ len: Int
) -> wmp_status {
    check(role, report, len) { () throws(TunnelError) in try ConfigurationCheck(file: string(path, "path")) }
}

private func check(
    _ role: UnsafeMutablePointer<wmp_role>?, _ report: UnsafeMutablePointer<CChar>?, _ size: Int,
    _ body: () throws(TunnelError) -> ConfigurationCheck
) -> wmp_status {
    call { () throws(TunnelError) in
        role?.pointee = 0
        if let report, size > 0 { report.pointee = 0 }
        let check = try body()
        role?.pointee = check.role.rawValue
        try write(check.report, to: report, size)
    }
}
