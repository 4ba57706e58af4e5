internal import Foundation
internal import GRDB

extension SQLiteSchema {
    static func commit(_ db: Database, _ transaction: StoreTransaction, time: Int64) throws -> Revision {
        let latest = try bounds(db).latest
        let revision = latest + 1
        var rows: [(StoreTransaction.Change, created: Revision)] = []
        for change in transaction.changes {
            let present = try document(db, change.key, latest)
            switch change.expected {
            case .anything: break
            case .absent: guard present == nil else { throw StoreError.conflict(change.key, actual: present?.revision) }
            case .revision(let expected):
                guard present?.revision == expected else {
                    throw StoreError.conflict(change.key, actual: present?.revision)
                }
            }
            if present == nil, change.body == nil { continue }
            rows.append((change, created: present?.created ?? revision))
        }
        guard !rows.isEmpty else { return latest }
        try db.execute(
            sql: "INSERT INTO revisions VALUES (?, ?, ?, ?)",
            arguments: [revision, transaction.author, transaction.message, time])
        for (change, created) in rows {
            try db.execute(
                sql: "INSERT INTO versions VALUES (?, ?, ?, ?, ?, ?)",
                arguments: [
                    change.key.namespace, change.key.kind, change.key.name, revision, created,
                    change.body.map { Data($0) },
                ])
        }
        try db.execute(sql: "UPDATE bounds SET latest = ?", arguments: [revision])
        return revision
    }

    /// Deletions that one transaction looks at, so that none takes long.
    private static let swept = 100

    /// Forgets what is over the bounds, of the documents that were changed and of those deleted long ago.
    static func trim(_ db: Database, _ transaction: StoreTransaction, _ retention: SQLiteStore.Retention) throws {
        let bounds = try bounds(db)
        let horizon = bounds.latest - retention.revisions
        guard horizon > 0 else { return }
        var oldest = bounds.oldest
        for change in transaction.changes {
            let key: StatementArguments = [change.key.namespace, change.key.kind, change.key.name]
            // The oldest one that stays: the last at the horizon, for readers there, or the oldest of those for the history.
            guard
                let kept = try Revision.fetchOne(
                    db,
                    sql: """
                        SELECT min(
                            (SELECT max(revision) FROM versions
                                WHERE namespace = ?1 AND kind = ?2 AND name = ?3 AND revision <= ?4),
                            (SELECT min(revision) FROM (SELECT revision FROM versions
                                WHERE namespace = ?1 AND kind = ?2 AND name = ?3 ORDER BY revision DESC LIMIT ?5)))
                        """, arguments: key + [horizon, retention.versions])
            else { continue }
            try db.execute(
                sql: "DELETE FROM versions WHERE namespace = ? AND kind = ? AND name = ? AND revision < ?",
                arguments: key + [kept])
            if db.changesCount > 0 { oldest = max(oldest, kept) }
        }
        let deletions = try Row.fetchAll(
            db,
            sql: """
                SELECT namespace, kind, name, revision FROM versions AS v WHERE body IS NULL AND revision <= ?
                AND NOT EXISTS (SELECT 1 FROM versions AS w WHERE w.namespace = v.namespace AND w.kind = v.kind
                    AND w.name = v.name AND w.revision > v.revision) ORDER BY revision LIMIT ?
                """, arguments: [horizon, swept])
        for row in deletions {
            let revision: Revision = row["revision"]
            try db.execute(
                sql: "DELETE FROM versions WHERE namespace = ? AND kind = ? AND name = ?",
                arguments: [row["namespace"] as String, row["kind"] as String, row["name"] as String])
            // Who watches must have seen the deletion.
            oldest = max(oldest, revision + 1)
        }
        guard oldest > bounds.oldest else { return }
        try db.execute(sql: "UPDATE bounds SET oldest = ?", arguments: [oldest])
        try db.execute(
            sql: """
                DELETE FROM revisions WHERE revision < ?
                AND NOT EXISTS (SELECT 1 FROM versions WHERE versions.revision = revisions.revision)
                """, arguments: [oldest])
    }
}
