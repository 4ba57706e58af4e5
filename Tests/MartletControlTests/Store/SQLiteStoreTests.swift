import Foundation
import MartletControl
import Testing

@Suite("The store in a file")
struct SQLiteStoreTests {
    private func key(_ name: String) throws -> DocumentKey { try DocumentKey("shop", "route", name) }

    @Test("What was written is there when it is opened again, and revisions go on")
    func reopened() async throws {
        try await StoreFile.with { path in
            let a = try key("a")
            var store = try SQLiteStore(path: path)
            try await store.put(a, "1")
            let revision = try await store.put(a, "2", by: "ann", message: "why")
            store.close()
            store = try SQLiteStore(path: path)
            defer { store.close() }
            #expect(try await store.revision() == revision)
            #expect(try await store.text(a) == "2")
            #expect(try await store.history(a, limit: 5).map(\.attribution.message) == ["why", ""])
            #expect(try await store.put(a, "3") == revision + 1)
        }
    }

    @Test("Only one has it open")
    func inUse() async throws {
        try await StoreFile.with { path in
            let store = try SQLiteStore(path: path)
            #expect(throws: StoreError.inUse(path)) { try SQLiteStore(path: path) }
            store.close()
            try SQLiteStore(path: path).close()
        }
    }

    @Test("Only its owner may read it")
    func permissions() async throws {
        try await StoreFile.with { path in
            let store = try SQLiteStore(path: path)
            defer { store.close() }
            try await store.put(try key("a"), "1")
            for file in [path, path + "-wal"] {
                let attributes = try FileManager.default.attributesOfItem(atPath: file)
                #expect(attributes[.posixPermissions] as? Int == 0o600)
            }
        }
    }

    @Test("What a later version wrote is left alone")
    func laterVersion() async throws {
        try await StoreFile.with { path in
            try SQLiteStore(path: path).close()
            // The number is at a fixed place of SQLite's header: bytes 60 to 63.
            let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
            try file.seek(toOffset: 60)
            try file.write(contentsOf: Data([0, 0, 0, 2]))
            try file.close()
            let error = #expect(throws: StoreError.self) { try SQLiteStore(path: path) }
            #expect(error?.description.contains("later version") == true)
        }
    }

    @Test("What cannot be opened is an error with its path")
    func notThere() throws {
        let error = #expect(throws: StoreError.self) { try SQLiteStore(path: "/nowhere/store.sqlite") }
        #expect(error?.description.contains("/nowhere/store.sqlite") == true)
    }

    @Test("A closed store says so, and ends its watches")
    func closed() async throws {
        try await StoreFile.with { path in
            let store = try SQLiteStore(path: path)
            let a = try key("a")
            let (began, began_) = AsyncStream<Void>.makeStream()
            let watcher = Task {
                for try await _ in store.watch(.all, after: 0) { began_.yield() }
            }
            try await store.put(a, "1")
            for await _ in began { break }
            store.close()
            await #expect(throws: StoreError.closed) { try await watcher.value }
            await #expect(throws: StoreError.closed) { try await store.put(a, "2") }
        }
    }

    @Test("The past is bounded: what is asked for and gone is told, what is kept is right")
    func bounded() async throws {
        try await StoreFile.with { path in
            var retention = SQLiteStore.Retention()
            retention.versions = 3
            retention.revisions = 10
            let store = try SQLiteStore(path: path, retention: retention)
            defer { store.close() }
            let (quiet, busy, gone) = (try key("quiet"), try key("busy"), try key("gone"))
            try await store.put(quiet, "q")
            try await store.put(gone, "g")
            try await store.commit(StoreTransaction([.delete(gone)], author: "ann", message: ""))
            for number in 4...30 { #expect(try await store.put(busy, "\(number)") == Revision(number)) }
            #expect(try await store.history(busy, limit: 100).map(\.revision) == [30, 29, 28])
            #expect(try await store.history(gone, limit: 100).isEmpty)
            #expect(try await store.text(quiet) == "q")
            // Everything within the last ten revisions can be read as it was.
            for revision in Revision(20)...30 {
                #expect(
                    try await store.names(.all, at: revision) == ["shop/route/busy:\(revision)", "shop/route/quiet:q"])
            }
            await #expect(throws: StoreError.compacted(oldest: 20)) { try await store.list(.all, at: 19) }
            await #expect(throws: StoreError.compacted(oldest: 20)) {
                for try await _ in store.watch(.all, after: 18) {}
            }
            var watch = store.watch(.all, after: 19).makeAsyncIterator()
            for revision in Revision(20)...30 { #expect(try await watch.next()?.revision == revision) }
        }
    }

    /// One run of the writer, killed after some acknowledgements, or as soon as it has begun.
    /// - Returns: what it acknowledged: revision, name, number.
    private func killedWriter(_ path: String, after count: Int) throws -> [(Revision, String, Int)] {
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
            .deletingLastPathComponent().appendingPathComponent("StoreWriter")
        process.arguments = [path]
        process.standardOutput = output
        try process.run()
        var data = Data()
        var isKilled = false
        while true {
            let lines = data.count { $0 == UInt8(ascii: "\n") }
            if !isKilled, lines > count || count == 0 {
                kill(process.processIdentifier, SIGKILL)
                isKilled = true
            }
            let more = output.fileHandleForReading.availableData
            if more.isEmpty { break }
            data += more
        }
        process.waitUntilExit()
        #expect(isKilled, "the writer ended by itself")
        return String(decoding: data, as: UTF8.self).split(separator: "\n").filter { $0 != "open" }.compactMap { line in
            let words = line.split(separator: " ")
            guard words.count == 3, let revision = Revision(words[0]), let number = Int(words[2]) else { return nil }
            return (revision, String(words[1]), number)
        }
    }

    @Test("Killed at any moment, it has every transaction that was acknowledged, whole")
    func killed() async throws {
        try await StoreFile.with { path in
            var acknowledged: [(Revision, String, Int)] = []
            var seen: Revision = 0
            let rounds = 20
            for round in 1...rounds {
                let newest = try killedWriter(path, after: Int.random(in: 0...30))
                acknowledged += newest
                let store = try SQLiteStore(path: path)
                defer { store.close() }
                let latest = try await store.revision()
                #expect(latest >= acknowledged.map(\.0).max() ?? 0)
                for (revision, name, number) in round == rounds ? acknowledged : newest {
                    for kind in ["counter", "twin"] {
                        let document = try await store.document(try DocumentKey("kill", kind, name), at: revision)
                        #expect(document?.revision == revision)
                        #expect(document?.body == Array("\(number)".utf8))
                    }
                }
                // No revision is missing, and none is half there.
                var watch = store.watch(.all, after: seen).makeAsyncIterator()
                while seen < latest {
                    let event = try #require(try await watch.next())
                    #expect(event.revision == seen + 1)
                    #expect(event.changes.count == 2)
                    seen = event.revision
                }
            }
            #expect(acknowledged.count > 100)
        }
    }
}
