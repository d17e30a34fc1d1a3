import Synchronization
import WMPWire

/// What all of a server's loops know of a session: who it is, where it has lanes, what it may still cost.
///
/// @unchecked Sendable: `lastShard` is confined to the first loop, the rest is set at first, or is atomic.
final class SharedSession: @unchecked Sendable {
    let number: UInt64
    /// Names the session to lanes that join it.
    let token: [UInt8]
    let identity: Identity
    let grant: Grant
    /// Streams on all its lanes.
    let streams = SharedCount()
    let budget: ByteBudget
    /// How fast it may go; set before its first lane is up. nil: as fast as it can.
    var pace: Pace?
    /// Where its last visitor went, of those whose port tells who serves them.
    var lastShard = 0
    private let revoked = Atomic<Bool>(false)
    /// A bit for each shard that has lanes of it.
    private let shards = Atomic<UInt64>(0)
    /// A bit for each shard on which all lanes of it owe an answer: visitors go elsewhere if they can.
    private let silentShards = Atomic<UInt64>(0)

    init(number: UInt64, token: [UInt8], identity: Identity, grant: Grant, budget: ByteBudget) {
        (self.number, self.token, self.identity) = (number, token, identity)
        (self.grant, self.budget) = (grant, budget)
    }

    /// Its grant was withdrawn: from here on no stream is opened for it, on any loop.
    var isRevoked: Bool { revoked.load(ordering: .relaxed) }
    func revoke() { revoked.store(true, ordering: .relaxed) }

    /// On the shard's loop: it has lanes now, or none any more.
    func setLanes(_ hasLanes: Bool, onShard index: Int) { Self.set(shards, index, hasLanes) }

    /// On the shard's loop: all its lanes are silent now, or not any more.
    func setSilent(_ isSilent: Bool, onShard index: Int) { Self.set(silentShards, index, isSilent) }

    private static func set(_ mask: borrowing Atomic<UInt64>, _ index: Int, _ isSet: Bool) {
        if isSet {
            mask.bitwiseOr(1 << UInt64(index), ordering: .relaxed)
        } else {
            mask.bitwiseAnd(~(1 << UInt64(index)), ordering: .relaxed)
        }
    }

    func hasLanes(onShard index: Int) -> Bool { shards.load(ordering: .relaxed) & (1 << UInt64(index)) != 0 }

    /// It has lanes elsewhere from which more is to be expected.
    func isBetterServedElsewhere(thanOnShard index: Int) -> Bool {
        let silent = silentShards.load(ordering: .relaxed)
        return silent & (1 << UInt64(index)) != 0 && shards.load(ordering: .relaxed) & ~silent != 0
    }

    /// The first shard with a lane from `index` on, going round, if there is a choice one that is not silent; nil if
    /// there is none.
    func shard(from index: Int) -> Int? {
        let all = shards.load(ordering: .relaxed)
        guard all != 0 else { return nil }
        let heard = all & ~silentShards.load(ordering: .relaxed)
        let mask = heard != 0 ? heard : all
        let behind = index < UInt64.bitWidth ? (mask >> UInt64(index)) << UInt64(index) : 0
        return (behind != 0 ? behind : mask).trailingZeroBitCount
    }
}

/// Who a session belongs to: what it holds, another of the same identity may take over, and nobody else.
///
/// By the bytes of both: in Swift some texts are equal whose bytes differ.
struct Identity: Hashable, Sendable {
    let clientID: String
    let principal: String

    static func == (one: Identity, other: Identity) -> Bool {
        one.clientID.utf8.elementsEqual(other.clientID.utf8) && one.principal.utf8.elementsEqual(other.principal.utf8)
    }

    func hash(into hasher: inout Hasher) {
        for text in [clientID, principal] { hasher.combine(Array(text.utf8)) }
    }
}
