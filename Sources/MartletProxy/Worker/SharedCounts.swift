internal import Synchronization

/// Connections a listener has over all workers, against its `max_connections`. Touched once a connection, not a request.
final class SharedCounts: Sendable {
    private let counts = Mutex<[String: Int]>([:])

    func take(_ name: String, limit: Int) -> Bool {
        counts.withLock { counts in
            let present = counts[name, default: 0]
            guard present < limit else { return false }
            counts[name] = present + 1
            return true
        }
    }

    func giveBack(_ name: String) {
        counts.withLock { $0[name, default: 1] -= 1 }
    }
}
