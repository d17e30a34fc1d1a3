import Testing

@testable import WMPEngine

@Suite("A budget of bytes")
struct ByteBudgetTests {
    @Test("tells when more is held than it allows, and no longer when that is let go")
    func holding() {
        let budget = ByteBudget(limit: 1000)
        var holding = Holding(budget)
        #expect(holding.set(to: 1000) == nil)
        #expect(holding.set(to: 1001) === budget && budget.isExceeded)
        #expect(holding.set(to: 900) == nil && !budget.isExceeded)
        #expect(budget.current == 900)
    }

    @Test("tells of the outermost budget that is exceeded")
    func nested() {
        let engine = ByteBudget(limit: 1500)
        let sessions = [ByteBudget(limit: 1000, within: engine), ByteBudget(limit: 1000, within: engine)]
        var first = Holding(sessions[0])
        var second = Holding(sessions[1])
        #expect(first.set(to: 1000) == nil)
        #expect(second.set(to: 600) === engine)
        #expect(first.set(to: 0) == nil)
        #expect(second.set(to: 1001) === sessions[1])
        #expect(sessions[1].belongs(to: engine) && !sessions[1].belongs(to: sessions[0]))
    }

    @Test("has back what was held by whoever is gone")
    func goneHolder() {
        let engine = ByteBudget(limit: 1000)
        let session = ByteBudget(limit: 1000, within: engine)
        do {
            var holding = Holding(session)
            _ = holding.set(to: 700)
            #expect(engine.current == 700)
        }
        #expect(engine.current == 0 && session.current == 0)
    }

    @Test("promises half of itself, and nothing that its outer budget does not promise")
    func promises() {
        let engine = ByteBudget(limit: 2000)
        let session = ByteBudget(limit: 1600, within: engine)
        #expect(session.promise(800))
        #expect(!session.promise(1))
        let other = ByteBudget(limit: 1600, within: engine)
        #expect(!other.promise(201))
        #expect(other.promise(200))
        session.withdraw(800)
        #expect(other.promise(600))
    }

    @Test("weighs readers by how fast they read: who stalls, or trickles, weighs more than who reads, however young")
    func weight() {
        let budget = ByteBudget(limit: 1 << 30)
        let second: Int64 = 1_000_000_000
        let begin = 100 * second
        /// One that has come at `begin`, and whose system took `taken` a second of which `unread` is unread.
        func weight(waiting: Int, taken: Int, unread: Int, after seconds: Double, silentFor silence: Int64 = 0) -> Int {
            var holding = Holding(budget)
            for tick in 0..<Int(seconds * 20) {
                holding.noteTaken(taken / 20, at: begin + Int64(tick) * second / 20)
            }
            _ = holding.set(to: waiting)
            return holding.weight(
                on: budget, at: begin + Int64(seconds * Double(second)) + silence, unread: unread)
        }
        let honest = [0.5, 3, 10, 60].map { weight(waiting: 4 << 20, taken: 4 << 20, unread: 1 << 20, after: $0) }
        for honest in honest {
            // Whose system took 4 MB at once; who reads 100 bytes a second; who read for long and stopped.
            #expect(weight(waiting: 256 << 10, taken: 80 << 20, unread: 4 << 20, after: 0.05) > 2 * honest)
            #expect(weight(waiting: 64 << 10, taken: 100, unread: 0, after: 10) > 10 * honest)
            #expect(
                weight(waiting: 4 << 20, taken: 4 << 20, unread: 1 << 20, after: 10, silentFor: 60 * second) > 2
                    * honest)
        }
        // Nothing waits, or on another's account.
        #expect(Holding(budget).weight(on: budget, at: second, unread: 0) == 0)
        var holding = Holding(budget)
        _ = holding.set(to: 1000)
        #expect(holding.weight(on: ByteBudget(limit: 1), at: second, unread: 0) == 0)
    }
}
