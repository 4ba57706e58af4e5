internal import MartletCore
internal import Synchronization

/// What limits count, by where they stand and what they say: a reload that leaves both as they are finds the counts of
/// before. Holds them weakly; the configurations and the requests that use them hold them.
final class LimitStates<State: AnyObject & Sendable>: Sendable {
    private struct Entry: Sendable {
        weak var state: State?
    }
    // Asked at load only.
    private let table = Locked(Table())

    private struct Table: Sendable {
        var entries: [String: Entry] = [:]
        /// So many, and those that nobody holds are looked for: not each time, as a hundred thousand routes may have limits of
        /// their own.
        var full = 64
    }

    func state<Failure>(for key: String, _ make: () throws(Failure) -> State) throws(Failure) -> State {
        if let known = table.withLock({ $0.entries[key]?.state }) { return known }
        let state = try make()
        table.withLock { table in
            if table.entries.count >= table.full {
                table.entries = table.entries.filter { $0.value.state != nil }
                table.full = max(64, 2 * table.entries.count)
            }
            table.entries[key] = Entry(state: state)
        }
        return state
    }

    /// Entries kept, those that nobody holds any more included.
    var count: Int { table.withLock { $0.entries.count } }
}
