import Glibc
package import WMPWire

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

    /// Of the family AF_INET if `ip` is an IPv4 address, AF_INET6 otherwise; without a scope.
    package init(_ ip: IPAddress, port: UInt16) {
        self.init()
        let isIPv4 = ip.isIPv4
        length = socklen_t(isIPv4 ? MemoryLayout<sockaddr_in>.size : MemoryLayout<sockaddr_in6>.size)
        storage.ss_family = sa_family_t(isIPv4 ? AF_INET : AF_INET6)
        withUnsafeMutableBytes(of: &storage) {
            if let ipv4 = ip.ipv4 {
                $0.storeBytes(of: ipv4.bigEndian, toByteOffset: 4, as: UInt32.self)
            } else {
                $0.storeBytes(of: ip.high.bigEndian, toByteOffset: 8, as: UInt64.self)
                $0.storeBytes(of: ip.low.bigEndian, toByteOffset: 16, as: UInt64.self)
            }
        }
        self.port = port
    }

    package init(_ endpoint: IPEndpoint) { self.init(endpoint.address, port: endpoint.port) }

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

    /// The address without port and scope; nil if it is neither IPv4 nor IPv6.
    package var ip: IPAddress? {
        withUnsafeBytes(of: storage) { bytes in
            // sockaddr_in: family, port, address. sockaddr_in6: family, port, flow label, address, scope.
            switch family {
            case AF_INET:
                return IPAddress(ipv4: UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self)))
            case AF_INET6:
                return IPAddress(
                    high: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
                    low: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self)))
            default: return nil
            }
        }
    }

    /// Address and port; nil if it is neither IPv4 nor IPv6.
    package var endpoint: IPEndpoint? { ip.map { IPEndpoint(address: $0, port: port) } }

    /// The host without brackets; an IPv4 address that came through an IPv6 socket is written as IPv4.
    package var host: String { ip?.description ?? "?" }

    /// "127.0.0.1:80" or "[::1]:80".
    package var description: String { endpoint?.description ?? "?:\(port)" }

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
