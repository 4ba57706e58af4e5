internal import Foundation
internal import GRDB

/// The tables of `SQLiteStore` and all that is asked of them. Every version of a document is a row; nothing is changed in place.
enum SQLiteSchema {
    /// Which revisions there are.
    struct Bounds {
        let latest: Revision
        /// Everything can be read as it was at this one and after it.
        let oldest: Revision

        /// - Returns: the one to read at.
        func check(_ revision: Revision?) throws -> Revision {
            guard let revision else { return latest }
            guard revision <= latest else { throw StoreError.future(revision, latest: latest) }
            guard revision >= oldest else { throw StoreError.compacted(oldest: oldest) }
            return revision
        }
    }

    /// Of these tables. A later Martlet that needs others counts up and changes those of a file it finds.
    private static let version = 1

    /// - Returns: the latest revision.
    static func prepare(_ db: Database) throws -> Revision {
        let found = try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
        guard found <= version else {
            throw StoreError.unavailable("it was written by a later version of Martlet (\(found), known is \(version))")
        }
        try db.execute(sql: "PRAGMA user_version = \(version)")
        try db.execute(
            sql: """
                CREATE TABLE IF NOT EXISTS bounds (
                    id INTEGER PRIMARY KEY CHECK (id = 1), latest INTEGER NOT NULL, oldest INTEGER NOT NULL);
                INSERT OR IGNORE INTO bounds VALUES (1, 0, 0);
                UPDATE bounds SET latest = latest;
                CREATE TABLE IF NOT EXISTS revisions (
                    revision INTEGER PRIMARY KEY, author TEXT NOT NULL, message TEXT NOT NULL, time INTEGER NOT NULL);
                CREATE TABLE IF NOT EXISTS versions (
                    namespace TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL,
                    revision INTEGER NOT NULL REFERENCES revisions, created INTEGER NOT NULL, body BLOB,
                    UNIQUE (namespace, kind, name, revision));
                CREATE INDEX IF NOT EXISTS versionsByRevision ON versions (revision);
                CREATE INDEX IF NOT EXISTS deletions ON versions (revision) WHERE body IS NULL;
                """)
        return try bounds(db).latest
    }

    static func bounds(_ db: Database) throws -> Bounds {
        guard let row = try Row.fetchOne(db, sql: "SELECT latest, oldest FROM bounds") else {
            throw StoreError.unavailable("it has lost count of its revisions")
        }
        return Bounds(latest: row["latest"], oldest: row["oldest"])
    }

    // MARK: Reading

    static func document(_ db: Database, _ key: DocumentKey, _ revision: Revision) throws -> Document? {
        let row = try Row.fetchOne(
            db,
            sql: """
                SELECT * FROM versions WHERE namespace = ? AND kind = ? AND name = ? AND revision <= ?
                ORDER BY revision DESC LIMIT 1
                """, arguments: [key.namespace, key.kind, key.name, revision])
        return try row.flatMap(document)
    }

    static func documents(_ db: Database, _ prefix: DocumentPrefix, _ revision: Revision) throws -> [Document] {
        let (condition, arguments) = condition(prefix)
        let rows = try Row.fetchCursor(
            db,
            sql: """
                SELECT * FROM versions AS v WHERE \(condition) AND body IS NOT NULL AND revision = (
                    SELECT max(revision) FROM versions AS w WHERE w.namespace = v.namespace AND w.kind = v.kind
                    AND w.name = v.name AND w.revision <= ?)
                """, arguments: arguments + [revision])
        var documents: [Document] = []
        while let row = try rows.next() { try document(row).map { documents.append($0) } }
        return documents.sorted { $0.key < $1.key }
    }

    static func history(_ db: Database, _ key: DocumentKey, _ limit: Int) throws -> [DocumentVersion] {
        try Row.fetchAll(
            db,
            sql: """
                SELECT revision, body, author, message, time FROM versions JOIN revisions USING (revision)
                WHERE namespace = ? AND kind = ? AND name = ? ORDER BY revision DESC LIMIT ?
                """, arguments: [key.namespace, key.kind, key.name, limit]
        ).map { row in DocumentVersion(revision: row["revision"], body: body(row), attribution: attribution(row)) }
    }

    static func events(
        _ db: Database, _ prefix: DocumentPrefix, after: Revision, through latest: Revision, limit: Int
    ) throws -> StoreEvents {
        let (condition, arguments) = condition(prefix)
        let revisions = try Revision.fetchAll(
            db,
            sql: "SELECT DISTINCT revision FROM versions WHERE revision > ? AND \(condition) ORDER BY revision LIMIT ?",
            arguments: [after] + arguments + [limit])
        let events = try revisions.map { revision in
            let rows = try Row.fetchAll(
                db, sql: "SELECT * FROM versions JOIN revisions USING (revision) WHERE revision = ? AND \(condition)",
                arguments: [revision] + arguments)
            guard let first = rows.first else { throw StoreError.unavailable("revision \(revision) has no changes") }
            let changes = try rows.map { StoreEvent.Change(key: try key($0), document: try document($0)) }
            return StoreEvent(
                revision: revision, attribution: attribution(first), changes: changes.sorted { $0.key < $1.key })
        }
        // With fewer than asked for there are no more.
        return StoreEvents(events: events, through: events.count < limit ? latest : events.last?.revision ?? latest)
    }

    private static func condition(_ prefix: DocumentPrefix) -> (String, StatementArguments) {
        guard let namespace = prefix.namespace else { return ("TRUE", []) }
        guard let kind = prefix.kind else { return ("namespace = ?", [namespace]) }
        // By characters and without collation, which for a prefix is the same as by bytes.
        return (
            "namespace = ? AND kind = ? AND name >= ? AND substr(name, 1, length(?)) = ?",
            [namespace, kind, prefix.name, prefix.name, prefix.name]
        )
    }

    private static func key(_ row: Row) throws -> DocumentKey {
        try DocumentKey(row["namespace"], row["kind"], row["name"])
    }

    private static func document(_ row: Row) throws -> Document? {
        guard let body = body(row) else { return nil }
        return Document(key: try key(row), body: body, revision: row["revision"], created: row["created"])
    }

    private static func body(_ row: Row) -> [UInt8]? { (row["body"] as Data?).map { Array($0) } }

    private static func attribution(_ row: Row) -> Attribution {
        Attribution(author: row["author"], message: row["message"], time: row["time"])
    }
}
