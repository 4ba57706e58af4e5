internal import Foundation
internal import GRDB

/// A store in one file, for a control plane of one process.
///
/// One connection, in SQLite's write-ahead log, with the log synchronised to the disk before a commit returns. The
/// connection holds SQLite's exclusive lock from when the store is opened until it is closed or its process ends.
package final class SQLiteStore: ConfigStore {
    /// How much of the past is kept.
    package struct Retention: Sendable {
        /// Versions of each document, for its history.
        package var versions = 50
        /// Transactions, for readers and watchers that are behind. What has been deleted for longer is gone for good.
        package var revisions: Revision = 10_000

        package init() {}
    }

    private let queue: DatabaseQueue
    private let signal: RevisionSignal
    private let retention: Retention
    private let now: @Sendable () -> Int64

    /// - Parameter now: milliseconds since 1970.
    package init(
        path: String, retention: Retention = Retention(),
        now: @escaping @Sendable () -> Int64 = { Int64(Date().timeIntervalSince1970 * 1000) }
    ) throws(StoreError) {
        let revision: Revision
        (queue, revision) = try DatabaseQueue.open(path, label: "store", synchronous: "FULL") { db in
            try SQLiteSchema.prepare(db)
        }
        signal = RevisionSignal(revision)
        self.retention = retention
        self.now = now
    }

    /// What waits ends with `closed`.
    package func close() {
        signal.close()
        // It fails only while a statement runs, which then holds the connection until its end.
        try? queue.close()
    }

    package func revision() async throws(StoreError) -> Revision {
        try await read { db in try SQLiteSchema.bounds(db).latest }
    }

    package func document(_ key: DocumentKey, at revision: Revision?) async throws(StoreError) -> Document? {
        try await read { db in
            let revision = try SQLiteSchema.bounds(db).check(revision)
            return try SQLiteSchema.document(db, key, revision)
        }
    }

    package func list(_ prefix: DocumentPrefix, at revision: Revision?) async throws(StoreError) -> Listing {
        try await read { db in
            let revision = try SQLiteSchema.bounds(db).check(revision)
            return Listing(revision: revision, documents: try SQLiteSchema.documents(db, prefix, revision))
        }
    }

    package func history(_ key: DocumentKey, limit: Int) async throws(StoreError) -> [DocumentVersion] {
        let limit = max(0, min(limit, retention.versions))
        return try await read { db in try SQLiteSchema.history(db, key, limit) }
    }

    package func events(
        _ prefix: DocumentPrefix, after revision: Revision, limit: Int
    ) async throws(StoreError) -> StoreEvents {
        try await read { db in
            let bounds = try SQLiteSchema.bounds(db)
            guard revision <= bounds.latest else { throw StoreError.future(revision, latest: bounds.latest) }
            guard revision >= bounds.oldest - 1 else { throw StoreError.compacted(oldest: bounds.oldest) }
            return try SQLiteSchema.events(db, prefix, after: revision, through: bounds.latest, limit: limit)
        }
    }

    package func next(after revision: Revision) async throws(StoreError) { try await signal.wait(after: revision) }

    @discardableResult
    package func commit(_ transaction: StoreTransaction) async throws(StoreError) -> Revision {
        try transaction.check()
        let (retention, signal, time) = (retention, signal, now())
        return try await run {
            try await self.queue.write { db in
                let revision = try SQLiteSchema.commit(db, transaction, time: time)
                try SQLiteSchema.trim(db, transaction, retention)
                // Whatever becomes of this task: what is committed is told.
                db.afterNextTransaction { _ in signal.advance(to: revision) }
                return revision
            }
        }
    }

    private func read<Value: Sendable>(
        _ body: @escaping @Sendable (Database) throws -> Value
    ) async throws(StoreError) -> Value {
        try await run { try await self.queue.read(body) }
    }

    private func run<Value: Sendable>(_ body: () async throws -> Value) async throws(StoreError) -> Value {
        do {
            return try await body()
        } catch let error as StoreError {
            throw error
        } catch let error as DatabaseError where error.resultCode == .SQLITE_MISUSE {
            throw .closed
        } catch {
            throw .unavailable("\(error)")
        }
    }
}
