/// Where the control plane keeps documents: every version has a revision, and whoever has seen a revision can be told all that
/// came after it.
package protocol ConfigStore: Sendable {
    /// Of the newest transaction; 0 in a new store.
    func revision() async throws(StoreError) -> Revision

    /// - Parameter revision: as it was after that transaction; nil: as it is.
    func document(_ key: DocumentKey, at revision: Revision?) async throws(StoreError) -> Document?

    /// All of them as they were at one moment.
    func list(_ prefix: DocumentPrefix, at revision: Revision?) async throws(StoreError) -> Listing

    /// All changes, or a conflict and none. When it returns, they outlive this process and a loss of power.
    /// - Returns: its revision; the newest one if there was nothing to change, for what it deletes is not there.
    @discardableResult
    func commit(_ transaction: StoreTransaction) async throws(StoreError) -> Revision

    /// The newest versions of a document, newest first, also of one that is deleted. How many are kept is the store's to say.
    func history(_ key: DocumentKey, limit: Int) async throws(StoreError) -> [DocumentVersion]

    /// The next transactions after a revision that touch what is watched, at most `limit`, and up to which revision that
    /// is all of them. It does not wait. What `watch` is made of.
    func events(_ prefix: DocumentPrefix, after revision: Revision, limit: Int) async throws(StoreError) -> StoreEvents

    /// Returns once there is a revision after this one.
    func next(after revision: Revision) async throws(StoreError)
}

package struct StoreEvents: Sendable {
    package let events: [StoreEvent]
    package let through: Revision
}

extension ConfigStore {
    /// Every transaction after a revision that touches what is watched, in order and without gaps, until the task is
    /// cancelled or the store closed. A watcher that is so slow that what it has not seen is no longer kept gets
    /// `compacted`: it lists again and watches from there.
    package func watch(_ prefix: DocumentPrefix, after revision: Revision) -> StoreWatch {
        StoreWatch(store: self, prefix: prefix, after: revision)
    }

    package func document(_ key: DocumentKey) async throws(StoreError) -> Document? { try await document(key, at: nil) }

    package func list(_ prefix: DocumentPrefix) async throws(StoreError) -> Listing { try await list(prefix, at: nil) }
}

/// The watcher asks and is never pushed: however slow it is, nothing piles up for it.
package struct StoreWatch: AsyncSequence, Sendable {
    let store: any ConfigStore
    let prefix: DocumentPrefix
    let after: Revision

    package struct Iterator: AsyncIteratorProtocol {
        let store: any ConfigStore
        let prefix: DocumentPrefix
        var seen: Revision
        var fetched: ArraySlice<StoreEvent> = []

        private static let batch = 64

        package mutating func next() async throws(StoreError) -> StoreEvent? {
            while true {
                if let event = fetched.popFirst() { return event }
                do {
                    let found = try await store.events(prefix, after: seen, limit: Self.batch)
                    fetched = found.events[...]
                    if fetched.isEmpty, found.through == seen { try await store.next(after: seen) }
                    seen = found.through
                } catch {
                    // A call that its task's end has cut short says that it failed, which is nothing to report.
                    if !Task.isCancelled { throw error }
                }
                if Task.isCancelled { return nil }
            }
        }

        package mutating func next(isolation actor: isolated (any Actor)?) async throws(StoreError) -> StoreEvent? {
            try await next()
        }
    }

    package func makeAsyncIterator() -> Iterator { Iterator(store: store, prefix: prefix, seen: after) }
}
