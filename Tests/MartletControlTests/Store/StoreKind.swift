import Foundation
import MartletControl

/// The stores that the suite runs against.
enum StoreKind: CaseIterable {
    case sqlite
    case etcd

    /// Hands a new store to `body`, and leaves nothing behind.
    func with(_ body: (any ConfigStore) async throws -> Void) async throws {
        switch self {
        case .sqlite:
            try await StoreFile.with { path in
                let store = try SQLiteStore(path: path)
                defer { store.close() }
                try await body(store)
            }
        case .etcd:
            let server = try await EtcdServer()
            defer { server.stop() }
            let store = try await EtcdStore(endpoints: [server.endpoint])
            defer { store.close() }
            try await body(store)
        }
    }
}

enum StoreFile {
    /// A path in a folder of its own.
    static func with(_ body: (String) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-store-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try await body(folder.appendingPathComponent("store.sqlite").path)
    }
}

extension ConfigStore {
    @discardableResult
    func put(
        _ key: DocumentKey, _ text: String, if expected: StoreTransaction.Expectation = .anything,
        by author: String = "ann",
        message: String = ""
    ) async throws -> Revision {
        try await commit(
            StoreTransaction([.put(key, Array(text.utf8), if: expected)], author: author, message: message))
    }

    func text(_ key: DocumentKey, at revision: Revision? = nil) async throws -> String? {
        try await document(key, at: revision).map { String(decoding: $0.body, as: UTF8.self) }
    }

    /// `NAME:TEXT`, as they are listed.
    func names(_ prefix: DocumentPrefix, at revision: Revision? = nil) async throws -> [String] {
        try await list(prefix, at: revision).documents.map { "\($0.key):\(String(decoding: $0.body, as: UTF8.self))" }
    }
}
