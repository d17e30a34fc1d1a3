#if canImport(FuzzChecks)
import FuzzChecks
#endif

/// libFuzzer's entry: a configuration text, read as whatever it may be, then written as JSON and read again.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    checkConfig(Array(UnsafeBufferPointer(start: data, count: size)))
    return 0
}
