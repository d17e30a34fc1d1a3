import WMPWire

/// Addresses from which too many logins have failed: for a while nobody from there is let in to try again, longer each
/// time.
///
/// Times are monotonic nanoseconds. Lives on the server's first loop.
struct Penalties {
    private struct Record {
        /// Failures that count; one is forgiven each second.
        var failures: Int
        var since: Int64
        /// How often it was shut out, and until when.
        var times = 0
        var until: Int64 = 0
    }

    private var records: [IPAddress: Record] = [:]

    /// Failures at once that cost nothing: a whole office behind one address may have the wrong token.
    static let free = 100
    /// How long an address is shut out first, and at most.
    static let shortest: Int64 = 1_000_000_000
    static let longest: Int64 = 60_000_000_000
    /// Addresses that are remembered.
    static let most = 4096

    var count: Int { records.count }

    /// A login from `address` failed. Returns for how long it is shut out, if that begins now.
    mutating func fail(_ address: IPAddress, at now: Int64) -> Int64? {
        let key = Self.network(of: address)
        if records[key] == nil, records.count >= Self.most { forget(now) }
        var record = records[key] ?? Record(failures: 0, since: now)
        forgive(&record, now)
        record.failures += 1
        defer { records[key] = record }
        guard record.failures > Self.free, record.until <= now else { return nil }
        let time = min(Self.shortest << Int64(min(record.times, 6)), Self.longest)
        record.until = now + time
        record.times += 1
        return time
    }

    func isShutOut(_ address: IPAddress, at now: Int64) -> Bool {
        guard !records.isEmpty, let record = records[Self.network(of: address)] else { return false }
        return record.until > now
    }

    private func forgive(_ record: inout Record, _ now: Int64) {
        let seconds = (now - record.since) / 1_000_000_000
        guard seconds > 0 else { return }
        record.since += seconds * 1_000_000_000
        record.failures = max(0, record.failures - Int(min(seconds, 1 << 20)))
        if record.failures == 0 { record.times = 0 }
    }

    /// Makes room: who is forgiven goes, or else half of them.
    private mutating func forget(_ now: Int64) {
        for (key, record) in records {
            var record = record
            forgive(&record, now)
            records[key] = record.failures == 0 && record.until <= now ? nil : record
        }
        guard records.count >= Self.most else { return }
        for key in Array(records.keys.prefix(records.count / 2)) { records[key] = nil }
    }

    /// One subscriber has as many IPv6 addresses as a /64 has (RFC 6177).
    private static func network(of address: IPAddress) -> IPAddress {
        address.isIPv4 ? address : IPAddress(high: address.high, low: 0)
    }
}
