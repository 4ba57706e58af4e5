import Foundation
import MartletControl

/// Writes to a store until it is killed, and tells of each transaction that was acknowledged: `REVISION NAME NUMBER`.
@main
struct StoreWriter {
    private static let writers = 4

    static func main() async throws {
        let store = try SQLiteStore(path: CommandLine.arguments[1])
        print("open")
        fflush(nil)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<writers { group.addTask { try await write(to: store, name: "w\(index)") } }
            try await group.waitForAll()
        }
    }

    /// Counts up in one document; a second one must always have the same number, for they change together.
    private static func write(to store: SQLiteStore, name: String) async throws {
        let (key, twin) = (try DocumentKey("kill", "counter", name), try DocumentKey("kill", "twin", name))
        var present = try await store.document(key)
        while true {
            let number = (present.flatMap { Int(String(decoding: $0.body, as: UTF8.self)) } ?? 0) + 1
            let body = Array("\(number)".utf8)
            let revision = try await store.commit(
                StoreTransaction(
                    [
                        .put(key, body, if: present.map { .revision($0.revision) } ?? .absent),
                        .put(twin, body),
                    ], author: name, message: "\(number)"))
            // One system call, so that a line is there whole or not at all.
            try FileHandle.standardOutput.write(contentsOf: Data("\(revision) \(name) \(number)\n".utf8))
            present = try await store.document(key)
        }
    }
}
