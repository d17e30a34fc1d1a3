#if canImport(FuzzChecks)
import FuzzChecks
#endif

/// libFuzzer's entry: what one end of a lane makes of any bytes, whole and split.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    checkFrames(Array(UnsafeBufferPointer(start: data, count: size)))
    return 0
}
