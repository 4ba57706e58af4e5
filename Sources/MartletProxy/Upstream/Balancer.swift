package import MartletConfig
package import MartletCore

/// Chooses an endpoint. One per worker and cluster, so choosing takes no lock and allocates nothing; loads and health are
/// compared across workers.
package final class Balancer {
    /// The configuration's, as what a pick asks of it: comparing that one, an enumeration of texts, costs more than the pick.
    private enum Choice {
        case inTurn, byChance
        case lighter(byLatency: Bool)
    }

    private let choice: Choice
    private let slowStart: SlowStart?
    /// Nanoseconds in which a latency fades to 1/e.
    private let decay: Double
    // Of the set in use, in arrays of this worker's own: the references that are counted on the way are no other worker's.
    private var endpoints: [Endpoint] = []
    private var pools: [EndpointPool] = []
    private var turns: [Turns] = []
    private var table = EndpointSet.HashTable.none
    private var localShare = 0.0
    private var isPanicking = false
    private var usesUnhealthy = true

    /// Whose turn it is in one pool.
    private enum Turns {
        case equal(Int)
        case weighted(DeadlineHeap)
    }

    package init(_ config: ClusterConfig) {
        choice =
            switch config.loadBalancing {
            case .roundRobin: .inTurn
            case .leastRequest: .lighter(byLatency: false)
            case .peakEWMA: .lighter(byLatency: true)
            case .random, .ringHash, .maglev: .byChance
            }
        slowStart = config.balancing.slowStart.map { SlowStart($0) }
        decay = Double(Nanoseconds(config.balancing.latencyDecay).rawValue)
    }

    package func use(_ set: EndpointSet, now: Instant, _ random: inout WorkerRandom) {
        endpoints = set.endpoints.map { $0 }
        pools = set.pools.map { EndpointPool(copying: $0) }
        table = set.table
        localShare = set.localShare
        isPanicking = set.isPanicking
        usesUnhealthy = set.usesUnhealthy
        turns = []
        guard case .inTurn = choice else { return }
        for pool in pools {
            if pool.cumulative.isEmpty && slowStart == nil {
                // Workers start at different places, or all would send their first request to the first endpoint.
                turns.append(.equal(Int(random.next() % UInt64(pool.members.count))))
            } else {
                var dice = random
                turns.append(
                    .weighted(
                        DeadlineHeap(
                            pool.members, weight: { weight(of: Int($0), now) }, phase: { dice.fraction() })))
                random = dice
            }
        }
    }

    private func weight(of index: Int, _ now: Instant) -> Double {
        Double(endpoints[index].weight) * endpoints[index].warmth(slowStart, at: now)
    }

    /// The place of an endpoint in the set; nil when none may be used.
    /// - Parameters:
    ///   - hash: the key for `ring_hash` and `maglev`, which choose at random without one.
    ///   - attempt: 0, then up for each choice that did not suit: another one, though the key is the same.
    package func pick(
        hash: UInt64?, attempt: Int = 0, now: Instant, _ random: inout WorkerRandom
    ) -> Int? {
        guard !pools.isEmpty else { return nil }
        if endpoints.count == 1 { return isPanicking || usesUnhealthy || endpoints[0].isAvailable ? 0 : nil }
        if let hash {
            let key = attempt == 0 ? hash : StableHash.mix(hash &+ UInt64(attempt))
            switch table {
            case .none: break
            case .ring(let ring) where ring.count > 0: return owner(of: key, in: ring)
            case .maglev(let table) where table.count > 0: return owner(of: key, in: table)
            case .ring, .maglev: return nil
            }
        }
        let number = pools.count > 1 && random.fraction() >= localShare ? 1 : 0
        var candidate = choose(number, now, &random)
        // Mostly the first is: a set holds what was healthy when it was made.
        for _ in 0..<3 {
            if isPanicking || endpoints[candidate].isAvailable { return candidate }
            candidate = choose(number, now, &random)
        }
        return firstAvailable(from: Int(random.next() % UInt64(endpoints.count))) ?? (usesUnhealthy ? candidate : nil)
    }

    /// Looks at one after the other, all round.
    private func firstAvailable(from start: Int) -> Int? {
        for step in 0..<endpoints.count {
            let index = start + step < endpoints.count ? start + step : start + step - endpoints.count
            if endpoints[index].isAvailable { return index }
        }
        return nil
    }

    /// The first of the places from `start` that `isSuitable` and may be used, in a random order of a kind.
    package func first(_ random: inout WorkerRandom, where isSuitable: (Int) -> Bool) -> Int? {
        guard !endpoints.isEmpty else { return nil }
        let start = Int(random.next() % UInt64(endpoints.count))
        for step in 0..<endpoints.count {
            let index = start + step < endpoints.count ? start + step : start + step - endpoints.count
            if isPanicking || endpoints[index].isAvailable, isSuitable(index) { return index }
        }
        return nil
    }

    // MARK: By key

    /// Steps along the ring, or draws from the table, before what is healthy is taken by its number.
    private static let hashSteps = 64

    private func owner(of key: UInt64, in ring: HashRing) -> Int? {
        var place = ring.place(of: key)
        for _ in 0..<min(ring.count, Self.hashSteps) {
            let owner = ring.owner(at: place)
            if isPanicking || endpoints[owner].isAvailable { return owner }
            place = place + 1 < ring.count ? place + 1 : 0
        }
        return fallback(key)
    }

    private func owner(of key: UInt64, in table: MaglevTable) -> Int? {
        var key = key
        for _ in 0..<Self.hashSteps {
            let owner = table.owner(of: key)
            if isPanicking || endpoints[owner].isAvailable { return owner }
            key = StableHash.mix(key &+ 1)
        }
        return fallback(key)
    }

    private func fallback(_ key: UInt64) -> Int? {
        let pool = pools[0]
        let candidate = Int(pool.members[pool.place(StableHash.mix(key))])
        if endpoints[candidate].isAvailable { return candidate }
        return firstAvailable(from: candidate) ?? (usesUnhealthy ? candidate : nil)
    }

    // MARK: By load

    private func choose(_ number: Int, _ now: Instant, _ random: inout WorkerRandom) -> Int {
        switch choice {
        case .inTurn: next(number, now)
        case .lighter(let byLatency): lighter(pools[number], byLatency, now, &random)
        case .byChance: Int(pools[number].members[draw(pools[number], now, &random)])
        }
    }

    private func next(_ number: Int, _ now: Instant) -> Int {
        switch turns[number] {
        case .equal(let last):
            let place = last + 1 < pools[number].members.count ? last + 1 : 0
            turns[number] = .equal(place)
            return Int(pools[number].members[place])
        case .weighted(var heap):
            // Taken out and put back: the heap stays the only reference to its entries.
            turns[number] = .equal(0)
            let member = heap.next { weight(of: Int($0), now) }
            turns[number] = .weighted(heap)
            return Int(member)
        }
    }

    /// When most start slowly, chance decides between them soon enough.
    private static let maxDraws = 8

    /// A place in the pool, by weight. One that starts slowly is drawn as often as its part of the weight says.
    private func draw(_ pool: EndpointPool, _ now: Instant, _ random: inout WorkerRandom) -> Int {
        var place = pool.place(random.next())
        guard slowStart != nil else { return place }
        for _ in 0..<Self.maxDraws {
            let warmth = endpoints[Int(pool.members[place])].warmth(slowStart, at: now)
            if warmth >= 1 || random.fraction() < warmth { break }
            place = pool.place(random.next())
        }
        return place
    }

    /// Power of two choices: of two endpoints drawn at random, the one with the lighter load for its weight.
    private func lighter(
        _ pool: EndpointPool, _ byLatency: Bool, _ now: Instant, _ random: inout WorkerRandom
    ) -> Int {
        let first = draw(pool, now, &random)
        var second = draw(pool, now, &random)
        // Drawn twice: take its neighbour, so that two different ones are compared.
        if second == first { second = second + 1 < pool.members.count ? second + 1 : 0 }
        let one = Int(pool.members[first])
        let other = Int(pool.members[second])
        // a/wa <= b/wb without division. Equally loaded: the first, which was drawn by weight.
        let left = load(one, byLatency, now) * weight(of: other, now)
        let right = load(other, byLatency, now) * weight(of: one, now)
        return left <= right ? one : other
    }

    private func load(_ index: Int, _ byLatency: Bool, _ now: Instant) -> Double {
        let active = endpoints[index].activeRequests
        return byLatency
            ? endpoints[index].latency.cost(active: active, at: now, decay: decay) : Double(active)
    }
}
