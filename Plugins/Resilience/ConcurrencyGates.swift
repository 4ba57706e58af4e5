internal import MartletCore
internal import MartletFilter
internal import Synchronization

/// How many requests of a key are under way, over all workers, and who waits for one of them to end.
///
/// A key is here only while it has requests: there are never more keys than exchanges. A place that comes free goes to
/// whoever waits longest, and is his from that moment on, though he hears of it on another worker a little later.
final class ConcurrencyGates: Sendable {
    /// Somebody who waits: sent `number` when his turn has come.
    struct Waiter: Sendable {
        let sender: Sender<UInt64>
        let number: UInt64
    }

    enum Entry: Equatable {
        case entered
        /// With the ticket to withdraw by.
        case queued(UInt64)
        case full
    }

    private struct Gate {
        var inUse = 0
        var queue = WaitingLine<Waiter>()
    }

    private final class Shard: Sendable {
        // Any worker, for the time of one look-up.
        let gates = Locked<[UInt64: Gate]>([:])
    }

    private let shards: [Shard]
    let max: Int
    let maxQueued: Int

    /// - Parameters:
    ///   - isShared: there is one key only.
    ///   - maxQueued: of a key; zero: nobody waits.
    init(max: Int, maxQueued: Int, isShared: Bool) {
        self.max = max
        self.maxQueued = maxQueued
        shards = (0..<(isShared ? 1 : 64)).map { _ in Shard() }
    }

    private func shard(_ key: UInt64) -> Shard { shards[Int(truncatingIfNeeded: key >> 58) % shards.count] }

    /// Takes a place, or a place in the queue.
    func enter(_ key: UInt64, as waiter: @autoclosure () -> Waiter) -> Entry {
        shard(key).gates.withLock { gates in
            let inUse = gates[key]?.inUse ?? 0
            // Nobody overtakes those who wait; while somebody does there is no place anyway.
            guard inUse >= max else {
                gates[key, default: Gate()].inUse = inUse + 1
                return .entered
            }
            guard let waiting = gates[key]?.queue.count, waiting < maxQueued else { return .full }
            return .queued(gates[key, default: Gate()].queue.append(waiter()))
        }
    }

    /// Takes a place if there is one; nobody waits.
    func enterIfFree(_ key: UInt64) -> Bool {
        shard(key).gates.withLock { gates in
            guard gates[key]?.inUse ?? 0 < max else { return false }
            gates[key, default: Gate()].inUse += 1
            return true
        }
    }

    /// Gives a place back: to the next who waits, if anybody does.
    func leave(_ key: UInt64) {
        let shard = self.shard(key)
        while true {
            let next = shard.gates.withLock { gates -> Waiter? in
                guard var gate = gates[key] else { return nil }
                // Out of the table while it changes, so that its queue is not copied.
                gates[key] = Gate()
                if let next = gate.queue.popFirst() {
                    gates[key] = gate
                    return next
                }
                gate.inUse -= 1
                gates[key] = gate.inUse > 0 ? gate : nil
                return nil
            }
            // One whose worker has ended will not take it: the next.
            guard let next, !next.sender.send(next.number) else { return }
        }
    }

    /// Leaves the queue. False when the ticket's turn has come already: the place is its owner's, to give back.
    func withdraw(_ key: UInt64, _ ticket: UInt64) -> Bool {
        shard(key).gates.withLock { $0[key]?.queue.remove(ticket) ?? false }
    }

    /// Requests of a key under way, and waiting.
    func counts(_ key: UInt64) -> (inUse: Int, waiting: Int) {
        shard(key).gates.withLock { ($0[key]?.inUse ?? 0, $0[key]?.queue.count ?? 0) }
    }

    /// Keys with requests.
    var keys: Int { shards.reduce(0) { $0 + $1.gates.withLock { $0.count } } }
}
