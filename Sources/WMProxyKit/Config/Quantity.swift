/// Durations and sizes in words: `10s`, `500ms`, `64KiB`.
enum Quantity {
    private static let durations = [
        ("ms", 1), ("min", 60_000), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("", 1000),
    ]
    private static let sizes = [
        ("kib", 1 << 10), ("mib", 1 << 20), ("gib", 1 << 30), ("k", 1 << 10), ("m", 1 << 20), ("g", 1 << 30),
        ("kb", 1000), ("mb", 1_000_000), ("gb", 1_000_000_000), ("b", 1), ("", 1),
    ]

    /// Milliseconds of `10s`, `1.5s`, `500ms`, `2min` or `1h`; a number alone means seconds.
    static func milliseconds(_ text: String) -> Int? { scaled(text, by: durations) }

    /// Bytes of `64KiB`, `16m` (both powers of 1024) or `64kB` (powers of 1000); a number alone means bytes.
    static func bytes(_ text: String) -> Int? { scaled(text, by: sizes) }

    /// `milliseconds` in the largest unit that shows it exactly.
    static func duration(_ milliseconds: Int) -> String {
        if milliseconds == 0 { return "0" }
        if milliseconds % 3_600_000 == 0 { return "\(milliseconds / 3_600_000)h" }
        if milliseconds % 60_000 == 0 { return "\(milliseconds / 60_000)min" }
        return milliseconds % 1000 == 0 ? "\(milliseconds / 1000)s" : "\(milliseconds)ms"
    }

    /// `bytes` in the largest unit that shows it exactly.
    static func size(_ bytes: Int) -> String {
        if bytes > 0, bytes % (1 << 30) == 0 { return "\(bytes >> 30)GiB" }
        if bytes > 0, bytes % (1 << 20) == 0 { return "\(bytes >> 20)MiB" }
        return bytes > 0 && bytes % (1 << 10) == 0 ? "\(bytes >> 10)KiB" : "\(bytes)"
    }

    private static func scaled(_ text: String, by units: [(name: String, factor: Int)]) -> Int? {
        let number = text.prefix { $0 == "." || ("0"..."9").contains($0) }
        let unit = text.dropFirst(number.count).drop { $0 == " " }.lowercased()
        guard let factor = units.first(where: { $0.name == unit })?.factor else { return nil }
        let parts = number.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard let whole = parts.first.flatMap({ Int(decimal: $0) }) else { return nil }
        let (scaled, overflow) = whole.multipliedReportingOverflow(by: factor)
        guard !overflow else { return nil }
        guard parts.count == 2 else { return scaled }
        guard (1...3).contains(parts[1].utf8.count), let digits = Int(decimal: parts[1]) else { return nil }
        let thousandths = digits * [100, 10, 1][parts[1].utf8.count - 1]
        let (sum, isTooLarge) = scaled.addingReportingOverflow(thousandths * factor / 1000)
        return isTooLarge ? nil : sum
    }
}

extension Int {
    /// Reads decimal digits alone: no sign, no blanks, at most 18 of them.
    init?(decimal text: some StringProtocol) {
        guard (1...18).contains(text.utf8.count), text.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 })
        else {
            return nil
        }
        self.init(text)
    }
}
