/// Finds, on several loops, the one place where most waits, and has it cut off.
///
/// Confined to the first loop, but for what `on` and `cut` do.
final class Shedding<Place>: @unchecked Sendable {
    private let places: [Place]
    private let budget: ByteBudget
    private var unanswered: Int
    private var best: (place: Place, bytes: Int)?

    init(_ places: [Place], _ budget: ByteBudget) {
        (self.places, self.budget, unanswered) = (places, budget, places.count)
    }

    /// - Parameters:
    ///   - on: runs something on a place's loop.
    ///   - home: runs something on the first loop.
    ///   - most: the most that waits for one at a place, bytes.
    ///   - cut: cuts that one off.
    ///   - again: begins anew; called when that was not enough.
    func run(
        on: @escaping (Place, @escaping (Place) -> Void) -> Void, home: @escaping (@escaping () -> Void) -> Void,
        most: @escaping (Place) -> Int, cut: @escaping (Place) -> Void, again: @escaping () -> Void
    ) {
        guard !places.isEmpty else { return budget.endShedding() }
        for place in places {
            on(place) { place in
                let bytes = most(place)
                home { [self] in
                    unanswered -= 1
                    if bytes > best?.bytes ?? 0 { best = (place, bytes) }
                    guard unanswered == 0 else { return }
                    guard let best else { return budget.endShedding() }
                    on(best.place) { [budget] place in
                        cut(place)
                        budget.endShedding()
                        if budget.isExceeded { again() }
                    }
                }
            }
        }
    }
}
