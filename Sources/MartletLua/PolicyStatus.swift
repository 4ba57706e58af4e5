internal import MartletCore
internal import Synchronization

/// What the admin API tells about one version of a policy on all workers.
final class PolicyStatus: Sendable {
    let name: String
    /// Of its text and settings: tells two versions apart that live side by side.
    let version: String
    private let errors = Atomic<UInt64>(0)
    private let breaches = Atomic<UInt64>(0)
    /// One for each VM that serves, and of those that did.
    private let counts = Locked<[PolicyCounts]>([])
    private let lastError = Locked<String?>(nil)
    private let quarantined = Atomic<Bool>(false)
    // Breaches since the minute began that `since` names.
    private let recent = Locked((since: Instant(nanoseconds: 0), breaches: 0))
    private let shadowed = Atomic<UInt64>(0)

    init(name: String, version: String) {
        self.name = name
        self.version = version
    }

    /// Counts for a VM, which alone writes to them until it gives them back.
    func takeCounts() -> PolicyCounts {
        counts.withLock { counts in
            if let free = counts.first(where: { $0.begin() }) { return free }
            let new = PolicyCounts()
            _ = new.begin()
            counts.append(new)
            return new
        }
    }

    func failed(_ error: PolicyError, maxBreaches: Int, at now: Instant) {
        errors.wrappingAdd(1, ordering: .relaxed)
        guard error.kind != .quarantine else { return }
        lastError.withLock { $0 = error.message }
        guard error.isBreach else { return }
        breaches.wrappingAdd(1, ordering: .relaxed)
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
    func decided() { shadowed.wrappingAdd(1, ordering: .relaxed) }

    struct Numbers {
        let runs, errors, breaches, p50, p99, most, shadowed: UInt64
        /// Bytes of all VMs, and of the largest.
        let memory, largest: Int
        let lastError: String?
    }

    var numbers: Numbers {
        var sizes = PolicyRunSizes()
        let memory = counts.withLock { $0.map { $0.add(to: &sizes) } }
        let (p50, p99) = (sizes.percentile(0.5), sizes.percentile(0.99))
        let most = sizes.most
        return Numbers(
            runs: sizes.total, errors: errors.load(ordering: .relaxed),
            breaches: breaches.load(ordering: .relaxed), p50: min(p50, most), p99: min(p99, most), most: most,
            shadowed: shadowed.load(ordering: .relaxed), memory: memory.reduce(0, +), largest: memory.max() ?? 0,
            lastError: lastError.withLock { $0 })
    }
}
