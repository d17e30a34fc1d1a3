/// One byte stream with two independent directions inside a lane.
///
/// The floor above subclasses it: the hooks say what arrived, the methods send. A stream lives where its mux lives and
/// is not thread-safe. The mux keeps it alive until both directions have ended or one side has reset it.
open class MuxStream {
    package let id: UInt32
    package internal(set) final var mux: Mux?

    final var sendWindow: SendWindow
    final var receiveWindow: ReceiveWindow
    /// Our direction: no DATA after END.
    package internal(set) final var hasSentEnd = false
    /// The other direction.
    package internal(set) final var hasReceivedEnd = false
    private final var growth = WindowGrowth()
    /// By how much the window is wider than at the start: charged to the mux's budget.
    private final var widened = 0
    private final let budget: (any WindowBudget)?
    /// Stands in one of the mux's queues of streams that have something to send.
    final var isWaiting = false
    /// Sent since it last had nothing to send.
    private final var sentInTurn = 0

    package init(id: UInt32, mux: Mux) {
        self.id = id
        self.mux = mux
        sendWindow = SendWindow(initial: mux.peerWindow)
        receiveWindow = ReceiveWindow(size: mux.localWindow)
        budget = mux.budget
    }

    deinit { if widened > 0 { budget?.withdraw(widened) } }

    // MARK: What arrives

    /// The mux knows the stream: from here on it may send.
    open func start() {}
    /// Bytes of the stream, in order, borrowed for the call. Say `consumed` when they have been passed on.
    open func receive(_ bytes: UnsafeRawBufferPointer) {}
    /// The other side sends no more.
    open func receiveEnd() {}
    /// The stream is over before its time, refused, reset or its lane lost. Nothing may be sent, no hook is called any
    /// more.
    open func receiveReset(_ error: StreamError, _ explanation: String) {}
    /// The other side has taken the stream.
    open func receiveOpened() {}
    /// Bytes of `passedOn` that the reader has not taken yet.
    open var unread: Int { 0 }
    /// There is credit and room again after `prepareData` or `send` had none.
    open func canSend() {}

    // MARK: What is sent

    /// Is over: both directions ended, or reset.
    package final var isClosed: Bool { mux == nil }

    /// How many bytes may be sent now: 0 without credit or while the lane has no room. Then `canSend` follows.
    package final var sendable: Int {
        guard let mux, !hasSentEnd else { return 0 }
        guard sendWindow.available > 0 else { return 0 }
        guard mux.hasRoom else {
            mux.wait(self)
            return 0
        }
        return min(sendWindow.available, ProtocolLimits.maxData)
    }

    /// Sends so much that those who send little go first.
    final var isBulk: Bool { sentInTurn >= Self.bulk }
    private static let bulk = 16 * 1024

    /// There is nothing to send for now.
    package final func rest() { sentInTurn = 0 }

    /// Room in the lane's output for at most `sendable` bytes of this stream: written there by the caller, framed in
    /// place by `commitData`.
    package final func prepareData(_ size: Int) -> UnsafeMutableRawBufferPointer {
        guard let mux else { return UnsafeMutableRawBufferPointer(start: nil, count: 0) }
        let room = mux.output.reserve(size + FrameHeader.size)
        return UnsafeMutableRawBufferPointer(rebasing: room[FrameHeader.size..<FrameHeader.size + size])
    }

    /// Frames the `size` bytes just written into what `prepareData` returned; 0 leaves no trace.
    package final func commitData(_ size: Int) {
        guard let mux, size > 0 else { return }
        sendWindow.use(size)
        sentInTurn &+= size
        mux.commitFrame(.data, stream: id, length: size)
    }

    /// Sends as much of `bytes` as `sendable` allows and returns how much that was.
    package final func send(_ bytes: UnsafeRawBufferPointer) -> Int {
        var sent = 0
        while sent < bytes.count {
            let size = min(sendable, bytes.count - sent)
            guard size > 0 else { break }
            prepareData(size).copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[sent..<sent + size]))
            commitData(size)
            sent += size
        }
        return sent
    }

    /// Our direction is over; the other goes on.
    package final func sendEnd() {
        guard let mux, !hasSentEnd else { return }
        hasSentEnd = true
        mux.commitFrame(.end, stream: id)
        if hasReceivedEnd { mux.forget(self) }
    }

    /// Ends both directions at once; what is on its way is lost, and the other side hears that it is.
    package final func reset(_ error: StreamError) {
        guard let mux else { return }
        mux.write(.reset, stream: id, number: error.rawValue)
        mux.forget(self)
    }

    /// `count` received bytes are no longer needed here: the other side may send as many more.
    package final func consumed(_ count: Int) {
        guard let mux, !hasReceivedEnd else { return }
        let increment = receiveWindow.consume(count)
        if increment > 0 { mux.write(.credit, stream: id, number: increment) }
    }

    /// The same for bytes that a reader took at `now`, monotonic nanoseconds. The other side may send further ahead if
    /// that makes it faster.
    package final func passedOn(_ count: Int, at now: Int64) {
        guard let mux, !hasReceivedEnd else { return }
        var increment = receiveWindow.consume(count)
        if let width = growth.passedOn(
            count, of: receiveWindow.size, at: now, roundTrip: mux.roundTrip, unread: unread)
        {
            increment += widen(to: width, mux)
        }
        if increment > 0 { mux.write(.credit, stream: id, number: increment) }
    }

    /// Returns the credit to send now.
    private final func widen(to width: Int, _ mux: Mux) -> UInt32 {
        let more = min(width, mux.maxWindow) - receiveWindow.size
        // Steps of less are not worth a frame.
        guard more >= receiveWindow.size / 4, mux.budget?.promise(more) ?? true else { return 0 }
        widened += more
        return receiveWindow.widen(to: receiveWindow.size + more)
    }

    /// Accepts a stream the other side has opened.
    package final func sendOpened() {
        mux?.write(.opened, stream: id)
    }

    /// Refuses a stream the other side has opened.
    package final func refuse(_ error: StreamError, _ explanation: String) {
        guard let mux else { return }
        mux.refuse(id, error, explanation)
        mux.forget(self)
    }
}
