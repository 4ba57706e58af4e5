import Foundation
import MartletControl
import MartletControlCheck
import MartletCore
import Synchronization
import Testing

/// A store that can be written, and can go away for those that read it.
private final class HalfStore: ConfigStore {
    private let store: SQLiteStore
    private let isAway = Locked(false)

    init(_ store: SQLiteStore) { self.store = store }

    func set(away: Bool) { isAway.withLock { $0 = away } }

    private func check() throws(StoreError) {
        if isAway.withLock({ $0 }) { throw .unavailable("it is away") }
    }

    func revision() async throws(StoreError) -> Revision { try await store.revision() }

    func document(_ key: DocumentKey, at revision: Revision?) async throws(StoreError) -> Document? {
        try await store.document(key, at: revision)
    }

    func list(_ prefix: DocumentPrefix, at revision: Revision?) async throws(StoreError) -> Listing {
        try check()
        return try await store.list(prefix, at: revision)
    }

    func commit(_ transaction: StoreTransaction) async throws(StoreError) -> Revision {
        try await store.commit(transaction)
    }

    func history(_ key: DocumentKey, limit: Int) async throws(StoreError) -> [DocumentVersion] {
        try await store.history(key, limit: limit)
    }

    func events(_ prefix: DocumentPrefix, after revision: Revision, limit: Int) async throws(StoreError) -> StoreEvents
    {
        try check()
        return try await store.events(prefix, after: revision, limit: limit)
    }

    func next(after revision: Revision) async throws(StoreError) { try await store.next(after: revision) }
}

@Suite("A store that goes away in the middle of a change")
struct StoreAwayTests {
    @Test(
        "What was written is answered as such, the next change is refused, and the one after the store is back is made")
    func away() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-away-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let store = HalfStore(try SQLiteStore(path: folder.appendingPathComponent("store").path))
        let control = MeshControl(
            store: store, checker: ProxyCheck(), patience: .milliseconds(50), now: { 0 }, log: { _ in })
        let follower = Task { await control.run() }
        while await !control.isReady { await Task.yield() }
        store.set(away: true)
        let cluster = { (port: Int) in
            Desk.submission("clusters: [{ name: api, endpoints: [\"127.0.0.1:\(port)\"] }]")
        }
        #expect(try await control.apply(cluster(1), by: "tester").revision == 1)
        await #expect { try await control.apply(cluster(2), by: "tester") } throws: { error in
            if case OperationError.unavailable = error { true } else { false }
        }
        store.set(away: false)
        var revision: Revision?
        while revision == nil { revision = try? await control.apply(cluster(3), by: "tester").revision }
        #expect(revision == 2)
        follower.cancel()
        await follower.value
    }
}
