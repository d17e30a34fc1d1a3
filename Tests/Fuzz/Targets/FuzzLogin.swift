#if canImport(FuzzChecks)
import FuzzChecks
#endif

/// libFuzzer's entry: the messages of a login, a secret's text, and both ends of a login that are told them.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    checkLogin(Array(UnsafeBufferPointer(start: data, count: size)))
    return 0
}
