// swift-format-ignore-file: AlwaysUseLowerCamelCase

public import CWMProxy
import CWMProxyShims
import WMPEngine

@c @implementation
public func wmp_version() -> UInt32 { 0 << 16 | 1 << 8 | 0 }

@c @implementation
public func wmp_version_string() -> UnsafePointer<CChar>? { staticText("0.1.0") }

@c @implementation
public func wmp_abi_version() -> UInt32 { UInt32(WMP_ABI_VERSION) }

@c @implementation
public func wmp_last_error() -> UnsafePointer<CChar>? { wmps_message() }

@c @implementation
public func wmp_status_is_retryable(_ status: wmp_status) -> Int32 {
    status == WMP_AGAIN || TunnelError.Code(rawValue: status).isRetryable ? 1 : 0
}

@c @implementation
public func wmp_status_name(_ status: wmp_status) -> UnsafePointer<CChar>? {
    switch Int(status) {
    case Int(WMP_OK): staticText("WMP_OK")
    case Int(WMP_AGAIN): staticText("WMP_AGAIN")
    case Int(WMP_EINVAL): staticText("WMP_EINVAL")
    case Int(WMP_EHANDLE): staticText("WMP_EHANDLE")
    case Int(WMP_ESTATE): staticText("WMP_ESTATE")
    case Int(WMP_EDEADLOCK): staticText("WMP_EDEADLOCK")
    case Int(WMP_EFORKED): staticText("WMP_EFORKED")
    case Int(WMP_EBUFFER): staticText("WMP_EBUFFER")
    case Int(WMP_ENOTFOUND): staticText("WMP_ENOTFOUND")
    case Int(WMP_EEXIST): staticText("WMP_EEXIST")
    case Int(WMP_ECONFIG): staticText("WMP_ECONFIG")
    case Int(WMP_EFILE): staticText("WMP_EFILE")
    case Int(WMP_ECERTIFICATE): staticText("WMP_ECERTIFICATE")
    case Int(WMP_EADDRINUSE): staticText("WMP_EADDRINUSE")
    case Int(WMP_EADDRNOTAVAIL): staticText("WMP_EADDRNOTAVAIL")
    case Int(WMP_EACCES): staticText("WMP_EACCES")
    case Int(WMP_ERESOLVE): staticText("WMP_ERESOLVE")
    case Int(WMP_EUNREACHABLE): staticText("WMP_EUNREACHABLE")
    case Int(WMP_ENOFILES): staticText("WMP_ENOFILES")
    case Int(WMP_ESYSTEM): staticText("WMP_ESYSTEM")
    case Int(WMP_EAUTH): staticText("WMP_EAUTH")
    case Int(WMP_EPROTOCOL): staticText("WMP_EPROTOCOL")
    case Int(WMP_EVERSION): staticText("WMP_EVERSION")
    case Int(WMP_ETLS): staticText("WMP_ETLS")
    case Int(WMP_EREFUSED): staticText("WMP_EREFUSED")
    case Int(WMP_ECLOSED): staticText("WMP_ECLOSED")
    case Int(WMP_ECERTEXPIRED): staticText("WMP_ECERTEXPIRED")
    case Int(WMP_ECERTNOTYETVALID): staticText("WMP_ECERTNOTYETVALID")
    case Int(WMP_ECERTHOST): staticText("WMP_ECERTHOST")
    case Int(WMP_ECERTAUTHORITY): staticText("WMP_ECERTAUTHORITY")
    case Int(WMP_ECERTFINGERPRINT): staticText("WMP_ECERTFINGERPRINT")
    case Int(WMP_ECERTREQUIRED): staticText("WMP_ECERTREQUIRED")
    case Int(WMP_ETIMEOUT): staticText("WMP_ETIMEOUT")
    case Int(WMP_ENOMEM): staticText("WMP_ENOMEM")
    case Int(WMP_EINTERNAL): staticText("WMP_EINTERNAL")
    default: staticText("WMP_UNKNOWN")
    }
}

@c @implementation
public func wmp_hash_password(
    _ password: UnsafePointer<CChar>?, _ buf: UnsafeMutablePointer<CChar>?, _ len: Int
) -> wmp_status {
    call { () throws(TunnelError) in
        let salted = try PasswordHash.make(of: string(password, "password"))
        guard buf != nil else { throw TunnelError(.invalidArgument, "buf is NULL") }
        try write(salted, to: buf, len)
    }
}

/// A literal of the program's text, valid forever.
private func staticText(_ text: StaticString) -> UnsafePointer<CChar> {
    UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
}
