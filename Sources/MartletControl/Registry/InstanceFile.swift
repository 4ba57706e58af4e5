internal import Foundation
internal import GRDB
internal import MartletConfig

/// Who is registered, in a file of its own beside the store: SQLite's write-ahead log, which outlives the process at once and
/// is synchronised to the disk now and then. What a loss of power takes with it registers again.
package final class InstanceFile: Sendable {
    private let queue: DatabaseQueue
    /// Who was registered when it was opened. What cannot be read any more is left out.
    let found: [Instance]

    private static let version = 1

    package init(path: String) throws(StoreError) {
        (queue, found) = try DatabaseQueue.open(path, label: "instances", synchronous: "NORMAL") { db in
            try Self.prepare(db)
            return try Self.instances(db)
        }
    }

    package func close() {
        // It fails only while a statement runs, which then holds the connection until its end.
        try? queue.close()
    }

    private static func prepare(_ db: Database) throws {
        let found = try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
        guard found <= version else {
            throw StoreError.unavailable(
                "the instances were written by a later version of Martlet (\(found), known is \(version))")
        }
        try db.execute(sql: "PRAGMA user_version = \(version)")
        try db.execute(
            sql: """
                CREATE TABLE IF NOT EXISTS instances (
                    namespace TEXT NOT NULL, service TEXT NOT NULL, id TEXT NOT NULL, body BLOB NOT NULL,
                    PRIMARY KEY (namespace, service, id)) WITHOUT ROWID
                """)
    }

    private static func instances(_ db: Database) throws -> [Instance] {
        try Row.fetchAll(db, sql: "SELECT * FROM instances").compactMap { row in
            let body: Data = row["body"]
            return try? Instance(InstanceKey(row["namespace"], row["service"], row["id"]), kept: Array(body))
        }
    }

    func put(_ instance: Instance) async throws(RegistryError) {
        let (key, body) = (instance.key, Data(instance.kept))
        try await run {
            try await self.queue.write { db in
                try db.execute(
                    sql: "INSERT OR REPLACE INTO instances VALUES (?, ?, ?, ?)",
                    arguments: [key.service.namespace, key.service.name, key.id, body])
            }
        }
    }

    func remove(_ keys: [InstanceKey]) async throws(RegistryError) {
        guard !keys.isEmpty else { return }
        try await run {
            try await self.queue.write { db in
                for key in keys {
                    try db.execute(
                        sql: "DELETE FROM instances WHERE namespace = ? AND service = ? AND id = ?",
                        arguments: [key.service.namespace, key.service.name, key.id])
                }
            }
        }
    }

    private func run<Value: Sendable>(_ body: () async throws -> Value) async throws(RegistryError) -> Value {
        do { return try await body() } catch { throw .unavailable("\(error)") }
    }
}
