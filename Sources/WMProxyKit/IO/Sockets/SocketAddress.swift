package import Glibc

/// An IPv4 or IPv6 address with its port.
package struct SocketAddress: Sendable, CustomStringConvertible {
    private var storage = sockaddr_storage()
    private var length = socklen_t(MemoryLayout<sockaddr_storage>.size)

    private init() {}

    /// To be filled by a system call.
    package static let unspecified = SocketAddress()

    package init(_ pointer: UnsafePointer<sockaddr>, _ length: socklen_t) {
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

    /// The host without brackets; an IPv4 address that came through an IPv6 socket is written as IPv4.
    package var host: String {
        var room = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        let written: Bool
        switch family {
        case AF_INET:
            written = withUnsafeBytes(of: storage) { bytes in
                bytes.baseAddress.map { inet_ntop(AF_INET, $0 + 4, &room, socklen_t(room.count)) != nil } ?? false
            }
        case AF_INET6:
            written = withUnsafeBytes(of: storage) { bytes in
                bytes.baseAddress.map { inet_ntop(AF_INET6, $0 + 8, &room, socklen_t(room.count)) != nil } ?? false
            }
        default: return "?"
        }
        guard written else { return "?" }
        let text = String(decoding: room.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return text.hasPrefix("::ffff:") && text.contains(".") ? String(text.dropFirst(7)) : text
    }

    /// "127.0.0.1:80" or "[::1]:80".
    package var description: String {
        let host = host
        return host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }

    /// 127.0.0.0/8 or ::1.
    package var isLoopback: Bool {
        let host = host
        return host.hasPrefix("127.") || host == "::1"
    }

    func withSockAddr<R>(_ body: (UnsafePointer<sockaddr>, socklen_t) throws(SystemError) -> R) throws(SystemError) -> R
    {
        var copy = storage
        let length = length
        var result: Result<R, SystemError>?
        withUnsafePointer(to: &copy) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                do throws(SystemError) { result = .success(try body(pointer, length)) } catch {
                    result = .failure(error)
                }
            }
        }
        guard let result else { throw SystemError("sockaddr", EINVAL) }
        return try result.get()
    }

    mutating func fill(_ body: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int) -> Int {
        length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutablePointer(to: &storage) { storage in
            storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, &length) }
        }
    }
}
