/// What a document is found by.
package struct DocumentKey: Sendable, Hashable, Comparable, CustomStringConvertible {
    package let namespace: String
    package let kind: String
    package let name: String

    /// Bytes of each part.
    package static let limit = 253

    package init(_ namespace: String, _ kind: String, _ name: String) throws(StoreError) {
        for part in [namespace, kind, name] {
            // A key is also a path: no part may be mistaken for two, or end one early. ASCII only: the same text in other
            // code points would be one key here and two in a store.
            guard !part.isEmpty, part.utf8.count <= Self.limit,
                part.utf8.allSatisfy({ (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "/") })
            else { throw .invalidKey(part) }
        }
        self.namespace = namespace
        self.kind = kind
        self.name = name
    }

    package var description: String { "\(namespace)/\(kind)/\(name)" }

    /// By bytes, as every store orders them, whatever the language.
    package static func < (one: DocumentKey, other: DocumentKey) -> Bool {
        one.description.utf8.lexicographicallyPrecedes(other.description.utf8)
    }
}

/// Which documents are meant: all, those of a namespace, of a kind in it, or with names that start alike.
package struct DocumentPrefix: Sendable, Hashable {
    package let namespace: String?
    package let kind: String?
    package let name: String

    package static let all = DocumentPrefix()

    private init() {
        namespace = nil
        kind = nil
        name = ""
    }

    package init(namespace: String) {
        self.namespace = namespace
        kind = nil
        name = ""
    }

    package init(namespace: String, kind: String, name: String = "") {
        self.namespace = namespace
        self.kind = kind
        self.name = name
    }

    package func covers(_ key: DocumentKey) -> Bool {
        guard let namespace else { return true }
        guard key.namespace == namespace else { return false }
        guard let kind else { return true }
        return key.kind == kind && key.name.utf8.starts(with: name.utf8)
    }
}
