import Testing

@testable import WMPEngine

@Suite("How long a client waits before it tries again")
struct BackoffTests {
    private let second: Int64 = 1_000_000_000

    /// The shortest and the longest wait of many clients, at each of the failures of `times` (seconds).
    private func waits(failing times: [Int64]) -> [(shortest: Int, longest: Int)] {
        var clients = (0..<2000).map { _ in Backoff() }
        return times.map { time in
            let waits = clients.indices.map { clients[$0].next(now: time * second) }
            return (waits.min() ?? 0, waits.max() ?? 0)
        }
    }

    @Test("doubles from 50 ms to 1 s in the first minute, and to 15 s after it, of which any part may be waited")
    func ceilings() {
        let times: [Int64] = [1, 1, 1, 1, 1, 1, 59, 61, 61, 61, 61, 61, 61, 3600]
        let ceilings = [50, 100, 200, 400, 800, 1000, 1000, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]
        for (wait, ceiling) in zip(waits(failing: times), ceilings) {
            #expect(wait.shortest >= 1 && wait.shortest < ceiling / 10)
            #expect(wait.longest <= ceiling && wait.longest > ceiling * 9 / 10)
        }
    }

    @Test("begins anew after a success")
    func reset() {
        var backoff = Backoff()
        for _ in 0..<20 { _ = backoff.next(now: 1) }
        let waits = (0..<2000).map { _ in
            backoff.reset()
            return backoff.next(now: 7200 * second)
        }
        #expect(waits.allSatisfy { (1...50).contains($0) })
    }
}
