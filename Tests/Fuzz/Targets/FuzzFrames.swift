#if canImport(FuzzChecks)
import FuzzChecks
#endif

/// libFuzzer's entry: a lane's bytes, whole and split, and two muxes driven against each other.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: data, count: size))
    checkFrames(bytes)
    return 0
}
