/// Finds the name somebody probably meant.
package enum NearestName {
    /// With more candidates a search for each mistake would take too long, and a list would help nobody.
    private static let maxCandidates = 5000

    /// The candidate with the fewest edits to `name`; nil when none is near enough to be a typing error.
    package static func of(_ name: String, in candidates: some Collection<String>) -> String? {
        let wanted = Array(name.lowercased().unicodeScalars.map { $0 == "-" ? "_" : $0 })
        // Long input is no typing error, and the distance below is quadratic.
        guard !wanted.isEmpty, wanted.count <= 64, candidates.count <= maxCandidates else { return nil }
        var best: (name: String, distance: Int)?
        for candidate in candidates where candidate != name {
            let letters = Array(candidate.lowercased().unicodeScalars.map { $0 == "-" ? "_" : $0 })
            let shorter = min(wanted.count, letters.count)
            // Of one or two letters nothing is left after an edit; three or more may be a word cut short.
            let isCutShort = shorter >= 3 && letters.starts(with: wanted)
            let allowed = isCutShort ? letters.count : shorter < 3 ? 0 : shorter / 3
            guard abs(letters.count - wanted.count) <= allowed else { continue }
            let distance = distance(wanted, letters)
            guard distance <= allowed else { continue }
            if let current = best, (current.distance, current.name) <= (distance, candidate) { continue }
            best = (candidate, distance)
        }
        return best?.name
    }

    /// Insertions, deletions, substitutions and swaps of neighbours that turn one into the other.
    private static func distance(_ left: [Unicode.Scalar], _ right: [Unicode.Scalar]) -> Int {
        var beforeLast = [Int](repeating: 0, count: right.count + 1)
        var last = Array(0...right.count)
        for row in 1...max(left.count, 1) where row <= left.count {
            var current = [Int](repeating: row, count: right.count + 1)
            for column in 1...max(right.count, 1) where column <= right.count {
                let isSame = left[row - 1] == right[column - 1]
                var edits = min(last[column] + 1, current[column - 1] + 1, last[column - 1] + (isSame ? 0 : 1))
                if row > 1, column > 1, left[row - 1] == right[column - 2], left[row - 2] == right[column - 1] {
                    edits = min(edits, beforeLast[column - 2] + 1)
                }
                current[column] = edits
            }
            beforeLast = last
            last = current
        }
        return last[right.count]
    }

    /// `did you mean "x"?`, or the list when it is short, or nothing.
    package static func hint(_ name: String, in candidates: some Collection<String>, what: String) -> String? {
        if let nearest = of(name, in: candidates) { return "did you mean \"\(nearest)\"?" }
        guard !candidates.isEmpty, candidates.count <= maxCandidates else { return nil }
        let sorted = candidates.sorted()
        let shown = sorted.prefix(24).joined(separator: ", ")
        return "\(what): \(shown)\(sorted.count > 24 ? ", ..." : "")"
    }
}
