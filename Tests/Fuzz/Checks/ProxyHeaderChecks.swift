// What must hold of PROXY headers for every input there is: they are what a plain reading of proxy-protocol.txt finds,
// however much follows and however little has come; and written again they say the same. A check that fails stops the
// process.
#if canImport(WMPWire)
import WMPWire
#endif

/// Checks the reader and the writer of PROXY headers on `bytes`.
package func checkProxyHeader(_ bytes: [UInt8]) {
    var decision = Answer.more
    for end in growth(of: bytes) {
        if decision != .more, end < bytes.count { continue }
        let beginning = Array(bytes[..<end])
        let answer = read(beginning)
        if end <= 2048 || end == bytes.count {
            check(answer == byTheBook(beginning), "another header than by the book, of \(end)", bytes)
        }
        check(decision == .more || answer == decision, "the answer changes with what follows", bytes)
        decision = answer
    }
    check(bytes.count < 2048 || decision != .more, "more is needed than a header can have", bytes)
    guard case .header(let ends, let length) = decision else { return }
    check((8...2048).contains(length) && length <= bytes.count, "an impossible length", bytes)
    checkWriting(ends, bytes)
}

/// Two ends as the groups of IPv6 addresses and ports.
private struct Ends: Equatable {
    var source: [UInt16]
    var destination: [UInt16]
    var ports: [UInt16]

    var areIPv4: Bool { [source, destination].allSatisfy { $0[..<6] == [0, 0, 0, 0, 0, 0xFFFF] } }
}

private enum Answer: Equatable {
    case more
    case violation
    case header(Ends?, length: Int)
}

private func read(_ bytes: [UInt8]) -> Answer {
    do throws(PrologueViolation) {
        guard let header = try ProxyHeaderReader.read(bytes.span) else { return .more }
        check((header.version == .v1) == (bytes[0] == 0x50), "another version", bytes)
        guard let ends = header.ends else { return .header(nil, length: header.length) }
        let ports = [ends.source.port, ends.destination.port]
        return .header(
            Ends(source: groups(ends.source.address), destination: groups(ends.destination.address), ports: ports),
            length: header.length)
    } catch {
        check(!error.reason.description.isEmpty, "a violation without a reason", bytes)
        return .violation
    }
}

private func groups(_ address: IPAddress) -> [UInt16] {
    (0..<8).map { index in
        UInt16(truncatingIfNeeded: (index < 4 ? address.high : address.low) >> UInt64(48 - index % 4 * 16))
    }
}

private func address(_ groups: [UInt16]) -> IPAddress {
    let halves = groups.map(UInt64.init)
    return IPAddress(
        high: halves[..<4].reduce(0) { $0 << 16 | $1 }, low: halves[4...].reduce(0) { $0 << 16 | $1 })
}

private func checkWriting(_ ends: Ends?, _ bytes: [UInt8]) {
    let given = ends.map {
        ProxyHeader.Ends(
            source: IPEndpoint(address: address($0.source), port: $0.ports[0]),
            destination: IPEndpoint(address: address($0.destination), port: $0.ports[1]))
    }
    for version in [ProxyHeader.Version.v1, .v2] {
        var out = ByteBuffer()
        ProxyHeaderWriter.write(version, given, into: &out)
        let written = Array(out.readable)
        let again = Answer.header(ends, length: written.count)
        check(read(written) == again && byTheBook(written) == again, "what is written says something else", bytes)
        let isV4 = ends?.areIPv4 ?? true
        let words = String(decoding: written, as: UTF8.self).split(separator: " ")
        switch (version, ends) {
        case (.v1, nil): check(written.count == 15, "UNKNOWN is not alone", bytes)
        case (.v1, _): check(words[1] == (isV4 ? "TCP4" : "TCP6"), "written in another family", bytes)
        case (.v2, nil): check(written.count == 16, "LOCAL is not alone", bytes)
        case (.v2, _): check(written.count == (isV4 ? 28 : 52), "written in another family", bytes)
        }
    }
}

// MARK: - By the book

private func byTheBook(_ bytes: [UInt8]) -> Answer {
    let signature: [UInt8] = [13, 10, 13, 10, 0, 13, 10, 0x51, 0x55, 0x49, 0x54, 10]
    if bytes.isEmpty { return .more }
    if bytes.starts(with: signature.prefix(bytes.count)) {
        guard bytes.count >= 16 else { return .more }
        return binary(bytes)
    }
    guard bytes.starts(with: "PROXY ".utf8.prefix(bytes.count)) else { return .violation }
    return line(bytes)
}

private func line(_ bytes: [UInt8]) -> Answer {
    let text = bytes.prefix(107)
    for (octet, next) in zip(text.dropFirst(min(6, text.count)), Array(text.dropFirst(7)).map(Optional.init) + [nil]) {
        if octet == 13 {
            if let next, next != 10 { return .violation }
            break
        }
        if octet < 0x20 || octet > 0x7E { return .violation }
    }
    guard let end = zip(text, text.dropFirst()).enumerated().first(where: { $0.element == (13, 10) })?.offset else {
        return bytes.count < 107 ? .more : .violation
    }
    let words = String(decoding: text[6..<end], as: UTF8.self).split(separator: " ", omittingEmptySubsequences: false)
    if words[0] == "UNKNOWN" { return .header(nil, length: end + 2) }
    guard words.count == 5, words[0] == "TCP4" || words[0] == "TCP6" else { return .violation }
    let addresses = words[1...2].compactMap { words[0] == "TCP4" ? four($0).map(mapped) : six($0) }
    let ports = words[3...4].compactMap { word in UInt16(word).flatMap { "\($0)" == word ? $0 : nil } }
    guard addresses.count == 2, ports.count == 2 else { return .violation }
    return .header(Ends(source: addresses[0], destination: addresses[1], ports: ports), length: end + 2)
}

