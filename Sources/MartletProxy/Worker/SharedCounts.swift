internal import MartletCore
internal import Synchronization

/// Connections a listener has over all workers, by the listener's name, so that the count outlives a reload.
final class SharedCounts: Sendable {
    // Asked once a listener and snapshot; the counts themselves are atomics.
    private let counts = Locked<[String: ConnectionCount]>([:])

    func count(for listener: String) -> ConnectionCount {
        counts.withLock { counts in
            if let known = counts[listener] { return known }
            let count = ConnectionCount()
            counts[listener] = count
            return count
        }
    }
}

/// Open connections of one listener, counted by every worker.
final class ConnectionCount: Sendable {
    private let open = Atomic<Int>(0)

    /// False when `limit` is reached.
    func take(limit: Int) -> Bool {
        if open.wrappingAdd(1, ordering: .relaxed).newValue <= limit { return true }
        open.wrappingSubtract(1, ordering: .relaxed)
        return false
    }

    /// Takes one although `limit` may be reached: the connection is there.
    func force() { open.wrappingAdd(1, ordering: .relaxed) }

    func giveBack() { open.wrappingSubtract(1, ordering: .relaxed) }
}
