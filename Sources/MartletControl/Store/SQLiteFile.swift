internal import Foundation
internal import GRDB

/// Files of SQLite that one process has to itself.
extension DatabaseQueue {
    /// - Parameter synchronous: FULL, where what is written outlives a loss of power; else NORMAL.
    /// - Parameter prepare: runs in a transaction that writes, which takes the lock.
    static func open<Value>(
        _ path: String, label: String, synchronous: String, prepare: (Database) throws -> Value
    ) throws(StoreError) -> (DatabaseQueue, Value) {
        var configuration = Configuration()
        configuration.label = label
        configuration.prepareDatabase { db in
            // The lock before the log: SQLite then keeps the log's index to itself, and no file is shared.
            try db.execute(sql: "PRAGMA locking_mode = EXCLUSIVE")
            try db.execute(sql: "PRAGMA journal_mode = WAL")
            try db.execute(sql: "PRAGMA synchronous = \(synchronous)")
        }
        // It may hold keys. SQLite gives its log the permissions of the file that it finds.
        if !FileManager.default.fileExists(atPath: path) {
            // That it cannot be made, SQLite says better.
            _ = FileManager.default.createFile(atPath: path, contents: nil, attributes: [.posixPermissions: 0o600])
        }
        do {
            let queue = try DatabaseQueue(path: path, configuration: configuration)
            return (queue, try queue.write { db in try prepare(db) })
        } catch let error as DatabaseError where error.resultCode == .SQLITE_BUSY {
            throw .inUse(path)
        } catch let error as StoreError {
            throw error
        } catch {
            throw .unavailable("\(path): \(error)")
        }
    }
}
