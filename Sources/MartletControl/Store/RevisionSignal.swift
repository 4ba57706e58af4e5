internal import MartletCore
internal import Synchronization

/// Wakes those that wait for a revision after the one they have seen.
final class RevisionSignal: Sendable {
    private struct State {
        var revision: Revision
        var isClosed = false
        var waiting: [UInt64: CheckedContinuation<Void, Never>] = [:]
        var last: UInt64 = 0
    }

    private let state: Locked<State>

    init(_ revision: Revision) { state = Locked(State(revision: revision)) }

    func advance(to revision: Revision) {
        wake { state in state.revision = max(state.revision, revision) }
    }

    func close() {
        wake { state in state.isClosed = true }
    }

    private func wake(_ change: (inout State) -> Void) {
        let waiting = state.withLock { state in
            change(&state)
            defer { state.waiting = [:] }
            return state.waiting
        }
        for continuation in waiting.values { continuation.resume() }
    }

    /// Returns when there is one, when the task is cancelled, or when the store is closed: whoever waits looks which.
    func wait(after seen: Revision) async throws(StoreError) {
        let id = state.withLock { state in
            state.last += 1
            return state.last
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    if state.revision > seen || state.isClosed || Task.isCancelled { return true }
                    state.waiting[id] = continuation
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            // Comes before it waits, and it sees that the task is cancelled, or after.
            state.withLock { $0.waiting.removeValue(forKey: id) }?.resume()
        }
        try checkOpen()
    }

    func checkOpen() throws(StoreError) {
        if state.withLock({ $0.isClosed }) { throw .closed }
    }
}
