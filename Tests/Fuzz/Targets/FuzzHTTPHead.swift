#if canImport(FuzzChecks)
import FuzzChecks
#endif

/// libFuzzer's entry: request and response heads, whole and split, and what is written from them.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    checkHTTPHead(Array(UnsafeBufferPointer(start: data, count: size)))
    return 0
}
