/// Streams that wait for their turn: first in, first out.
struct StreamQueue {
    private var streams: [MuxStream?] = []
    private var head = 0

    var count: Int { streams.count - head }
    var isEmpty: Bool { head == streams.count }

    mutating func append(_ stream: MuxStream) { streams.append(stream) }

    mutating func popFirst() -> MuxStream? {
        guard head < streams.count else { return nil }
        let first = streams[head]
        streams[head] = nil
        head += 1
        // What is behind moves seldom enough to cost nothing by the stream.
        if head == streams.count || head >= 64 && head * 2 >= streams.count {
            streams.removeFirst(head)
            head = 0
        }
        return first
    }

    mutating func removeClosed() {
        streams = streams[head...].filter { $0?.isClosed == false }
        head = 0
    }

    mutating func removeAll() { self = StreamQueue() }
}
