/// Weighted round robin by earliest deadline: every member is due again 1/weight after its last turn, and the one due first is
/// next. Turns of a member are as far apart as its weight allows, and a weight may change between two turns.
struct DeadlineHeap {
    /// A binary heap, the earliest first.
    private var entries: [(due: Double, member: Int32)]

    /// - Parameter phase: of a member, 0 to 1: how far into its first wait it is. Random, so that workers and new sets do not all
    ///   begin with the same member.
    init(_ members: [Int32], weight: (Int32) -> Double, phase: () -> Double) {
        entries = members.map { (phase() / max(weight($0), Self.least), $0) }
        // Ascending order is a heap.
        entries.sort { $0.due < $1.due }
    }

    private static let least = 0.000_001

    /// The next member; there must be one.
    /// - Complexity: O(log n).
    mutating func next(weight: (Int32) -> Double) -> Int32 {
        let top = entries[0]
        let moved = (due: top.due + 1 / max(weight(top.member), Self.least), member: top.member)
        var hole = 0
        while true {
            var child = 2 * hole + 1
            guard child < entries.count else { break }
            if child + 1 < entries.count, entries[child + 1].due < entries[child].due { child += 1 }
            guard entries[child].due < moved.due else { break }
            entries[hole] = entries[child]
            hole = child
        }
        entries[hole] = moved
        return top.member
    }
}
