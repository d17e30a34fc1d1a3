import Testing

@testable import WMPWire

/// `Tests/vectors/credit.txt` has the arithmetic step by step; here is what holds for any steps.
@Suite("Credit")
struct CreditWindowTests {
    @Test("charges a frame its bytes, and at least 64")
    func charge() {
        #expect([0, 1, 63, 64, 65, 131_072].map(SendWindow.charge) == [64, 64, 64, 64, 65, 131_072])
    }

    @Test("is told when a quarter of the window is owed, not before")
    func portions() throws {
        var window = ReceiveWindow(size: 1000)
        try window.take(600)
        #expect(window.available == 400)
        #expect(window.consume(249) == 0)
        #expect(window.consume(1) == 250)
        #expect(window.available == 650)
        #expect(window.consume(350) == 350)
        #expect(window.available == 1000)
    }

    @Test("gives back what a small frame cost beyond its bytes")
    func overhead() throws {
        var window = ReceiveWindow(size: 256)
        try window.take(1)
        #expect(window.available == 192)
        #expect(window.consume(1) == 64)
        #expect(window.available == 256)
    }

    @Test("is at most 16 MiB and never nothing")
    func growth() throws {
        var window = SendWindow(initial: ProtocolLimits.initialWindow)
        #expect(throws: ProtocolViolation.self) { try window.grow(by: 0) }
        #expect(throws: ProtocolViolation.self) { try window.grow(by: .max) }
        try window.grow(by: UInt32(ProtocolLimits.maxWindow - ProtocolLimits.initialWindow))
        #expect(window.available == ProtocolLimits.maxWindow)
        #expect(throws: ProtocolViolation.self) { try window.grow(by: 1) }
        #expect(window.available == ProtocolLimits.maxWindow, "a violation changes nothing")
    }

    @Test("is the same in both ends' accounts, whatever is sent, lost time on its way and consumed")
    func accountsAgree() throws {
        var random = SeededRandom()
        for round in 0..<200 {
            let size = [64, 100, 1000, 65_536, ProtocolLimits.initialWindow].randomElement(using: &random) ?? 64
            var sending = SendWindow(initial: size)
            var receiving = ReceiveWindow(size: size)
            var frames: [Int] = []
            var credits: [UInt32] = []
            var held = 0
            var lowest = 0
            func context() -> Comment { "seed \(random.seed), round \(round), window \(size)" }
            for _ in 0..<500 {
                switch Int.random(in: 0..<4, using: &random) {
                case 0:
                    guard sending.available > 0 else { continue }
                    let most = Bool.random(using: &random) ? min(sending.available, 80) : sending.available
                    let frame = Int.random(in: 1...most, using: &random)
                    sending.use(frame)
                    frames.append(frame)
                    lowest = min(lowest, sending.available)
                case 1:
                    guard !frames.isEmpty else { continue }
                    let frame = frames.removeFirst()
                    try receiving.take(frame)
                    held += frame
                    #expect(held <= size, context())
                case 2:
                    let count = Int.random(in: 0...held, using: &random)
                    held -= count
                    let credit = receiving.consume(count)
                    if credit > 0 { credits.append(credit) }
                default:
                    guard !credits.isEmpty else { continue }
                    try sending.grow(by: credits.removeFirst())
                    #expect(sending.available <= size, context())
                }
                let onTheWay = frames.reduce(0) { $0 + SendWindow.charge($1) }
                let granted = credits.reduce(0) { $0 + Int($1) }
                #expect(sending.available + granted == receiving.available - onTheWay, context())
            }
            #expect(lowest > -ProtocolLimits.minDataCharge, context())
            // At rest nobody waits for ever: all but less than a quarter is granted again.
            for frame in frames {
                try receiving.take(frame)
                held += frame
            }
            let last = receiving.consume(held)
            if last > 0 { credits.append(last) }
            for credit in credits { try sending.grow(by: credit) }
            #expect(sending.available == receiving.available, context())
            #expect(sending.available > size - max(size / 4, 1), context())
        }
    }
}
