@testable import WMPWire

/// The hellos of programs as they came to a socket.
enum CapturedHello {
    /// openssl s_client 3.0 -servername shop.Example.org -alpn h2,http/1.1
    static let openssl = bytes(
        """
        160301014f0100014b0303806a6c76cb47f97708c603d7e2348c80d9896ec7e3b5f175b1acf92ebe27035920e4bbb47df549a2dd
        96d6b02e6f8a2426188e072cbf5e16edca874d3330b58fe0003e130213031301c02cc030009fcca9cca8ccaac02bc02f009ec024
        c028006bc023c0270067c00ac0140039c009c0130033009d009c003d003c0035002f00ff010000c400000015001300001053686f
        702e4578616d706c652e6f7267000b000403000102000a00160014001d0017001e00190018010001010102010301040023000000
        10000e000c02683208687474702f312e310016000000170000000d002a0028040305030603080708080809080a080b0804080508
        06040105010601030303010302040205020602002b0009080304030303020301002d00020101003300260024001d0020f5ac073b
        b18c557994201f9bf2f633e5f502eeb4d2e0a5e099418a0d2598065a
        """)

    /// curl 7.88 https://shop.example.org/
    static let curl = bytes(
        """
        1603010200010001fc03030cf5a5379e0421b4d2e5c0aacd2d4faef6ffcbd0c0dbea8d9a755b45c44eaa562085098f2b16a38f2c
        e93ace54a26461c2c9e511c984d2e599238f4f9f8cc36e28003e130213031301c02cc030009fcca9cca8ccaac02bc02f009ec024
        c028006bc023c0270067c00ac0140039c009c0130033009d009c003d003c0035002f00ff0100017500000015001300001073686f
        702e6578616d706c652e6f7267000b000403000102000a00160014001d0017001e00190018010001010102010301040010000e00
        0c02683208687474702f312e31001600000017000000310000000d002a0028040305030603080708080809080a080b0804080508
        06040105010601030303010302040205020602002b0009080304030303020301002d00020101003300260024001d00203c0823bd
        1543a85629fe39bd6ae5dfdaf45a55938848f8482e2801723a1af746001500ad0000000000000000000000000000000000000000
        00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000
        00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000
        00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000
        """)

    /// openssl s_client 3.0 -tls1_2 -noservername
    static let old = bytes(
        """
        16030100b7010000b303039604aac31529db61feef94290836bc474f9e8d3301f4bbeaf517803fdb52401f000038c02cc030009f
        cca9cca8ccaac02bc02f009ec024c028006bc023c0270067c00ac0140039c009c0130033009d009c003d003c0035002f00ff0100
        0052000b000403000102000a000c000a001d0017001e00190018002300000016000000170000000d002a00280403050306030807
        08080809080a080b080408050806040105010601030303010302040205020602
        """)

    private static func bytes(_ text: String) -> [UInt8] {
        let digits = text.utf8.compactMap { Octet.hexadecimal($0) }
        return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }
}

/// A hello put together, right or wrong.
struct HelloParts {
    var version: [UInt8] = [3, 3]
    var session: [UInt8] = vector(pattern(32), 1)
    var suites: [UInt8] = vector([0x13, 0x01], 2)
    var compression: [UInt8] = vector([0], 1)
    /// Nil: there is no list of them at all.
    var extensions: [(type: Int, data: [UInt8])]? = []
    var trailer: [UInt8] = []

    /// The message with its header.
    var message: [UInt8] {
        var body = version + pattern(32) + session + suites + compression
        if let extensions {
            body += vector(
                extensions.flatMap { [UInt8($0.type >> 8), UInt8($0.type & 0xFF)] + vector($0.data, 2) }, 2)
        }
        return [1] + vector(body + trailer, 3)
    }

    init() {}

    /// With these contents of server_name and of the protocols' extension.
    init(serverName: [UInt8]? = nil, protocols: [UInt8]? = nil) {
        extensions = [(0x0A0A, [])]
        if let serverName { extensions?.append((0, serverName)) }
        if let protocols { extensions?.append((16, protocols)) }
        extensions?.append((43, [2, 3, 4]))
    }

    /// With a server's name and protocols as they should be.
    init(_ name: String, _ protocols: [String] = []) {
        let list = protocols.flatMap { vector(Array($0.utf8), 1) }
        self.init(
            serverName: vector([0] + vector(Array(name.utf8), 2), 2),
            protocols: protocols.isEmpty ? nil : vector(list, 2))
    }
}

/// `bytes` behind their length, which takes `size` bytes.
func vector(_ bytes: [UInt8], _ size: Int) -> [UInt8] {
    (0..<size).reversed().map { UInt8(truncatingIfNeeded: bytes.count >> ($0 * 8)) } + bytes
}

/// `message` in handshake records of these sizes, the rest in one more.
func records(_ message: [UInt8], _ sizes: [Int] = []) -> [UInt8] {
    var rest = message[...]
    var records: [UInt8] = []
    for size in sizes + [message.count] where !rest.isEmpty {
        records += [22, 3, 1] + vector(Array(rest.prefix(size)), 2)
        rest = rest.dropFirst(size)
    }
    return records
}
