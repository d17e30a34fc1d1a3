#if canImport(FuzzChecks)
import FuzzChecks
#endif

/// libFuzzer's entry: a TLS ClientHello, whole, cut short, and cut into records.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    checkClientHello(Array(UnsafeBufferPointer(start: data, count: size)))
    return 0
}
