internal import Synchronization

/// Runs by how many instructions they took, in a few wide buckets.
struct PolicyRunSizes {
    /// Upper ends of the buckets; the last has none.
    static let bounds: [UInt64] = [1000, 4000, 16_000, 64_000, 256_000, .max]
    var buckets = [UInt64](repeating: 0, count: Self.bounds.count)
    var most: UInt64 = 0

    var total: UInt64 { buckets.reduce(0, &+) }

    /// Upper end of the bucket that holds the run at this share of all.
    func percentile(_ share: Double) -> UInt64 {
        let total = Double(total)
        guard total > 0 else { return 0 }
        var seen: UInt64 = 0
        for (count, bound) in zip(buckets, Self.bounds) {
            seen += count
            if Double(seen) >= total * share { return bound }
        }
        return .max
    }
}

/// What one VM of a policy counts. It alone writes, so a count is a load and a store, no locked instruction; the admin API
/// reads from its own thread.
final class PolicyCounts: Sendable {
    private let isTaken = Atomic<Bool>(false)
    private let b0 = Atomic<UInt64>(0)
    private let b1 = Atomic<UInt64>(0)
    private let b2 = Atomic<UInt64>(0)
    private let b3 = Atomic<UInt64>(0)
    private let b4 = Atomic<UInt64>(0)
    private let b5 = Atomic<UInt64>(0)
    private let most = Atomic<UInt64>(0)
    private let memory = Atomic<Int>(0)

    /// False when another VM has it.
    func begin() -> Bool { !isTaken.exchange(true, ordering: .acquiring) }

    /// The VM is gone; what it counted stays.
    func end() {
        memory.store(0, ordering: .relaxed)
        isTaken.store(false, ordering: .releasing)
    }

    /// A run is over, and the VM now has this many bytes.
    func ran(_ instructions: UInt64, memory bytes: Int) {
        switch instructions {
        case ..<1000: Self.increment(b0)
        case ..<4000: Self.increment(b1)
        case ..<16_000: Self.increment(b2)
        case ..<64_000: Self.increment(b3)
        case ..<256_000: Self.increment(b4)
        default: Self.increment(b5)
        }
        if instructions > most.load(ordering: .relaxed) { most.store(instructions, ordering: .relaxed) }
        memory.store(bytes, ordering: .relaxed)
    }

    @inline(__always)
    private static func increment(_ count: borrowing Atomic<UInt64>) {
        count.store(count.load(ordering: .relaxed) &+ 1, ordering: .relaxed)
    }

    /// Adds the runs to `sizes` and answers the VM's memory.
    func add(to sizes: inout PolicyRunSizes) -> Int {
        sizes.buckets[0] &+= b0.load(ordering: .relaxed)
        sizes.buckets[1] &+= b1.load(ordering: .relaxed)
        sizes.buckets[2] &+= b2.load(ordering: .relaxed)
        sizes.buckets[3] &+= b3.load(ordering: .relaxed)
        sizes.buckets[4] &+= b4.load(ordering: .relaxed)
        sizes.buckets[5] &+= b5.load(ordering: .relaxed)
        sizes.most = max(sizes.most, most.load(ordering: .relaxed))
        return memory.load(ordering: .relaxed)
    }
}
