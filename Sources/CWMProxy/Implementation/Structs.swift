// swift-format-ignore-file: AlwaysUseLowerCamelCase

import CWMProxy
import WMPEngine
import WMPIO

/// Copies `value` into the caller's struct, whose first field says how much of it is there: no more than that is
/// written, and what we do not have becomes 0.
private func fill<T>(_ target: UnsafeMutablePointer<T>, from value: T, size: Int) {
    let room = UnsafeMutableRawBufferPointer(start: target, count: size)
    withUnsafeBytes(of: value) { source in
        let offset = MemoryLayout<Int>.size  // struct_size stays the caller's
        let known = min(size, source.count)
        UnsafeMutableRawBufferPointer(rebasing: room[offset..<known])
            .copyMemory(from: UnsafeRawBufferPointer(rebasing: source[offset..<known]))
        for index in known..<max(known, size) { room[index] = 0 }
    }
}

extension wmp_stats {
    init(_ statistics: Statistics) {
        self.init(
            struct_size: MemoryLayout<wmp_stats>.size,
            sessions: statistics.sessions, sessions_total: statistics.sessionsTotal, mappings: statistics.mappings,
            streams: statistics.streams, streams_total: statistics.streamsTotal, visitors: statistics.visitors,
            visitors_total: statistics.visitorsTotal, bytes_in: statistics.bytesIn, bytes_out: statistics.bytesOut,
            refused: statistics.refused, login_failures: statistics.loginFailures, handshakes: statistics.handshakes,
            reconnects: statistics.reconnects, http_requests: statistics.httpRequests,
            http_errors: statistics.httpErrors, queued_bytes: statistics.queuedBytes,
            lanes: statistics.lanes, connections: statistics.connections, logins: statistics.logins,
            ports: statistics.ports, vacant_names: statistics.vacantNames,
            udp_visitors: statistics.udpVisitors, shed: statistics.shed,
            datagrams_dropped: statistics.datagramsDropped)
    }

    /// That of version 0.1.0: hosts compiled against it go on working when the struct grows.
    private static let leastSize = 136

    static func copy(_ statistics: Statistics, to target: UnsafeMutablePointer<wmp_stats>?) throws(TunnelError) {
        guard let target else { throw TunnelError(.invalidArgument, "stats is NULL") }
        let size = target.pointee.struct_size
        guard (wmp_stats.leastSize...65_536).contains(size) else {
            throw TunnelError(.invalidArgument, "stats->struct_size is \(size): set it to sizeof(wmp_stats)")
        }
        fill(target, from: wmp_stats(statistics), size: size)
    }
}

extension wmp_event {
    init(_ event: TunnelEvent) {
        self.init()
        kind = event.kind.rawValue
        status = event.code?.rawValue ?? wmp_status(WMP_OK)
        time_ms = event.time
        withUnsafeMutableBytes(of: &client_id) { _ = fit(event.clientID, to: $0) }
        withUnsafeMutableBytes(of: &name) { _ = fit(event.name, to: $0) }
        withUnsafeMutableBytes(of: &address) { _ = fit(event.address, to: $0) }
        withUnsafeMutableBytes(of: &reason) { _ = fit(event.reason, to: $0) }
    }

    /// That of version 0.1.0.
    private static let leastSize = 520

    /// Takes the next event of `source` into the caller's struct.
    static func next(
        _ source: EventQueue, to target: UnsafeMutablePointer<wmp_event>?, _ milliseconds: Int32
    ) throws(TunnelError) -> wmp_status {
        guard let target else { throw TunnelError(.invalidArgument, "event is NULL") }
        let size = target.pointee.struct_size
        guard (wmp_event.leastSize...65_536).contains(size) else {
            throw TunnelError(.invalidArgument, "event->struct_size is \(size): set it to sizeof(wmp_event)")
        }
        switch source.next(until: limit(milliseconds).map { Deadline(after: $0) }) {
        case .event(let event):
            fill(target, from: wmp_event(event), size: size)
            return wmp_status(WMP_OK)
        case .none: return wmp_status(WMP_AGAIN)
        case .closed: throw TunnelError(.closed, "it is being stopped: there are no more events")
        }
    }
}
