/// Counts the transactions of a store. Every one that changed something has the next number.
package typealias Revision = Int64

/// A document as it was after some transaction.
package struct Document: Sendable, Equatable {
    package let key: DocumentKey
    package let body: [UInt8]
    /// The transaction that wrote it last: what a compare-and-set compares.
    package let revision: Revision
    /// The transaction that created it.
    package let created: Revision
}

/// Who changed something, when and why.
package struct Attribution: Sendable, Equatable {
    package let author: String
    package let message: String
    /// Milliseconds since 1970, by the clock of the store.
    package let time: Int64
}

/// One version of a document in its history.
package struct DocumentVersion: Sendable, Equatable {
    package let revision: Revision
    /// Nil: it was deleted.
    package let body: [UInt8]?
    package let attribution: Attribution
}

/// Documents at one revision, by key.
package struct Listing: Sendable, Equatable {
    package let revision: Revision
    package let documents: [Document]
}

/// What one transaction changed.
package struct StoreEvent: Sendable, Equatable {
    package struct Change: Sendable, Equatable {
        package let key: DocumentKey
        /// Nil: it was deleted.
        package let document: Document?
    }

    package let revision: Revision
    package let attribution: Attribution
    /// By key; of those that are watched.
    package let changes: [Change]
}
