import WMPIO

/// A part of a server or client, on one loop, with those for whom something waits in memory.
protocol Sheddable: AnyObject, Sendable {
    var loop: Loop { get }
    /// The greatest `Holding.weight` among them. On `loop`.
    func heaviest(on budget: ByteBudget) -> Int
    /// Cuts that one off; the others go on. On `loop`.
    func cutOffHeaviest(on budget: ByteBudget)
}

/// Finds, on several loops, the one for whom most waits longest, and has him cut off.
///
/// @unchecked Sendable: confined to `home`.
final class Shedding: @unchecked Sendable {
    private let places: [any Sheddable]
    private let budget: ByteBudget
    private let home: Loop
    /// Begins anew, if that was not enough. Keeps whoever the places belong to.
    private let again: () -> Void
    private var unanswered: Int
    private var heaviest: (place: any Sheddable, weight: Int)?

    init(_ places: [any Sheddable], _ budget: ByteBudget, on home: Loop, again: @escaping () -> Void) {
        (self.places, self.budget, self.home, self.again) = (places, budget, home, again)
        unanswered = places.count
    }

    func run() {
        guard !places.isEmpty else { return budget.endShedding() }
        for place in places {
            place.loop.run { [self] in
                let weight = place.heaviest(on: budget)
                home.run { [self] in heard(weight, from: place) }
            }
        }
    }

    private func heard(_ weight: Int, from place: any Sheddable) {
        unanswered -= 1
        if weight > heaviest?.weight ?? 0 { heaviest = (place, weight) }
        guard unanswered == 0 else { return }
        guard let place = heaviest?.place else { return budget.endShedding() }
        place.loop.run { [self] in
            place.cutOffHeaviest(on: budget)
            budget.endShedding()
            if budget.isExceeded { again() }
        }
    }
}

extension Sequence {
    /// The one of the greatest weight that is not 0.
    func heaviest(_ weight: (Element) -> Int) -> (one: Element?, weight: Int) {
        var heaviest: (one: Element?, weight: Int) = (nil, 0)
        for one in self {
            let weight = weight(one)
            if weight > heaviest.weight { heaviest = (one, weight) }
        }
        return heaviest
    }
}
