import Testing

@testable import WMPEngine

@Suite("A budget of bytes")
struct ByteBudgetTests {
    @Test("tells when more is held than it allows, and no longer when that is let go")
    func holding() {
        let budget = ByteBudget(limit: 1000)
        var holding = Holding(budget)
        #expect(holding.set(to: 1000, at: 0) == nil)
        #expect(holding.set(to: 1001, at: 0) === budget && budget.isExceeded)
        #expect(holding.set(to: 900, at: 0) == nil && !budget.isExceeded)
        #expect(budget.current == 900)
    }

    @Test("tells of the outermost budget that is exceeded")
    func nested() {
        let engine = ByteBudget(limit: 1500)
        let sessions = [ByteBudget(limit: 1000, within: engine), ByteBudget(limit: 1000, within: engine)]
        var first = Holding(sessions[0])
        var second = Holding(sessions[1])
        #expect(first.set(to: 1000, at: 0) == nil)
        #expect(second.set(to: 600, at: 0) === engine)
        #expect(first.set(to: 0, at: 0) == nil)
        #expect(second.set(to: 1001, at: 0) === sessions[1])
        #expect(sessions[1].belongs(to: engine) && !sessions[1].belongs(to: sessions[0]))
    }

    @Test("has back what was held by whoever is gone")
    func goneHolder() {
        let engine = ByteBudget(limit: 1000)
        let session = ByteBudget(limit: 1000, within: engine)
        do {
            var holding = Holding(session)
            _ = holding.set(to: 700, at: 0)
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

    @Test("weighs readers by how long they will take: one that stalls, and one that trickles, most")
    func weight() {
        let budget = ByteBudget(limit: 1 << 30)
        let second: Int64 = 1_000_000_000
        func weight(waiting: Int, taking rate: Int, silentFor silence: Int64 = 0) -> Int {
            var holding = Holding(budget)
            _ = holding.set(to: waiting, at: 0)
            for tick in 1...100 { holding.noteTaken(rate / 10, at: Int64(tick) * second / 10) }
            return holding.weight(on: budget, at: 10 * second + silence)
        }
        let honest = weight(waiting: 4 << 20, taking: 4 << 20)
        #expect(weight(waiting: 256 << 10, taking: 0) > 5 * honest)
        #expect(weight(waiting: 256 << 10, taking: 100) > 5 * honest)
        #expect(weight(waiting: 4 << 20, taking: 4 << 20, silentFor: 10 * second) > 5 * honest)
        // What fills the system's buffers is not taken; and who has just come has taken nothing for a second.
        var newcomer = Holding(budget)
        _ = newcomer.set(to: 256 << 10, at: 0, unread: 100_000)
        newcomer.noteTaken(4 << 20, at: second / 20)
        #expect(newcomer.weight(on: budget, at: second / 20, unread: 4_200_000) > honest)
        // Who has next to nothing waiting frees next to nothing.
        #expect(weight(waiting: 100, taking: 0) < honest)
        #expect(Holding(budget).weight(on: budget, at: second) == 0)
        let other = ByteBudget(limit: 1)
        var holding = Holding(budget)
        _ = holding.set(to: 1000, at: 0)
        #expect(holding.weight(on: other, at: second) == 0)
    }
}
