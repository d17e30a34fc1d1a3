// swift-format-ignore-file: AlwaysUseLowerCamelCase

public import CWMProxy
import WMPEngine

@c @implementation
public func wmp_server_start(
    _ handle: OpaquePointer?, _ config: UnsafePointer<CChar>?, _ out: UnsafeMutablePointer<OpaquePointer?>?
) -> wmp_status {
    call { () throws(TunnelError) in
        guard let out else { throw TunnelError(.invalidArgument, "out is NULL") }
        out.pointee = nil
        out.pointee = Handles.insert(try HostedServer(bytes(config, "config"), file: nil, on: engine(handle)))
    }
}

@c @implementation
public func wmp_server_start_file(
    _ handle: OpaquePointer?, _ path: UnsafePointer<CChar>?, _ out: UnsafeMutablePointer<OpaquePointer?>?
) -> wmp_status {
    call { () throws(TunnelError) in
        guard let out else { throw TunnelError(.invalidArgument, "out is NULL") }
        out.pointee = nil
        out.pointee = Handles.insert(try HostedServer(file: string(path, "path"), on: engine(handle)))
    }
}

@c @implementation
public func wmp_server_address(
    _ server: OpaquePointer?, _ listener: UnsafePointer<CChar>?, _ buf: UnsafeMutablePointer<CChar>?, _ len: Int
) -> wmp_status {
    call { () throws(TunnelError) in
        let server = try Handles.find(server, as: HostedServer.self)
        let name = try string(listener, "listener")
        guard buf != nil else { throw TunnelError(.invalidArgument, "buf is NULL") }
        guard let address = server.address(of: name) else {
            throw TunnelError(.notFound, "this server has no listener '\(name)'")
        }
        try write(address, to: buf, len)
    }
}

@c @implementation
public func wmp_server_stats(_ server: OpaquePointer?, _ stats: UnsafeMutablePointer<wmp_stats>?) -> wmp_status {
    call { () throws(TunnelError) in
        try wmp_stats.copy(Handles.find(server, as: HostedServer.self).statistics, to: stats)
    }
}

@c @implementation
public func wmp_server_set_stats_callback(
    _ server: OpaquePointer?, _ interval_ms: Int32, _ fn: wmp_stats_fn?, _ user: UnsafeMutableRawPointer?
) -> wmp_status {
    call { () throws(TunnelError) in
        let server = try Handles.find(server, as: HostedServer.self)
        try server.onStatistics(every: Int(try interval(interval_ms)), statisticsCallback(interval_ms, fn, user))
    }
}

@c @implementation
public func wmp_server_event_fd(_ server: OpaquePointer?) -> Int32 {
    var descriptor: Int32 = 0
    let status = call { () throws(TunnelError) in
        descriptor = try Handles.find(server, as: HostedServer.self).events.descriptor
    }
    return status == WMP_OK ? descriptor : status
}

@c @implementation
public func wmp_server_next_event(
    _ server: OpaquePointer?, _ event: UnsafeMutablePointer<wmp_event>?, _ timeout_ms: Int32
) -> wmp_status {
    answer { () throws(TunnelError) in
        try wmp_event.next(Handles.find(server, as: HostedServer.self).events, to: event, timeout_ms)
    }
}

@c @implementation
public func wmp_server_reload(_ server: OpaquePointer?, _ config: UnsafePointer<CChar>?) -> wmp_status {
    call { () throws(TunnelError) in
        try Handles.find(server, as: HostedServer.self).reload(bytes(config, "config"), file: nil)
    }
}

@c @implementation
public func wmp_server_reload_file(_ server: OpaquePointer?, _ path: UnsafePointer<CChar>?) -> wmp_status {
    call { () throws(TunnelError) in
        try Handles.find(server, as: HostedServer.self).reload(file: string(path, "path"))
    }
}

@c @implementation
public func wmp_server_stop(_ server: OpaquePointer?, _ drain_ms: Int32) -> wmp_status {
    call { () throws(TunnelError) in
        let object = try Handles.end(server, as: HostedServer.self)
        do throws(TunnelError) { try object.stop(drain: Int(drain_ms)) } catch {
            Handles.keep(server)
            throw error
        }
        Handles.remove(server)
    }
}

/// A statistics interval in milliseconds.
func interval(_ milliseconds: Int32) throws(TunnelError) -> Int32 {
    guard milliseconds == 0 || milliseconds >= 10 else {
        throw TunnelError(.invalidArgument, "interval_ms is \(milliseconds): 0, or 10 and more")
    }
    return milliseconds
}

/// The host's callback as a closure; nil where it asks for none.
func statisticsCallback(
    _ interval: Int32, _ fn: wmp_stats_fn?, _ user: UnsafeMutableRawPointer?
) -> ((Statistics) -> Void)? {
    guard let fn, interval > 0 else { return nil }
    return { statistics in
        var stats = wmp_stats(statistics)
        fn(&stats, user)
    }
}
