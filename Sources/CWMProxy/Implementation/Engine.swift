// swift-format-ignore-file: AlwaysUseLowerCamelCase

public import CWMProxy
import WMPEngine

@c @implementation
public func wmp_engine_create(_ config: UnsafePointer<CChar>?, _ out: UnsafeMutablePointer<OpaquePointer?>?)
    -> wmp_status
{
    call { () throws(TunnelError) in
        guard let out else { throw TunnelError(.invalidArgument, "out is NULL") }
        out.pointee = nil
        out.pointee = Handles.insert(try TunnelEngine(config == nil ? "" : string(config, "config")))
    }
}

@c @implementation
public func wmp_engine_destroy(_ engine: OpaquePointer?) -> wmp_status {
    call { () throws(TunnelError) in
        let object = try Handles.end(engine, as: TunnelEngine.self)
        do throws(TunnelError) { try object.destroy() } catch {
            Handles.keep(engine)
            throw error
        }
        Handles.remove(engine)
    }
}

/// The engine of a start call; NULL is the process-wide one.
func engine(_ handle: OpaquePointer?) throws(TunnelError) -> TunnelEngine? {
    handle == nil ? nil : try Handles.find(handle, as: TunnelEngine.self)
}
