internal import MartletCore
internal import Synchronization

/// Token buckets by key, shared by workers, in memory that is fixed from the start.
///
/// A bucket that has filled again is as good as none, so its place is free for another key; one that has not is never given
/// up. So a flood of keys cannot give an honest client its tokens back: keys that find no place share one bucket of the
/// same size until there is room.
///
/// Two words a place: the key's hash, and when its bucket is full again. A known key is one compare-and-swap; a new one
/// takes the lock of its shard. While a place changes hands its second word says `changing`.
/// A successful swap proves that the place was the same key's all along: the second word only ever grows, and a place is
/// handed on only after it has changed.
final class TokenBuckets: Sendable {
    let rate: TokenRate
    private let words: AtomicWords
    // For keys that come new to one of the shard's places. A key belongs to one shard, so two workers cannot give it two.
    private let locks: [ShardLock]
    private let groupsPerShard: UInt64
    /// Keys that found no place; requests without a key.
    private let overflow = Atomic<UInt64>(0)
    private let keyless = Atomic<UInt64>(0)

    private final class ShardLock: Sendable {
        let lock = Locked<Void>(())
    }

    /// Places a key may be at: two groups of these, so that a table is four fifths full before a key finds none.
    private static let groupSize = 8
    private static let changing = UInt64.max

    enum Place { case known, new, overflow }

    /// There is no memory for so many keys.
    struct NoMemory: Error {}

    init(_ rate: TokenRate, maxKeys: Int) throws(NoMemory) {
        self.rate = rate
        // A quarter empty when as many keys as promised are there.
        let groups = (max(maxKeys, 1) * 4 / 3 + Self.groupSize) / Self.groupSize
        var shards = 1
        while shards < 64 && shards * 16 < groups { shards *= 2 }
        let perShard = (groups + shards - 1) / shards
        groupsPerShard = UInt64(perShard)
        locks = (0..<shards).map { _ in ShardLock() }
        guard let words = AtomicWords(count: shards * perShard * Self.groupSize * 2) else {
            throw NoMemory()
        }
        self.words = words
    }

    /// Keys whose buckets are not full at the same time, at most.
    var capacity: Int { words.count / 2 }

    /// Takes a token of the key's bucket. Any thread.
    func take(_ hash: UInt64, at now: UInt64) -> (take: TokenRate.Take, place: Place) {
        // Zero is a place that was never used.
        let key = hash == 0 ? 1 : hash
        // Other bits for each choice, so that keys which share one rarely share the others.
        let shard = Int(truncatingIfNeeded: (key >> 58) & UInt64(locks.count &- 1))
        let base = UInt64(shard) &* groupsPerShard
        let first = Int(truncatingIfNeeded: base &+ ((key & 0xFFFF_FFFF) &* groupsPerShard) >> 32)
        let second = Int(truncatingIfNeeded: base &+ (((key >> 26) & 0xFFFF_FFFF) &* groupsPerShard) >> 32)
        if let take = takeKnown(key, first, now) ?? takeKnown(key, second, now) { return (take, .known) }
        return locks[shard].lock.withLock { _ in
            if let take = takeKnown(key, first, now) ?? takeKnown(key, second, now) { return (take, .known) }
            // The emptier group: with two choices they fill evenly.
            let groups = free(first, now) >= free(second, now) ? (first, second) : (second, first)
            if let take = takeNew(key, groups.0, now) ?? takeNew(key, groups.1, now) { return (take, .new) }
            return (Self.take(from: overflow, rate, now), .overflow)
        }
    }

    /// Takes a token of the bucket of all requests without a key.
    func takeKeyless(at now: UInt64) -> TokenRate.Take { Self.take(from: keyless, rate, now) }

    private static func take(from bucket: borrowing Atomic<UInt64>, _ rate: TokenRate, _ now: UInt64) -> TokenRate.Take
    {
        while true {
            let full = bucket.load(ordering: .relaxed)
            let take = rate.take(from: full, at: now)
            guard take.isAllowed else { return take }
            if bucket.compareExchange(expected: full, desired: take.full, ordering: .relaxed).exchanged { return take }
        }
    }

    private func takeKnown(_ key: UInt64, _ group: Int, _ now: UInt64) -> TokenRate.Take? {
        let start = group &* Self.groupSize
        for place in start..<(start &+ Self.groupSize) {
            while words.load(place &* 2) == key {
                let full = words.load(place &* 2 &+ 1)
                // Looked at again behind the bucket: they belong together if the swap succeeds.
                guard full != Self.changing, words.load(place &* 2) == key else { break }
                let take = rate.take(from: full, at: now)
                guard take.isAllowed else { return take }
                if words.replace(place &* 2 &+ 1, full, with: take.full) { return take }
            }
        }
        return nil
    }

    private func free(_ group: Int, _ now: UInt64) -> Int {
        let start = group &* Self.groupSize
        var count = 0
        for place in start..<(start &+ Self.groupSize) where words.load(place &* 2 &+ 1) <= now { count &+= 1 }
        return count
    }

    /// Under the shard's lock.
    private func takeNew(_ key: UInt64, _ group: Int, _ now: UInt64) -> TokenRate.Take? {
        let start = group &* Self.groupSize
        for place in start..<(start &+ Self.groupSize) {
            let full = words.load(place &* 2 &+ 1)
            // Its key may come back to it right now, without the lock: then the swap fails.
            guard full <= now, words.replace(place &* 2 &+ 1, full, with: Self.changing) else { continue }
            words.store(place &* 2, key)
            let take = rate.take(from: 0, at: now)
            words.store(place &* 2 &+ 1, take.full)
            return take
        }
        return nil
    }
}
