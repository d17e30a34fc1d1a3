// swift-format-ignore-file: AlwaysUseLowerCamelCase

public import CWMProxy
import WMPEngine

@c @implementation
public func wmp_client_start(
    _ handle: OpaquePointer?, _ config: UnsafePointer<CChar>?, _ out: UnsafeMutablePointer<OpaquePointer?>?
) -> wmp_status {
    call { () throws(TunnelError) in
        guard let out else { throw TunnelError(.invalidArgument, "out is NULL") }
        out.pointee = nil
        out.pointee = Handles.insert(try HostedClient(bytes(config, "config"), file: nil, on: engine(handle)))
    }
}

@c @implementation
public func wmp_client_start_file(
    _ handle: OpaquePointer?, _ path: UnsafePointer<CChar>?, _ out: UnsafeMutablePointer<OpaquePointer?>?
) -> wmp_status {
    call { () throws(TunnelError) in
        guard let out else { throw TunnelError(.invalidArgument, "out is NULL") }
        out.pointee = nil
        out.pointee = Handles.insert(try HostedClient(file: string(path, "path"), on: engine(handle)))
    }
}

@c @implementation
public func wmp_client_wait_ready(_ client: OpaquePointer?, _ timeout_ms: Int32) -> wmp_status {
    waiting(timeout_ms) { () throws(TunnelError) in
        try Handles.find(client, as: HostedClient.self).waitReady(milliseconds: limit(timeout_ms))
    }
}

@c @implementation
public func wmp_client_add_mapping(
    _ client: OpaquePointer?, _ mapping: UnsafePointer<CChar>?, _ timeout_ms: Int32
) -> wmp_status {
    waiting(timeout_ms) { () throws(TunnelError) in
        let client = try Handles.find(client, as: HostedClient.self)
        try client.addMapping(bytes(mapping, "mapping"), milliseconds: limit(timeout_ms))
    }
}

@c @implementation
public func wmp_client_remove_mapping(
    _ client: OpaquePointer?, _ name: UnsafePointer<CChar>?, _ timeout_ms: Int32
) -> wmp_status {
    waiting(timeout_ms) { () throws(TunnelError) in
        let client = try Handles.find(client, as: HostedClient.self)
        try client.removeMapping(string(name, "name"), milliseconds: limit(timeout_ms))
    }
}

@c @implementation
public func wmp_client_mapping_address(
    _ client: OpaquePointer?, _ name: UnsafePointer<CChar>?, _ buf: UnsafeMutablePointer<CChar>?, _ len: Int
) -> wmp_status {
    call { () throws(TunnelError) in
        let client = try Handles.find(client, as: HostedClient.self)
        let name = try string(name, "name")
        guard buf != nil else { throw TunnelError(.invalidArgument, "buf is NULL") }
        try write(client.address(of: name), to: buf, len)
    }
}

@c @implementation
public func wmp_client_stats(_ client: OpaquePointer?, _ stats: UnsafeMutablePointer<wmp_stats>?) -> wmp_status {
    call { () throws(TunnelError) in
        try wmp_stats.copy(Handles.find(client, as: HostedClient.self).statistics, to: stats)
    }
}

@c @implementation
public func wmp_client_set_stats_callback(
    _ client: OpaquePointer?, _ interval_ms: Int32, _ fn: wmp_stats_fn?, _ user: UnsafeMutableRawPointer?
) -> wmp_status {
    call { () throws(TunnelError) in
        let client = try Handles.find(client, as: HostedClient.self)
        try client.onStatistics(every: Int(try interval(interval_ms)), statisticsCallback(interval_ms, fn, user))
    }
}

@c @implementation
public func wmp_client_event_fd(_ client: OpaquePointer?) -> Int32 {
    var descriptor: Int32 = 0
    let status = call { () throws(TunnelError) in
        descriptor = try Handles.find(client, as: HostedClient.self).events.descriptor
    }
    return status == WMP_OK ? descriptor : status
}

@c @implementation
public func wmp_client_next_event(
    _ client: OpaquePointer?, _ event: UnsafeMutablePointer<wmp_event>?, _ timeout_ms: Int32
) -> wmp_status {
    answer { () throws(TunnelError) in
        try wmp_event.next(Handles.find(client, as: HostedClient.self).events, to: event, timeout_ms)
    }
}

@c @implementation
public func wmp_client_stop(_ client: OpaquePointer?, _ drain_ms: Int32) -> wmp_status {
    call { () throws(TunnelError) in
        let object = try Handles.end(client, as: HostedClient.self)
        do throws(TunnelError) { try object.stop(drain: Int(drain_ms)) } catch {
            Handles.keep(client)
            throw error
        }
        Handles.remove(client)
    }
}
