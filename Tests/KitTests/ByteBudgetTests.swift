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
}
