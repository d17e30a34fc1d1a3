import Testing
import WMPWire

@testable import WMPEngine

@Suite("Addresses from which logins fail")
struct PenaltiesTests {
    private let second: Int64 = 1_000_000_000
    private let address = IPAddress(ipv4: 0xC000_0201)

    /// So many failures at once.
    private func fail(_ times: Int, _ penalties: inout Penalties, from address: IPAddress, at now: Int64) -> Int64? {
        var last: Int64?
        for _ in 0..<times { last = penalties.fail(address, at: now) ?? last }
        return last
    }

    @Test("are shut out after a hundred, longer each time, and alone")
    func growing() {
        var penalties = Penalties()
        var now = second
        #expect(fail(100, &penalties, from: address, at: now) == nil)
        #expect(!penalties.isShutOut(address, at: now))
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] as [Int64] {
            #expect(fail(100, &penalties, from: address, at: now) == seconds * second)
            #expect(penalties.isShutOut(address, at: now + seconds * second - 1))
            #expect(!penalties.isShutOut(IPAddress(ipv4: 0xC000_0202), at: now))
            now += seconds * second
            #expect(!penalties.isShutOut(address, at: now))
        }
    }

    @Test("are forgiven one each second")
    func forgiveness() {
        var penalties = Penalties()
        for tick in 0..<1000 { #expect(penalties.fail(address, at: Int64(tick) * second) == nil) }
        _ = fail(200, &penalties, from: address, at: 1000 * second)
        #expect(fail(100, &penalties, from: address, at: 2000 * second) == nil)
    }

    @Test("are as many as a /64 of IPv6, not more than are remembered")
    func bounds() {
        var penalties = Penalties()
        for low in 0..<101 { _ = penalties.fail(IPAddress(high: 1, low: UInt64(low)), at: second) }
        #expect(penalties.isShutOut(IPAddress(high: 1, low: 999), at: second))
        for high in 0..<10_000 { _ = penalties.fail(IPAddress(high: 1 << 32 + UInt64(high), low: 0), at: second) }
        #expect(penalties.count <= Penalties.most)
    }
}
