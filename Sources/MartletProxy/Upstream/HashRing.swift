internal import MartletCore

/// Endpoints on a ring of hashes: a key belongs to the first point at or behind it. When an endpoint leaves, only its own keys
/// move. Immutable; shared by all workers.
package struct HashRing: Sendable {
    /// Ascending.
    private let points: [UInt64]
    /// The endpoint of each point.
    private let owners: [Int32]

    /// Every endpoint gets as many points for each unit of its weight, whoever else is there: half of `size.lowerBound`, so
    /// that two endpoints fill the smallest ring; halved until all fit into `size.upperBound`, but at least one. (Envoy shares
    /// a ring of about one size out, and so moves the points, and keys, of those that stay when one leaves.)
    package init(_ endpoints: [Endpoint], size: ClosedRange<Int>) {
        let total = endpoints.reduce(0) { $0 + Int($1.weight) }
        var each = max(size.lowerBound / 2, 1)
        while each > 1, each * total > size.upperBound { each /= 2 }
        var entries: [(point: UInt64, owner: Int32)] = []
        entries.reserveCapacity(each * total)
        for (index, endpoint) in endpoints.enumerated() {
            let seed = StableHash.of(endpoint.name)
            // Not a plain sequence from the seed: those of two endpoints could follow each other all the way round.
            for copy in 0..<UInt64(each * Int(endpoint.weight)) {
                entries.append((StableHash.mix(seed ^ StableHash.mix(copy)), Int32(index)))
            }
        }
        entries.sort { $0.point == $1.point ? $0.owner < $1.owner : $0.point < $1.point }
        points = entries.map(\.point)
        owners = entries.map(\.owner)
    }

    var count: Int { points.count }

    /// Where the key's point is; `count` must not be 0.
    func place(of key: UInt64) -> Int {
        var low = 0
        var high = points.count
        while low < high {
            let middle = (low + high) / 2
            if points[middle] >= key { high = middle } else { low = middle + 1 }
        }
        return low == points.count ? 0 : low
    }

    func owner(at place: Int) -> Int { Int(owners[place]) }
}

/// Google's Maglev table: every slot belongs to an endpoint, in proportion to its weight; a key is a slot. One look instead of a
/// search, shares evener than a ring's, at the price of a few more keys that move when endpoints come and go. Immutable;
/// shared by all workers.
package struct MaglevTable: Sendable {
    private let slots: [Int32]

    /// - Parameter size: a prime.
    package init(_ endpoints: [Endpoint], size: Int) {
        guard !endpoints.isEmpty else {
            slots = []
            return
        }
        var slots = [Int32](repeating: -1, count: size)
        // By name, not by place: the same endpoints in another order make the same table.
        var entries = endpoints.indices.map { index in
            let hash = StableHash.of(endpoints[index].name)
            return (
                owner: Int32(index), next: Int(hash % UInt64(size)),
                skip: Int(StableHash.mix(hash) % UInt64(size - 1)) + 1, credit: 0.0
            )
        }
        entries.sort { endpoints[Int($0.owner)].name < endpoints[Int($1.owner)].name }
        let heaviest = Double(endpoints.map(\.weight).max() ?? 1)
        var free = size
        while free > 0 {
            for index in entries.indices where free > 0 {
                entries[index].credit += Double(endpoints[Int(entries[index].owner)].weight) / heaviest
                guard entries[index].credit >= 0.999_999 else { continue }
                entries[index].credit -= 1
                var slot = entries[index].next
                while slots[slot] >= 0 { slot = (slot + entries[index].skip) % size }
                slots[slot] = entries[index].owner
                entries[index].next = (slot + entries[index].skip) % size
                free -= 1
            }
        }
        self.slots = slots
    }

    var count: Int { slots.count }
    /// `count` must not be 0.
    func owner(of key: UInt64) -> Int { Int(slots[Int(key % UInt64(slots.count))]) }
}
