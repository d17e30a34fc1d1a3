// What must hold of a ClientHello for every input there is: it is what a plain reading of RFC 8446, 6066 and 7301
// finds, however much follows and however little has come, and however its message is cut into records. A check that
// fails stops the process.
#if canImport(WMPWire)
import WMPWire
#endif

/// Checks the reader on `bytes` as the beginning of a connection, and as a message cut into records.
package func checkClientHello(_ bytes: [UInt8]) {
    checkGrowth(bytes)
    // The input says itself how it is cut, so that a finding repeats.
    let step = Int(bytes.last ?? 0) % 97 + 1
    for size in [step, 700, 16_384] where !bytes.isEmpty {
        let records = stride(from: 0, to: bytes.count, by: size).flatMap { start in
            let piece = bytes[start..<min(start + size, bytes.count)]
            return [22, 3, 1, UInt8(piece.count / 256), UInt8(piece.count % 256)] + piece
        }
        checkGrowth(records)
        // Cut or not, it says the same, if all of the input is one message.
        if case .hello(let name, let protocols, let length) = read(records), length == records.count {
            let one = [22, 3, 1, UInt8(bytes.count / 256), UInt8(bytes.count % 256)] + bytes
            let same = Answer.hello(name, protocols, length: one.count)
            check(read(one) == same, "it says something else in one record", bytes)
        }
    }
}

private enum Answer: Equatable {
    case more
    case violation
    case hello(String?, [[UInt8]], length: Int)
}

private func checkGrowth(_ bytes: [UInt8]) {
    var decision = Answer.more
    for end in growth(of: bytes) {
        let beginning = Array(bytes[..<end])
        let answer = read(beginning)
        check(answer == byTheBook(beginning), "another hello than by the book, of \(end)", bytes)
        check(decision == .more || answer == decision, "the answer changes with what follows", bytes)
        decision = answer
    }
    check(bytes.count < 16_704 || decision != .more, "more is needed than a hello can have", bytes)
    if case .hello(_, _, let length) = decision { check(length <= bytes.count, "an impossible length", bytes) }
}

private func read(_ bytes: [UInt8]) -> Answer {
    do throws(PrologueViolation) {
        guard let hello = try ClientHelloReader.read(bytes.span) else { return .more }
        let protocols = hello.protocols
        for name in protocols {
            let text = String(decoding: name, as: UTF8.self)
            check(hello.offers(text) == protocols.contains(Array(text.utf8)), "a protocol is offered and not", bytes)
        }
        check(!hello.offers("") && !hello.offers("no such protocol"), "a protocol is offered that is not", bytes)
        check(hello.serverName?.port == nil, "a server's name has a port", bytes)
        return .hello(hello.serverName?.description, protocols, length: hello.length)
    } catch {
        check(!error.reason.description.isEmpty, "a violation without a reason", bytes)
        return .violation
    }
}

// MARK: - By the book

private func byTheBook(_ bytes: [UInt8]) -> Answer {
    var rest = bytes[...]
    var message: [UInt8] = []
    for _ in 0..<64 {
        guard (rest.first ?? 22) == 22, (rest.dropFirst().first ?? 3) == 3 else { return .violation }
        guard rest.count >= 5 else { return .more }
        let count = Int(rest[rest.startIndex + 3]) * 256 + Int(rest[rest.startIndex + 4])
        guard (1...16_384).contains(count) else { return .violation }
        rest = rest.dropFirst(5)
        let known = message + rest.prefix(count)
        guard (known.first ?? 1) == 1 else { return .violation }
        if known.count >= 4 {
            let size = 4 + Int(known[1]) * 65_536 + Int(known[2]) * 256 + Int(known[3])
            guard size <= 16_384, message.count + count <= size else { return .violation }
            if known.count == size, rest.count >= count {
                return hello(known[4...], length: rest.startIndex + count)
            }
        }
        guard rest.count >= count else { return .more }
        message = known
        rest = rest.dropFirst(count)
    }
    return .violation
}

private func hello(_ body: ArraySlice<UInt8>, length: Int) -> Answer {
    var rest = body
    guard rest.count >= 34, rest.first == 3 else { return .violation }
    rest = rest.dropFirst(34)
    guard let session = vector(&rest, 1), session.count <= 32 else { return .violation }
    guard let suites = vector(&rest, 2), suites.count >= 2, suites.count % 2 == 0 else { return .violation }
    guard let compression = vector(&rest, 1), !compression.isEmpty else { return .violation }
    if rest.isEmpty { return .hello(nil, [], length: length) }
    guard var extensions = vector(&rest, 2), rest.isEmpty else { return .violation }
    var known: [Int: ArraySlice<UInt8>] = [:]
    while !extensions.isEmpty {
        guard let high = extensions.popFirst(), let low = extensions.popFirst(), let data = vector(&extensions, 2)
        else { return .violation }
        let type = Int(high) * 256 + Int(low)
        guard type != 0 && type != 16 || known[type] == nil else { return .violation }
        known[type] = data
    }
    var name: String?
    if var data = known[0] {
        guard var list = vector(&data, 2), data.isEmpty, list.popFirst() == 0, let octets = vector(&list, 2),
            list.isEmpty, let host = host(octets)
        else { return .violation }
        name = host
    }
    var protocols: [[UInt8]] = []
    if var data = known[16] {
        guard var list = vector(&data, 2), data.isEmpty, !list.isEmpty else { return .violation }
        while !list.isEmpty {
            guard let name = vector(&list, 1), !name.isEmpty else { return .violation }
            protocols.append(Array(name))
        }
    }
    return .hello(name, protocols, length: length)
}

/// Takes a length of `size` bytes and so many bytes off `rest`.
private func vector(_ rest: inout ArraySlice<UInt8>, _ size: Int) -> ArraySlice<UInt8>? {
    guard rest.count >= size else { return nil }
    let count = rest.prefix(size).reduce(0) { $0 * 256 + Int($1) }
    rest = rest.dropFirst(size)
    guard rest.count >= count else { return nil }
    defer { rest = rest.dropFirst(count) }
    return rest.prefix(count)
}

private func host(_ octets: ArraySlice<UInt8>) -> String? {
    var octets = octets
    if octets.last == UInt8(ascii: ".") { octets.removeLast() }
    let allowed = Set("abcdefghijklmnopqrstuvwxyz0123456789-_.".utf8)
    let name = String(decoding: octets, as: UTF8.self).lowercased()
    guard octets.count <= 255, octets.allSatisfy({ $0 < 128 }), name.utf8.allSatisfy(allowed.contains) else {
        return nil
    }
    let labels = name.split(separator: ".", omittingEmptySubsequences: false)
    return labels.allSatisfy { (1...63).contains($0.utf8.count) } ? name : nil
}

// MARK: - Growth

/// How much of `bytes` has come, time after time: byte by byte while that is cheap, and around the end.
private func growth(of bytes: [UInt8]) -> [Int] {
    let first = min(bytes.count, 120)
    let step = max(1, (bytes.count - first) / 40)
    let last = max(first, bytes.count - 1)
    return Array(0...first) + stride(from: first, to: last, by: step) + [last, bytes.count]
}

private func check(_ condition: Bool, _ message: @autoclosure () -> String, _ bytes: [UInt8]) {
    guard !condition else { return }
    // Not `precondition`: an optimised build would keep the message to itself.
    fatalError("\(message()): \(bytes.prefix(400))")
}
