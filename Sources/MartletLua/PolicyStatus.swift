internal import MartletCore
internal import Synchronization

/// What the admin API tells about one version of a policy, counted by all workers.
final class PolicyStatus: Sendable {
    let name: String
    /// Of its text and settings: tells two versions apart that live side by side.
    let version: String
    private let runs = Atomic<UInt64>(0)
    private let errors = Atomic<UInt64>(0)
    private let breaches = Atomic<UInt64>(0)
    private let most = Atomic<UInt64>(0)
    /// Runs by how many instructions they took.
    private let sizes = PolicyRunSizes()
    private let lastError = Locked<String?>(nil)
    private let quarantined = Atomic<Bool>(false)
    // Breaches since the minute began that `since` names.
    private let recent = Locked((since: Instant(nanoseconds: 0), breaches: 0))
    private let shadowed = Atomic<UInt64>(0)

    init(name: String, version: String) {
        self.name = name
        self.version = version
    }

    func ran(_ instructions: UInt64) {
        runs.add(1, ordering: .relaxed)
        sizes.add(instructions)
        if instructions > most.load(ordering: .relaxed) { most.store(instructions, ordering: .relaxed) }
    }

    func failed(_ error: PolicyError, maxBreaches: Int, at now: Instant) {
        errors.add(1, ordering: .relaxed)
        guard error.kind != .quarantine else { return }
        lastError.withLock { $0 = error.message }
        guard error.isBreach else { return }
        breaches.add(1, ordering: .relaxed)
        let count = recent.withLock { recent in
            if now - recent.since > .seconds(60) { recent = (now, 0) }
            recent.breaches += 1
            return recent.breaches
        }
        if maxBreaches > 0 && count >= maxBreaches { quarantined.store(true, ordering: .relaxed) }
    }

    /// Went over its budget too often: it is not run until another version takes its place.
    var isQuarantined: Bool { quarantined.load(ordering: .relaxed) }

    /// A decision in shadow mode.
    func decided() { shadowed.add(1, ordering: .relaxed) }

    struct Numbers {
        let runs, errors, breaches, p50, p99, most, shadowed: UInt64
        let lastError: String?
    }

    var numbers: Numbers {
        let (p50, p99) = sizes.percentiles
        let most = most.load(ordering: .relaxed)
        return Numbers(
            runs: runs.load(ordering: .relaxed), errors: errors.load(ordering: .relaxed),
            breaches: breaches.load(ordering: .relaxed), p50: min(p50, most), p99: min(p99, most), most: most,
            shadowed: shadowed.load(ordering: .relaxed),
            lastError: lastError.withLock { $0 })
    }
}

/// A histogram of a few wide buckets: two atomics a run are what a policy may cost beyond itself.
private final class PolicyRunSizes: Sendable {
    private let b0 = Atomic<UInt64>(0)
    private let b1 = Atomic<UInt64>(0)
    private let b2 = Atomic<UInt64>(0)
    private let b3 = Atomic<UInt64>(0)
    private let b4 = Atomic<UInt64>(0)
    private let b5 = Atomic<UInt64>(0)

    func add(_ instructions: UInt64) {
        switch instructions {
        case ..<1000: b0.add(1, ordering: .relaxed)
        case ..<4000: b1.add(1, ordering: .relaxed)
        case ..<16_000: b2.add(1, ordering: .relaxed)
        case ..<64_000: b3.add(1, ordering: .relaxed)
        case ..<256_000: b4.add(1, ordering: .relaxed)
        default: b5.add(1, ordering: .relaxed)
        }
    }

    /// Upper ends of the buckets that hold the 50th and the 99th of a hundred runs.
    var percentiles: (UInt64, UInt64) {
        let buckets: [(UInt64, UInt64)] = [
            (b0.load(ordering: .relaxed), 1000), (b1.load(ordering: .relaxed), 4000),
            (b2.load(ordering: .relaxed), 16_000), (b3.load(ordering: .relaxed), 64_000),
            (b4.load(ordering: .relaxed), 256_000), (b5.load(ordering: .relaxed), .max),
        ]
        let total = buckets.reduce(0) { $0 + $1.0 }
        func percentile(_ share: Double) -> UInt64 {
            var seen: UInt64 = 0
            for (count, bound) in buckets {
                seen += count
                if Double(seen) >= Double(total) * share { return bound }
            }
            return 0
        }
        return total == 0 ? (0, 0) : (percentile(0.5), percentile(0.99))
    }
}
