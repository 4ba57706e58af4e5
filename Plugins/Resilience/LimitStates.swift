internal import MartletCore
internal import Synchronization

/// What limits count, by where they stand and what they say: a reload that leaves both as they are finds the counts of
/// before. Holds them weakly; the configurations and the requests that use them hold them.
final class LimitStates<State: AnyObject & Sendable>: Sendable {
    private struct Entry: Sendable {
        weak var state: State?
    }
    // Asked at load only.
    private let entries = Locked<[String: Entry]>([:])

    func state(for key: String, _ make: () -> State) -> State {
        if let known = entries.withLock({ $0[key]?.state }) { return known }
        let state = make()
        entries.withLock { entries in
            entries = entries.filter { $0.value.state != nil }
            entries[key] = Entry(state: state)
        }
        return state
    }
}
