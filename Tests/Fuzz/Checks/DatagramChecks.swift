// What must hold of the datagrams in a stream for every input there is: they are what a plain reading of
// docs/PROTOCOL.md finds, however the stream is cut, and written again they are the stream they came from. A check that
// fails stops the process.
#if canImport(WMPWire)
import WMPWire
#endif

/// Checks a reader of datagrams on `bytes`, whole and cut.
package func checkDatagrams(_ bytes: [UInt8]) {
    var book: [[UInt8]] = []
    var isViolation = false
    var at = 0
    while bytes.count - at >= 2, !isViolation {
        let length = Int(bytes[at]) * 256 + Int(bytes[at + 1])
        isViolation = length > 65_507
        guard !isViolation, bytes.count - at - 2 >= length else { break }
        book.append(Array(bytes[at + 2..<at + 2 + length]))
        at += 2 + length
    }
    // The stream says itself how it is cut, so that a finding repeats.
    let step = Int(bytes.last ?? 0) % 23 + 1
    // Byte by byte while that is cheap.
    for size in bytes.count <= 2048 ? [bytes.count, 1, 2, step] : [bytes.count, step * 397] where size > 0 {
        let (datagrams, violation, held) = read(bytes, by: size)
        check(datagrams == book, "other datagrams than by the book, by \(size)", bytes)
        check(violation == isViolation, "a violation or none, by \(size)", bytes)
        check(violation || held == bytes.count - at, "other than what is left is held, by \(size)", bytes)
    }
    var stream: [UInt8] = []
    for datagram in book {
        var room = [UInt8](repeating: 0, count: datagram.count + 2)
        let written = datagram.withUnsafeBytes { source in
            room.withUnsafeMutableBytes { DatagramWriter.write(source, to: $0) }
        }
        check(written == room.count, "a datagram is not written", bytes)
        stream += room
    }
    check(stream == Array(bytes[..<at]), "datagrams are written otherwise", bytes)
}

private func read(_ bytes: [UInt8], by size: Int) -> (datagrams: [[UInt8]], violation: Bool, held: Int) {
    var reader = DatagramReader()
    var datagrams: [[UInt8]] = []
    for start in stride(from: 0, to: bytes.count, by: size) {
        // A copy of its own: what reads beyond it is found by AddressSanitizer.
        let piece = Array(bytes[start..<min(start + size, bytes.count)])
        let isViolation = piece.withUnsafeBytes { input in
            var rest = input
            do throws(ProtocolViolation) {
                while let datagram = try reader.next(in: &rest) { datagrams.append(Array(datagram)) }
            } catch {
                check(!error.reason.isEmpty, "a violation without a reason", bytes)
                return true
            }
            check(rest.isEmpty, "something of a piece is left", bytes)
            return false
        }
        if isViolation { return (datagrams, true, 0) }
    }
    return (datagrams, false, reader.held)
}

private func check(_ condition: Bool, _ message: @autoclosure () -> String, _ bytes: [UInt8]) {
    guard !condition else { return }
    // Not `precondition`: an optimised build would keep the message to itself.
    fatalError("\(message()): \(bytes.prefix(400))")
}
