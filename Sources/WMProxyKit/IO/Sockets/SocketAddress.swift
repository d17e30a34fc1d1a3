import Glibc

/// An IPv4 or IPv6 address with its port.
package struct SocketAddress: Sendable, Hashable, CustomStringConvertible {
    private var storage = sockaddr_storage()
    private var length = socklen_t(MemoryLayout<sockaddr_storage>.size)

    private init() {}

    /// To be filled by a system call.
    package static let unspecified = SocketAddress()

    init(_ pointer: UnsafePointer<sockaddr>, _ length: socklen_t) {
        self.length = min(length, socklen_t(MemoryLayout<sockaddr_storage>.size))
        withUnsafeMutableBytes(of: &storage) {
            $0.copyMemory(from: UnsafeRawBufferPointer(start: pointer, count: Int(self.length)))
        }
    }

    /// From a numeric host; nil if it is a name.
    package init?(numeric host: String, port: UInt16) {
        var four = sockaddr_in()
        if inet_pton(AF_INET, host, &four.sin_addr) == 1 {
            four.sin_family = sa_family_t(AF_INET)
            four.sin_port = port.bigEndian
            self = withUnsafePointer(to: &four) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    SocketAddress($0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            return
        }
        var six = sockaddr_in6()
        guard inet_pton(AF_INET6, host, &six.sin6_addr) == 1 else { return nil }
        six.sin6_family = sa_family_t(AF_INET6)
        six.sin6_port = port.bigEndian
        self = withUnsafePointer(to: &six) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                SocketAddress($0, socklen_t(MemoryLayout<sockaddr_in6>.size))
            }
        }
    }

    package var family: Int32 { Int32(storage.ss_family) }

    package var port: UInt16 {
        get {
            // sin_port and sin6_port stand at the same offset.
            withUnsafeBytes(of: storage) { UInt16(bigEndian: $0.loadUnaligned(fromByteOffset: 2, as: UInt16.self)) }
        }
        set {
            withUnsafeMutableBytes(of: &storage) {
                $0.storeBytes(of: newValue.bigEndian, toByteOffset: 2, as: UInt16.self)
            }
        }
    }

    /// The four bytes of an IPv4 address, also of one that came through an IPv6 socket (RFC 4291 §2.5.5.2).
    private var fourOctets: (UInt8, UInt8, UInt8, UInt8)? {
        withUnsafeBytes(of: storage) { bytes in
            switch family {
            case AF_INET: return (bytes[4], bytes[5], bytes[6], bytes[7])
            case AF_INET6:
                let isMapped = bytes[8..<18].allSatisfy { $0 == 0 } && bytes[18] == 0xFF && bytes[19] == 0xFF
                return isMapped ? (bytes[20], bytes[21], bytes[22], bytes[23]) : nil
            default: return nil
            }
        }
    }

    /// The host without brackets; an IPv4 address that came through an IPv6 socket is written as IPv4.
    package var host: String {
        if let octets = fourOctets { return Self.text(octets, port: nil) }
        guard family == AF_INET6 else { return "?" }
        var room = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        let written = withUnsafeBytes(of: storage) { bytes in
            bytes.baseAddress.map { inet_ntop(AF_INET6, $0 + 8, &room, socklen_t(room.count)) != nil } ?? false
        }
        guard written else { return "?" }
        return String(decoding: room.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// "127.0.0.1:80" or "[::1]:80".
    package var description: String {
        if let octets = fourOctets { return Self.text(octets, port: port) }
        let host = host
        return host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }

    /// By hand: every visitor's address is told to the client, and `inet_ntop` with the strings around it was a tenth
    /// of what a server does for a connection.
    private static func text(_ octets: (UInt8, UInt8, UInt8, UInt8), port: UInt16?) -> String {
        String(unsafeUninitializedCapacity: "255.255.255.255:65535".utf8.count) { room in
            var length = 0
            func put(_ byte: UInt8) {
                room[length] = byte
                length += 1
            }
            func put(_ number: UInt16) {
                var unit: UInt16 = 10000
                while unit > 1, unit > number { unit /= 10 }
                while unit > 0 {
                    put(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: number / unit % 10))
                    unit /= 10
                }
            }
            put(UInt16(octets.0))
            for octet in [octets.1, octets.2, octets.3] {
                put(UInt8(ascii: "."))
                put(UInt16(octet))
            }
            if let port {
                put(UInt8(ascii: ":"))
                put(port)
            }
            return length
        }
    }

    // MARK: In a table

    /// What tells one address from another: family, port and address, and the scope of an IPv6 one. Not the flow label,
    /// which a sender may change from packet to packet.
    private var key: (UInt64, UInt64, UInt64) {
        withUnsafeBytes(of: storage) { bytes in
            // sockaddr_in: family, port, address. sockaddr_in6: family, port, flow label, address, scope.
            guard family == AF_INET6 else { return (bytes.loadUnaligned(as: UInt64.self), 0, 0) }
            let familyAndPort = bytes.loadUnaligned(as: UInt32.self)
            let scope = bytes.loadUnaligned(fromByteOffset: 24, as: UInt32.self)
            return (
                UInt64(familyAndPort) | UInt64(scope) << 32, bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self),
                bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self)
            )
        }
    }

    package static func == (left: SocketAddress, right: SocketAddress) -> Bool { left.key == right.key }

    package func hash(into hasher: inout Hasher) {
        let key = key
        hasher.combine(key.0)
        guard family == AF_INET6 else { return }
        hasher.combine(key.1)
        hasher.combine(key.2)
    }

    // MARK: For system calls

    func withSockAddr<R, Failure: Error>(
        _ body: (UnsafePointer<sockaddr>, socklen_t) throws(Failure) -> R
    ) throws(Failure) -> R {
        try withUnsafePointer(to: storage) { storage throws(Failure) in
            try storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer throws(Failure) in
                try body(pointer, length)
            }
        }
    }

    mutating func fill(_ body: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int) -> Int {
        length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutablePointer(to: &storage) { storage in
            storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, &length) }
        }
    }
}
