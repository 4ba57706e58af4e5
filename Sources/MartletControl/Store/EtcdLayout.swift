internal import Foundation

/// Where a store keeps what, among etcd's keys.
///
///     PREFIX/bounds                    the newest and the oldest revision of the store
///     PREFIX/log/NUMBER                what the transaction of that number changed, who did it and why
///     PREFIX/doc/NAMESPACE/KIND/NAME   the newest version of a document, also of one that is deleted
///
/// Older versions are etcd's own: the log's keys are changed together with the documents, and so tell which revision of
/// etcd's is which of the store's. The store counts for itself, so that its revisions have no gaps when others use that etcd.
struct EtcdLayout: Sendable {
    let prefix: String

    struct Bounds: Codable, Sendable {
        var latest: Revision = 0
        var oldest: Revision = 0

        func check(_ revision: Revision?) throws(StoreError) -> Revision {
            guard let revision else { return latest }
            guard revision <= latest else { throw .future(revision, latest: latest) }
            guard revision >= oldest else { throw .compacted(oldest: oldest) }
            return revision
        }
    }

    struct Entry: Codable, Sendable {
        let author: String
        let message: String
        let time: Int64
        /// Paths of the documents.
        let changed: [String]
        let deleted: [String]

        var attribution: Attribution { Attribution(author: author, message: message, time: time) }
    }

    /// What stands before a document's bytes, on a line of its own.
    struct Head: Codable, Sendable {
        let revision: Revision
        let created: Revision
        let isDeleted: Bool
    }

    struct Version: Sendable {
        let head: Head
        let body: [UInt8]
    }

    var bounds: Data { Data("\(prefix)/bounds".utf8) }

    func entry(_ revision: Revision) -> Data {
        let digits = String(revision)
        // Keys are ordered as text.
        return Data(
            "\(prefix)/log/\(String(repeating: "0", count: max(0, 19 - digits.count)))\(digits)".utf8)
    }

    /// The number of a transaction, by its key.
    func revision(_ key: Data) throws(StoreError) -> Revision {
        guard let number = Revision(String(decoding: key.suffix(19), as: UTF8.self)) else {
            throw .unavailable("etcd: a key of the log is no number")
        }
        return number
    }

    func document(_ path: String) -> Data { Data("\(prefix)/doc/\(path)".utf8) }

    func documents(_ documents: DocumentPrefix) -> (first: Data, end: Data) {
        var path = "\(prefix)/doc/"
        if let namespace = documents.namespace { path += "\(namespace)/" }
        if let kind = documents.kind { path += "\(kind)/\(documents.name)" }
        // The first text that does not begin so: UTF-8 and what is added here never has the byte 0xFF.
        var end = Data(path.utf8)
        end[end.count - 1] += 1
        return (Data(path.utf8), end)
    }

    func key(_ path: String) throws(StoreError) -> DocumentKey {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 3 else {
            throw .unavailable("etcd: a key of a document is not one: \(path)")
        }
        return try DocumentKey(parts[0], parts[1], parts[2])
    }

    func path(_ key: Data) -> String {
        String(decoding: key.dropFirst("\(prefix)/doc/".utf8.count), as: UTF8.self)
    }

    // MARK: Values

    static func encode(_ value: some Encodable) throws(StoreError) -> Data {
        do { return try JSONEncoder().encode(value) } catch { throw .unavailable("\(error)") }
    }

    static func decode<Value: Decodable>(_ pair: EtcdPair) throws(StoreError) -> Value {
        do {
            return try JSONDecoder().decode(Value.self, from: pair.value ?? Data())
        } catch {
            throw .unavailable(
                "etcd: the value of \(String(decoding: pair.key, as: UTF8.self)) is damaged")
        }
    }

    static func value(_ head: Head, _ body: [UInt8]) throws(StoreError) -> Data {
        try encode(head) + [UInt8(ascii: "\n")] + body
    }

    static func version(_ pair: EtcdPair) throws(StoreError) -> Version {
        let value = pair.value ?? Data()
        guard let line = value.firstIndex(of: UInt8(ascii: "\n")),
            let head = try? JSONDecoder().decode(Head.self, from: value[..<line])
        else {
            throw .unavailable(
                "etcd: the value of \(String(decoding: pair.key, as: UTF8.self)) is damaged")
        }
        return Version(head: head, body: Array(value[(line + 1)...]))
    }

    static func document(_ key: DocumentKey, _ version: Version) -> Document? {
        version.head.isDeleted
            ? nil
            : Document(
                key: key, body: version.body, revision: version.head.revision, created: version.head.created
            )
    }
}
