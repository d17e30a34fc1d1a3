import WMPIO

/// A part of a server or client, on one loop, with those for whom something waits in memory.
protocol Sheddable: AnyObject, Sendable {
    var loop: Loop { get }
    /// The most that waits for one of them on the account of `budget`, bytes. On `loop`.
    func mostHeld(within budget: ByteBudget) -> Int
    /// Cuts that one off; the others go on. On `loop`.
    func cutOffGreediest(within budget: ByteBudget)
}

/// Finds, on several loops, the one for whom most waits, and has him cut off.
///
/// @unchecked Sendable: confined to `home`.
final class Shedding: @unchecked Sendable {
    private let places: [any Sheddable]
    private let budget: ByteBudget
    private let home: Loop
    /// Begins anew, if that was not enough. Keeps whoever the places belong to.
    private let again: () -> Void
    private var unanswered: Int
    private var best: (place: any Sheddable, bytes: Int)?

    init(_ places: [any Sheddable], _ budget: ByteBudget, on home: Loop, again: @escaping () -> Void) {
        (self.places, self.budget, self.home, self.again) = (places, budget, home, again)
        unanswered = places.count
    }

    func run() {
        guard !places.isEmpty else { return budget.endShedding() }
        for place in places {
            place.loop.run { [self] in
                let bytes = place.mostHeld(within: budget)
                home.run { [self] in heard(bytes, from: place) }
            }
        }
    }

    private func heard(_ bytes: Int, from place: any Sheddable) {
        unanswered -= 1
        if bytes > best?.bytes ?? 0 { best = (place, bytes) }
        guard unanswered == 0 else { return }
        guard let place = best?.place else { return budget.endShedding() }
        place.loop.run { [self] in
            place.cutOffGreediest(within: budget)
            budget.endShedding()
            if budget.isExceeded { again() }
        }
    }
}
