#if canImport(FuzzChecks)
import FuzzChecks
#endif

/// libFuzzer's entry: the datagrams in a stream, whole and cut, and written again.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    checkDatagrams(Array(UnsafeBufferPointer(start: data, count: size)))
    return 0
}
