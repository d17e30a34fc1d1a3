import Glibc
import Testing

@testable import WMPIO

/// Waits for something that another thread does, with a deadline instead of a guess.
final class Arrival: @unchecked Sendable {
    private let monitor = Monitor()
    private var count = 0

    func mark() {
        monitor.locked {
            count += 1
            monitor.signal()
        }
    }

    /// false: `wanted` marks did not come within a minute.
    func reaches(_ wanted: Int) -> Bool {
        let deadline = Deadline(after: 60_000)
        return monitor.locked {
            while count < wanted { guard monitor.wait(until: deadline) else { return false } }
            return true
        }
    }
}

@Suite("A loop")
struct LoopTests {
    @Test("runs what is submitted from other threads, in order, on its own")
    func submitted() throws {
        let loop = try Loop(index: 0, name: "test-loop")
        let arrival = Arrival()
        nonisolated(unsafe) var seen: [Int] = []
        for number in 0..<1000 {
            loop.submit {
                #expect(loop.isCurrent)
                seen.append(number)
                arrival.mark()
            }
        }
        #expect(arrival.reaches(1000))
        #expect(loop.stop(within: 2000))
        #expect(seen == Array(0..<1000))
    }

    @Test("refuses work once it has stopped")
    func stopped() throws {
        let loop = try Loop(index: 0, name: "test-loop")
        #expect(loop.stop(within: 2000))
        #expect(!loop.submit { Issue.record("ran after the stop") })
    }

    @Test("blocks every signal on its thread")
    func signals() throws {
        let loop = try Loop(index: 0, name: "test-loop")
        let arrival = Arrival()
        loop.submit {
            var mask = sigset_t()
            pthread_sigmask(SIG_BLOCK, nil, &mask)
            for signal in [SIGINT, SIGTERM, SIGPIPE, SIGHUP, SIGCHLD] { #expect(sigismember(&mask, signal) == 1) }
            arrival.mark()
        }
        #expect(arrival.reaches(1))
        #expect(loop.stop(within: 2000))
    }

    @Test("fires timers in the order of their deadlines, moved ones at the later time, cancelled ones never")
    func timers() throws {
        let loop = try Loop(index: 0, name: "test-loop")
        let arrival = Arrival()
        nonisolated(unsafe) var fired: [String] = []
        nonisolated(unsafe) var timers: [Timer] = []
        loop.submit {
            func timer(_ name: String, _ milliseconds: Int) -> Timer {
                let timer = Timer(on: loop) {
                    fired.append(name)
                    arrival.mark()
                }
                timer.set(after: milliseconds)
                timers.append(timer)
                return timer
            }
            _ = timer("third", 30)
            _ = timer("first", 5)
            let moved = timer("second", 1)
            moved.set(after: 15)
            timer("never", 10).cancel()
            timer("never either", 10).unset()
            let earlier = timer("fourth", 5000)
            earlier.set(after: 45)
        }
        #expect(arrival.reaches(4))
        #expect(loop.stop(within: 2000))
        #expect(fired == ["first", "second", "third", "fourth"])
    }

    @Test("lets go of what its timers hold when it ends, also of what holds the timer")
    func timersEnd() throws {
        final class Owner: @unchecked Sendable {
            var timer: Timer?
            let other: Timer
            init(on loop: Loop) { other = Timer(on: loop) {} }
            deinit { other.cancel() }
            func expire() {}
        }
        let loop = try Loop(index: 0, name: "test-loop")
        nonisolated(unsafe) weak var seen: Owner?
        let arrival = Arrival()
        loop.submit {
            let owner = Owner(on: loop)
            seen = owner
            owner.timer = Timer(on: loop) { owner.expire() }
            owner.timer?.set(after: 60_000)
            owner.other.set(after: 70_000)
            arrival.mark()
        }
        #expect(arrival.reaches(1))
        #expect(seen != nil)
        #expect(loop.stop(within: 2000))
        #expect(seen == nil)
    }
}

@Suite("A loop's load")
struct LoopLoadTests {
    @Test("is the part of the time in which it did not wait, on a machine that has run for long too")
    func load() {
        for start in [0, Int64.max / 2] {
            var load = LoopLoad(from: start)
            #expect(load.percent(at: start) == 0)
            var now = start
            for _ in 0..<100 {
                now += 4_000_000
                load.note(waited: 3_000_000, until: now)
            }
            #expect((24...26).contains(load.percent(at: now)))
            // One long wait, and one long turn.
            load.note(waited: 3_600_000_000_000, until: now + 3_600_000_000_000)
            #expect(load.percent(at: now + 3_600_000_000_000) <= 1)
            #expect(load.percent(at: now + 7_200_000_000_000) == 100)
        }
    }
}
