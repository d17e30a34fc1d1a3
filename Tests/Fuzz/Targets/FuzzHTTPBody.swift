#if canImport(FuzzChecks)
import FuzzChecks
#endif

/// libFuzzer's entry: bodies under each framing, whole and split, and chunked anew.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    checkHTTPBody(Array(UnsafeBufferPointer(start: data, count: size)))
    return 0
}
