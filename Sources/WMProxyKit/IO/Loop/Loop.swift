import CWMProxyShims
import Glibc
import Synchronization

/// Something with a descriptor that a loop watches.
package protocol Pollable: AnyObject {
    /// The descriptor became ready; edge-triggered unless it was added by level.
    func ready(_ readiness: Readiness)
    /// The loop ends: close the descriptor, and let go of whoever is told about it.
    func loopEnded()
}

/// What epoll reported.
package struct Readiness: OptionSet, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let readable = Readiness(rawValue: UInt32(wmps_readable))
    package static let writable = Readiness(rawValue: UInt32(wmps_writable))
    package static let halfClosed = Readiness(rawValue: UInt32(wmps_half_closed))
    package static let hangup = Readiness(rawValue: UInt32(wmps_hangup))
    package static let failed = Readiness(rawValue: UInt32(wmps_failed))
    /// TCP's urgent mark: a read stops there, and a short one says nothing.
    package static let urgent = Readiness(rawValue: UInt32(wmps_urgent))
}

/// Work that is gathered while a turn goes on and done once at its end.
package protocol Flushable: AnyObject {
    func flush()
}

/// One thread, one epoll, one timer queue, one inbox. What lives on a loop is touched by its thread alone.
///
/// `submit` is the only way in from outside. @unchecked Sendable: everything but the inbox is confined to the loop's
/// thread.
package final class Loop: @unchecked Sendable {
    /// Its number in the engine.
    package let index: Int
    /// Monotonic nanoseconds, read once a turn.
    package private(set) var now = wmps_monotonic_ns()
    /// How busy it was of late, in percent of the time.
    package var loadPercent: Int { load.percent(at: now) }
    private var load = LoopLoad(from: wmps_monotonic_ns())
    /// Where all reads of this loop go; valid until the next one.
    package let scratch: UnsafeMutableRawBufferPointer
    /// Ciphertext on its way into and out of libssl.
    let sealed: UnsafeMutableRawBufferPointer
    let sealedOutput: UnsafeMutableRawBufferPointer
    var timers = TimerQueue()

    package static let scratchSize = 256 * 1024

    private let epoll: Int32
    private let wakeup: Int32
    private var thread: OpaquePointer?
    private var watched: [(handler: (any Pollable)?, generation: UInt32)] = []
    private var flushes: [any Flushable] = []
    /// Those being flushed now; kept for its memory.
    private var flushing: [any Flushable] = []
    private var laterJobs: [() -> Void] = []
    private var isRunning = true
    private var trimTimer: Timer?
    /// The inbox's signal has been taken in this turn.
    private var isDrained = false

    private struct Inbox: Sendable {
        var jobs: [Job] = []
        var isClosed = false
    }
    /// @unchecked Sendable: handed over once, run by the loop's thread alone.
    private struct Job: @unchecked Sendable {
        let run: () -> Void
    }
    private let inbox = Guarded(Inbox())
    private let isSignalled = Atomic<Bool>(false)

    package init(index: Int, name: String) throws(SystemError) {
        self.index = index
        epoll = try System.epollCreate()
        do {
            wakeup = try System.eventDescriptor()
        } catch {
            System.close(epoll)
            throw error
        }
        scratch = .allocate(byteCount: Self.scratchSize, alignment: 64)
        sealed = .allocate(byteCount: Self.scratchSize, alignment: 64)
        // Room for a whole scratch in records of 16 KiB, each a little longer than its plaintext.
        sealedOutput = .allocate(byteCount: Self.scratchSize + 32 * 1024, alignment: 64)
        try System.epollAdd(epoll, wakeup, token: Self.wakeupToken, level: true)
        let code = wmps_thread_start(
            name,
            { context in
                guard let context else { return }
                Unmanaged<Loop>.fromOpaque(context).takeRetainedValue().run()
            },
            Unmanaged.passRetained(self).toOpaque(), &thread)
        guard code == 0 else {
            Unmanaged.passUnretained(self).release()
            throw SystemError("pthread_create", code)
        }
    }

    deinit {
        System.close(epoll)
        System.close(wakeup)
        scratch.deallocate()
        sealed.deallocate()
        sealedOutput.deallocate()
    }

    /// This thread is the loop's. Any thread may ask, also while the loop is being stopped.
    package var isCurrent: Bool { wmps_mark() == UnsafeRawPointer(Unmanaged.passUnretained(self).toOpaque()) }

    // MARK: From any thread

    /// Has `job` run on the loop's thread, after the turn in progress. false: the loop has stopped, and it never will
    /// be.
    @discardableResult
    package func submit(_ job: @escaping () -> Void) -> Bool {
        let job = Job(run: job)
        let isOpen = inbox.withLock { inbox in
            if !inbox.isClosed { inbox.jobs.append(job) }
            return !inbox.isClosed
        }
        if isOpen, !isSignalled.exchange(true, ordering: .acquiringAndReleasing) { System.signal(wakeup) }
        return isOpen
    }

    /// Runs `job` at once if this is the loop's thread; otherwise submits it.
    package func run(_ job: @escaping () -> Void) {
        if isCurrent { job() } else { submit(job) }
    }

    /// Ends the thread after the turn in progress and waits for it, at most `milliseconds`. false: it was not in time.
    package func stop(within milliseconds: Int32) -> Bool {
        submit { self.isRunning = false }
        guard let thread else { return true }
        if isCurrent {
            // The last reference to the engine went on its own loop.
            isRunning = false
            wmps_thread_detach(thread)
            self.thread = nil
            return true
        }
        guard wmps_thread_join(thread, milliseconds) == 0 else { return false }
        self.thread = nil
        return true
    }

    // MARK: On the loop

    /// Watches a descriptor: edge-triggered in both directions, or for level-triggered reading (listeners).
    package func watch(_ fd: Int32, _ handler: any Pollable, level: Bool = false) throws(SystemError) {
        let slot = Int(fd)
        while watched.count <= slot { watched.append((nil, 0)) }
        let generation = watched[slot].generation &+ 1
        watched[slot] = (handler, generation)
        do {
            try System.epollAdd(epoll, fd, token: UInt64(generation) << 32 | UInt64(slot), level: level)
        } catch {
            watched[slot].handler = nil
            throw error
        }
    }

    /// Forgets a descriptor. Events already fetched for it are dropped, even if its number is used anew meanwhile.
    package func unwatch(_ fd: Int32) {
        guard Int(fd) < watched.count else { return }
        watched[Int(fd)].handler = nil
        System.epollRemove(epoll, fd)
    }

    /// Has `flushable.flush` called once, when all that is ready now has been handled.
    package func flushLater(_ flushable: any Flushable) {
        flushes.append(flushable)
    }

    /// Runs `job` in the next turn, after what is ready then: the way to go on with long work without keeping others
    /// waiting.
    package func later(_ job: @escaping () -> Void) {
        laterJobs.append(job)
    }

    /// Much was in use on this loop and no longer is: in a second, what the allocator keeps of it goes back to the
    /// system.
    package func trimLater() {
        let timer = trimTimer ?? Timer(on: self) { System.trimMemory() }
        trimTimer = timer
        timer.set(after: 1000)
    }

    // MARK: The thread

    private static let wakeupToken = UInt64.max
    private static let batch = 256

    private func run() {
        wmps_set_mark(Unmanaged.passUnretained(self).toOpaque())
        let events = UnsafeMutableBufferPointer<wmps_event>.allocate(capacity: Self.batch)
        defer { events.deallocate() }
        while isRunning {
            let timeout = laterJobs.isEmpty ? timers.timeout(now: now) : 0
            let waitsFrom = wmps_monotonic_ns()
            let count = wmps_epoll_wait(epoll, events.baseAddress, Int32(Self.batch), timeout)
            now = wmps_monotonic_ns()
            load.note(waited: now - waitsFrom, until: now)
            // First what was submitted before something became ready: a loop that changes what others go by, and then
            // has a peer act on it, is not overtaken by that peer.
            isDrained = false
            for index in 0..<Int(max(0, count)) {
                runInboxIfSignalled()
                dispatch(events[index])
            }
            runInboxIfSignalled()
            runLaterJobs()
            while let action = timers.popDue(now: now) { action() }
            // Flushing may free room that lets streams send more, to be flushed in turn.
            while !flushes.isEmpty {
                swap(&flushes, &flushing)
                for flushable in flushing { flushable.flush() }
                flushing.removeAll(keepingCapacity: true)
            }
        }
        let rest = inbox.withLock { inbox in
            inbox.isClosed = true
            defer { inbox.jobs = [] }
            return inbox.jobs
        }
        for job in rest { job.run() }
        // What is left refers back to this loop, and to itself in circles.
        for entry in watched { entry.handler?.loopEnded() }
        watched.removeAll()
        laterJobs.removeAll()
        flushes.removeAll()
        let timersLeft = timers.takeAll()
        for timer in timersLeft { timer.loopEnded() }
    }

    @inline(__always)
    private func dispatch(_ event: wmps_event) {
        guard event.token != Self.wakeupToken else {
            // Signalled and served before, but the signal itself came after that.
            if !isDrained { System.drain(wakeup) }
            return
        }
        let slot = Int(event.token & 0xFFFF_FFFF)
        guard slot < watched.count, watched[slot].generation == UInt32(truncatingIfNeeded: event.token >> 32),
            let handler = watched[slot].handler
        else { return }
        handler.ready(Readiness(rawValue: event.events))
    }

    @inline(__always)
    private func runInboxIfSignalled() {
        if isSignalled.load(ordering: .acquiring) { runInbox() }
    }

    private func runInbox() {
        System.drain(wakeup)
        isDrained = true
        // Cleared before the jobs are taken: a job submitted after that signals anew.
        isSignalled.store(false, ordering: .sequentiallyConsistent)
        let jobs = inbox.withLock { inbox in
            let jobs = inbox.jobs
            inbox.jobs.removeAll(keepingCapacity: jobs.count < 64)
            return jobs
        }
        for job in jobs { job.run() }
    }

    private func runLaterJobs() {
        guard !laterJobs.isEmpty else { return }
        let jobs = laterJobs
        laterJobs.removeAll(keepingCapacity: true)
        for job in jobs {
            runInboxIfSignalled()
            job()
        }
    }
}

/// What part of the last tenth of a second or two a loop did not wait.
struct LoopLoad {
    private var since: Int64
    private var waited: Int64 = 0
    private var last = 0

    private static let period: Int64 = 100_000_000

    init(from now: Int64) { since = now }

    mutating func note(waited time: Int64, until now: Int64) {
        waited += time
        guard now - since >= Self.period else { return }
        last = percent(at: now)
        (since, waited) = (now, 0)
    }

    func percent(at now: Int64) -> Int {
        let elapsed = now - since
        guard elapsed >= Self.period / 4 else { return last }
        return Int(max(0, elapsed - waited) / (elapsed / 100))
    }
}
