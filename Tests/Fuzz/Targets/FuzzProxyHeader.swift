#if canImport(FuzzChecks)
import FuzzChecks
#endif

/// libFuzzer's entry: PROXY headers, whole and cut short, and written again.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    checkProxyHeader(Array(UnsafeBufferPointer(start: data, count: size)))
    return 0
}
