internal import Synchronization

/// What the supervisor has decided, for every worker to look at: one word that a request reads without a lock, and the
/// process's count of connections.
final class OverloadState: Sendable {
    private let word = Atomic<UInt32>(0)
    private let maxConnections: Atomic<Int>
    private let open = Atomic<Int>(0)

    init(maxConnections: Int) { self.maxConnections = Atomic(maxConnections) }

    /// A moment late is early enough.
    var actions: OverloadActions { OverloadActions(rawValue: word.load(ordering: .relaxed)) }

    /// The supervisor's.
    func publish(_ actions: OverloadActions) { word.store(actions.rawValue, ordering: .relaxed) }
    func limitConnections(to limit: Int) { maxConnections.store(limit, ordering: .relaxed) }

    /// False when the process has as many connections as it may.
    func takeConnection() -> Bool {
        if open.wrappingAdd(1, ordering: .relaxed).newValue <= maxConnections.load(ordering: .relaxed) { return true }
        open.wrappingSubtract(1, ordering: .relaxed)
        return false
    }

    func giveBackConnection() { open.wrappingSubtract(1, ordering: .relaxed) }

    var connections: (open: Int, max: Int) {
        (open.load(ordering: .relaxed), maxConnections.load(ordering: .relaxed))
    }
}
