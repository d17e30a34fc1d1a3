import Synchronization
import WMPWire

/// What all of a server's loops know of a session: who it is, where it has lanes, what it may still cost.
///
/// @unchecked Sendable: `lastShard` is confined to the first loop, the rest never changes or is atomic.
final class SharedSession: @unchecked Sendable {
    let number: UInt64
    /// Names the session to lanes that join it.
    let token: [UInt8]
    let identity: Identity
    /// Streams on all its lanes.
    let streams = SharedCount()
    let budget: ByteBudget
    /// Where its last visitor went, of those whose port tells who serves them.
    var lastShard = 0
    /// A bit for each shard that has lanes of it.
    private let shards = Atomic<UInt64>(0)

    init(number: UInt64, token: [UInt8], identity: Identity, budget: ByteBudget) {
        (self.number, self.token, self.identity, self.budget) = (number, token, identity, budget)
    }

    /// On the shard's loop: it has lanes now, or none any more.
    func setLanes(_ hasLanes: Bool, onShard index: Int) {
        if hasLanes {
            shards.bitwiseOr(1 << UInt64(index), ordering: .relaxed)
        } else {
            shards.bitwiseAnd(~(1 << UInt64(index)), ordering: .relaxed)
        }
    }

    func hasLanes(onShard index: Int) -> Bool { shards.load(ordering: .relaxed) & (1 << UInt64(index)) != 0 }

    /// The first shard with a lane from `index` on, going round; nil if there is none.
    func shard(from index: Int) -> Int? {
        let mask = shards.load(ordering: .relaxed)
        guard mask != 0 else { return nil }
        let behind = index < UInt64.bitWidth ? (mask >> UInt64(index)) << UInt64(index) : 0
        return (behind != 0 ? behind : mask).trailingZeroBitCount
    }
}

/// Who a session belongs to: what it holds, another of the same identity may take over, and nobody else.
struct Identity: Hashable, Sendable {
    let clientID: String
    let principal: String
}
