// swift-format-ignore-file: AlwaysUseLowerCamelCase

import CWMProxy
import CWMProxyShims
import Glibc
import WMPEngine

/// Runs the body of one call from C: its error becomes the status and this thread's message; errno is left as it was.
func call(_ body: () throws(TunnelError) -> Void) -> wmp_status {
    answer { () throws(TunnelError) in
        try body()
        return wmp_status(WMP_OK)
    }
}

/// The same for a body with a status of its own.
func answer(_ body: () throws(TunnelError) -> wmp_status) -> wmp_status {
    let before = wmps_errno()
    defer { wmps_set_errno(before) }
    do throws(TunnelError) { return try body() } catch {
        wmps_set_message(error.message)
        return error.code.rawValue
    }
}

/// The bytes of a C string.
func bytes(_ text: UnsafePointer<CChar>?, _ name: String) throws(TunnelError) -> [UInt8] {
    guard let text else { throw TunnelError(.invalidArgument, "\(name) is NULL") }
    return [UInt8](UnsafeRawBufferPointer(start: text, count: strlen(text)))
}

/// A C string that has to be UTF-8.
func string(_ text: UnsafePointer<CChar>?, _ name: String) throws(TunnelError) -> String {
    guard let string = String(validating: try bytes(text, name), as: UTF8.self) else {
        throw TunnelError(.invalidArgument, "\(name) is not UTF-8")
    }
    return string
}

/// Writes `text` into the caller's buffer, cut and ended by NUL.
func write(_ text: String, to buffer: UnsafeMutablePointer<CChar>?, _ size: Int) throws(TunnelError) {
    guard let buffer, size > 0 else {
        if buffer == nil, size == 0 { return }
        throw buffer == nil
            ? TunnelError(.invalidArgument, "the buffer is NULL")
            : TunnelError(.bufferTooSmall, "the buffer is too small")
    }
    guard fit(text, to: UnsafeMutableRawBufferPointer(start: buffer, count: size)) else {
        throw TunnelError(.bufferTooSmall, "the buffer of \(size) bytes is too small for \(text.utf8.count + 1)")
    }
}

/// Fills `room` with `text` and NUL, cut between characters. false: it was cut.
@discardableResult
func fit(_ text: String, to room: UnsafeMutableRawBufferPointer) -> Bool {
    guard !room.isEmpty else { return false }
    var count = min(text.utf8.count, room.count - 1)
    let utf8 = Array(text.utf8)
    // Not in the middle of a character: what follows must not be a continuation byte.
    while count > 0, count < utf8.count, utf8[count] & 0xC0 == 0x80 { count -= 1 }
    room.copyBytes(from: utf8[..<count])
    room[count] = 0
    return count == utf8.count
}

/// A timeout of the C interface: negative is none.
func limit(_ milliseconds: Int32) -> Int? { milliseconds < 0 ? nil : Int(milliseconds) }

/// A call that waits: with a timeout of 0, "not yet" is no error.
func waiting(_ milliseconds: Int32, _ body: () throws(TunnelError) -> Void) -> wmp_status {
    answer { () throws(TunnelError) in
        do throws(TunnelError) {
            try body()
            return wmp_status(WMP_OK)
        } catch {
            guard milliseconds == 0, error.code == .timedOut else { throw error }
            return wmp_status(WMP_AGAIN)
        }
    }
}
