#if canImport(FuzzChecks)
import FuzzChecks
#endif

/// libFuzzer's entry: two muxes joined to each other, driven by the input as a schedule.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    checkMuxPair(Array(UnsafeBufferPointer(start: data, count: size)))
    return 0
}