private func mapped(_ four: [UInt16]) -> [UInt16] { [0, 0, 0, 0, 0, 0xFFFF] + four }

/// The two groups of an IPv4 address.
private func four(_ text: Substring) -> [UInt16]? {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    let numbers = parts.compactMap { part in UInt8(part).flatMap { "\($0)" == part ? UInt16($0) : nil } }
    guard parts.count == 4, numbers.count == 4 else { return nil }
    return [numbers[0] * 256 + numbers[1], numbers[2] * 256 + numbers[3]]
}

private func six(_ text: Substring) -> [UInt16]? {
    let halves = text.split(separator: "::", omittingEmptySubsequences: false)
    guard halves.count <= 2 else { return nil }
    var all: [[UInt16]] = []
    for (index, half) in halves.enumerated() {
        var numbers: [UInt16] = []
        let parts = half.isEmpty ? [] : half.split(separator: ":", omittingEmptySubsequences: false)
        for (place, part) in parts.enumerated() {
            if part.contains(".") {
                guard index == halves.count - 1, place == parts.count - 1, let pair = four(part) else { return nil }
                numbers += pair
            } else {
                guard (1...4).contains(part.utf8.count), part.allSatisfy(\.isHexDigit),
                    let number = UInt16(part, radix: 16)
                else { return nil }
                numbers.append(number)
            }
        }
        all.append(numbers)
    }
    let count = all.reduce(0) { $0 + $1.count }
    guard halves.count == 2 ? count < 8 : count == 8 else { return nil }
    return all[0] + [UInt16](repeating: 0, count: 8 - count) + (halves.count == 2 ? all[1] : [])
}

private func binary(_ bytes: [UInt8]) -> Answer {
    let length = 16 + Int(bytes[14]) * 256 + Int(bytes[15])
    guard (0x20...0x21).contains(bytes[12]), length <= 2048 else { return .violation }
    let isLocal = bytes[12] == 0x20
    let size = [0: 0, 1: 12, 2: 36, 3: 216][bytes[13] / 16]
    if !isLocal {
        guard let size, bytes[13] % 16 <= 2, size <= length - 16 else { return .violation }
    }
    guard bytes.count >= length else { return .more }
    if isLocal || bytes[13] / 16 == 0 { return .header(nil, length: length) }
    var rest = bytes[(16 + (size ?? 0))..<length]
    var sums: [[UInt8]] = []
    var cleared = Array(bytes[..<length])
    while let type = rest.popFirst() {
        guard let high = rest.popFirst(), let low = rest.popFirst() else { return .violation }
        let count = Int(high) * 256 + Int(low)
        guard rest.count >= count else { return .violation }
        if type == 3 {
            sums.append(Array(rest.prefix(count)))
            for index in rest.indices.prefix(count) { cleared[index] = 0 }
        }
        rest = rest.dropFirst(count)
    }
    if !sums.isEmpty { guard sums == [castagnoli(cleared)] else { return .violation } }
    let isIPv4 = bytes[13] / 16 == 1
    guard bytes[13] / 16 < 3, bytes[13] % 16 > 0 else { return .header(nil, length: length) }
    let numbers = (8..<length / 2).map { UInt16(bytes[$0 * 2]) * 256 + UInt16(bytes[$0 * 2 + 1]) }
    if isIPv4 {
        return .header(
            Ends(
                source: mapped(Array(numbers[0..<2])), destination: mapped(Array(numbers[2..<4])),
                ports: Array(numbers[4..<6])), length: length)
    }
    return .header(
        Ends(source: Array(numbers[0..<8]), destination: Array(numbers[8..<16]), ports: Array(numbers[16..<18])),
        length: length)
}

/// CRC32C as a division of polynomials, the highest power first.
private func castagnoli(_ bytes: [UInt8]) -> [UInt8] {
    var remainder: UInt64 = 0
    let first = bytes.prefix(4).map { ~$0 } + bytes.dropFirst(4)
    for byte in first + [0, 0, 0, 0] {
        for bit in 0..<8 {
            remainder = remainder << 1 | UInt64(byte >> UInt8(bit) & 1)
            if remainder > UInt64(UInt32.max) { remainder ^= 0x1_1EDC_6F41 }
        }
    }
    var reversed: UInt32 = 0
    for bit in 0..<32 { reversed |= UInt32(remainder >> UInt64(bit) & 1) << UInt32(31 - bit) }
    let sum = ~reversed
    return (0..<4).map { UInt8(truncatingIfNeeded: sum >> UInt32(24 - $0 * 8)) }
}

// MARK: - Growth

/// How much of `bytes` has come, time after time: byte by byte for as long as a header can be.
private func growth(of bytes: [UInt8]) -> [Int] {
    Array(0...min(bytes.count, 300)) + stride(from: 307, to: bytes.count, by: 61) + [bytes.count]
}

private func check(_ condition: Bool, _ message: @autoclosure () -> String, _ bytes: [UInt8]) {
    guard !condition else { return }
    // Not `precondition`: an optimised build would keep the message to itself.
    fatalError("\(message()): \(bytes.prefix(400))")
}
