/// Finds the word that somebody meant who wrote another one.
enum NearestKey {
    /// The one of `candidates` that is near enough to `word` to be worth asking for; nil if none is.
    static func find(_ word: String, among candidates: [String]) -> String? {
        let wanted = normalized(word)
        guard (2...64).contains(wanted.count) else { return nil }
        let farthest = max(1, min(3, wanted.count / 3))
        var best: (name: String, distance: Int)?
        for candidate in candidates {
            let bytes = Array(candidate.utf8)
            // Somebody who stops early (`bind` for `bind_addr`) is near whatever the distance says.
            let isBeginning = wanted.count >= 3 && bytes.starts(with: wanted)
            guard isBeginning || abs(wanted.count - bytes.count) <= farthest else { continue }
            let distance = isBeginning ? farthest : distance(wanted, bytes)
            if distance <= farthest, distance < best?.distance ?? .max { best = (candidate, distance) }
        }
        return best?.name
    }

    /// Letter case and the choice of separator are no distance.
    private static func normalized(_ word: String) -> [UInt8] {
        word.lowercased().utf8.map { $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: " ") ? UInt8(ascii: "_") : $0 }
    }

    /// Optimal string alignment: insertions, deletions, substitutions and swapped neighbours count one each.
    private static func distance(_ one: [UInt8], _ other: [UInt8]) -> Int {
        var beforePrevious: [Int] = []
        var previous = Array(0...other.count)
        for i in one.indices {
            var current = [i + 1]
            for j in other.indices {
                let cost = one[i] == other[j] ? 0 : 1
                var least = min(previous[j + 1] + 1, current[j] + 1, previous[j] + cost)
                if i > 0, j > 0, one[i] == other[j - 1], one[i - 1] == other[j] {
                    least = min(least, beforePrevious[j - 1] + 1)
                }
                current.append(least)
            }
            (beforePrevious, previous) = (previous, current)
        }
        return previous[other.count]
    }
}
