/// Changes that happen all together or not at all.
package struct StoreTransaction: Sendable {
    /// What must be there for a change to happen.
    package enum Expectation: Sendable, Equatable {
        case anything
        /// There is no such document.
        case absent
        /// It was written last by this transaction.
        case revision(Revision)
    }

    package struct Change: Sendable {
        package let key: DocumentKey
        /// Nil deletes it.
        package let body: [UInt8]?
        package let expected: Expectation

        package static func put(_ key: DocumentKey, _ body: [UInt8], if expected: Expectation = .anything) -> Change {
            Change(key: key, body: body, expected: expected)
        }

        package static func delete(_ key: DocumentKey, if expected: Expectation = .anything) -> Change {
            Change(key: key, body: nil, expected: expected)
        }
    }

    package let changes: [Change]
    package let author: String
    package let message: String

    /// Changes of one transaction.
    package static let changeLimit = 100
    /// Bytes of all its bodies, author and message.
    package static let byteLimit = 1 << 20

    package init(_ changes: [Change], author: String, message: String) {
        self.changes = changes
        self.author = author
        self.message = message
    }

    func check() throws(StoreError) {
        guard !changes.isEmpty else { throw .invalidTransaction("it changes nothing") }
        guard changes.count <= Self.changeLimit else {
            throw .invalidTransaction("it has \(changes.count) changes, more than \(Self.changeLimit)")
        }
        let bytes = changes.reduce(author.utf8.count + message.utf8.count) { $0 + ($1.body?.count ?? 0) }
        guard bytes <= Self.byteLimit else {
            throw .invalidTransaction("it has \(bytes) bytes, more than \(Self.byteLimit)")
        }
        var seen: Set<DocumentKey> = []
        for change in changes where !seen.insert(change.key).inserted {
            throw .invalidTransaction("it changes \(change.key) twice")
        }
    }
}
