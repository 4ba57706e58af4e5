import MartletControl
import Testing

@Suite("Every store")
struct StoreTests {
    private let a: DocumentKey
    private let b: DocumentKey

    init() throws {
        a = try DocumentKey("shop", "route", "a")
        b = try DocumentKey("shop", "route", "b")
    }

    @Test("Every transaction that changes something has the next revision", arguments: StoreKind.allCases)
    func revisions(_ kind: StoreKind) async throws {
        try await kind.with { store in
            let start = try await store.revision()
            #expect(try await store.put(a, "1") == start + 1)
            #expect(try await store.put(b, "1") == start + 2)
            #expect(try await store.commit(StoreTransaction([.delete(a)], author: "ann", message: "")) == start + 3)
            // There is nothing to delete any more.
            #expect(try await store.commit(StoreTransaction([.delete(a)], author: "ann", message: "")) == start + 3)
            #expect(try await store.revision() == start + 3)
        }
    }

    @Test("What is expected decides whether a change happens", arguments: StoreKind.allCases)
    func compareAndSet(_ kind: StoreKind) async throws {
        try await kind.with { store in
            let first = try await store.put(a, "1", if: .absent)
            await #expect(throws: StoreError.conflict(a, actual: first)) { try await store.put(a, "2", if: .absent) }
            let second = try await store.put(a, "2", if: .revision(first))
            await #expect(throws: StoreError.conflict(a, actual: second)) {
                try await store.put(a, "3", if: .revision(first))
            }
            await #expect(throws: StoreError.conflict(b, actual: nil)) {
                try await store.put(b, "1", if: .revision(first))
            }
            let delete = StoreTransaction([.delete(a, if: .revision(first))], author: "ann", message: "")
            await #expect(throws: StoreError.conflict(a, actual: second)) { try await store.commit(delete) }
            #expect(try await store.text(a) == "2")
            let document = try #require(try await store.document(a))
            #expect((document.created, document.revision) == (first, second))
            // One that was deleted is as good as one that never was.
            _ = try await store.commit(
                StoreTransaction([.delete(a, if: .revision(second))], author: "ann", message: ""))
            let third = try await store.put(a, "4", if: .absent)
            #expect(try await store.document(a)?.created == third)
        }
    }

    @Test("Changes of one transaction happen together or not at all", arguments: StoreKind.allCases)
    func transactions(_ kind: StoreKind) async throws {
        try await kind.with { store in
            let first = try await store.put(a, "1")
            let both = StoreTransaction([.put(b, [50]), .put(a, [50], if: .absent)], author: "ann", message: "")
            await #expect(throws: StoreError.conflict(a, actual: first)) { try await store.commit(both) }
            #expect(try await store.document(b) == nil)
            #expect(try await store.revision() == first)
            let good = StoreTransaction([.put(b, [50]), .delete(a)], author: "ann", message: "")
            let second = try await store.commit(good)
            #expect(try await store.document(b)?.revision == second)
            #expect(try await store.document(a) == nil)
            #expect(try await store.names(.all, at: first) == ["shop/route/a:1"])
            #expect(try await store.names(.all) == ["shop/route/b:2"])
        }
    }

    @Test("Keys and transactions that no store can hold are refused", arguments: StoreKind.allCases)
    func limits(_ kind: StoreKind) async throws {
        for part in ["", "a/b", "a b", "a\u{0}", "é", String(repeating: "x", count: 254)] {
            #expect(throws: StoreError.invalidKey(part)) { try DocumentKey("shop", "route", part) }
            #expect(throws: StoreError.invalidKey(part)) { try DocumentKey(part, "route", "a") }
        }
        try await kind.with { store in
            let many = try (0...StoreTransaction.changeLimit).map { index in
                StoreTransaction.Change.put(try DocumentKey("n", "k", "\(index)"), [])
            }
            let large = StoreTransaction.Change.put(a, [UInt8](repeating: 0, count: StoreTransaction.byteLimit + 1))
            for changes in [[], many, [large], [.put(a, []), .delete(a)]] {
                let error = await #expect(throws: StoreError.self) {
                    try await store.commit(StoreTransaction(changes, author: "", message: ""))
                }
                guard case .invalidTransaction = error else {
                    Issue.record("\(String(describing: error))")
                    continue
                }
            }
            let most = Array(many.dropLast())
            try await store.commit(StoreTransaction(most, author: "ann", message: ""))
            let bytes = [UInt8](repeating: 7, count: StoreTransaction.byteLimit - 3)
            try await store.commit(StoreTransaction([.put(a, bytes)], author: "ann", message: ""))
            #expect(try await store.document(a)?.body == bytes)
        }
    }

    @Test("A list is of one moment, by prefix and by key; earlier moments stay", arguments: StoreKind.allCases)
    func lists(_ kind: StoreKind) async throws {
        try await kind.with { store in
            let start = try await store.revision()
            for path in [
                "shop/route/a", "shop/route/ab", "shop/route/b", "shop/routes/a", "shop/cluster/~", "shop-2/route/a",
            ] {
                let parts = path.split(separator: "/").map(String.init)
                try await store.put(DocumentKey(parts[0], parts[1], parts[2]), "1")
            }
            let all = try await store.names(.all)
            #expect(
                all == [
                    "shop-2/route/a:1", "shop/cluster/~:1", "shop/route/a:1", "shop/route/ab:1", "shop/route/b:1",
                    "shop/routes/a:1",
                ])
            #expect(try await store.names(DocumentPrefix(namespace: "shop")) == Array(all.dropFirst()))
            let routes = DocumentPrefix(namespace: "shop", kind: "route")
            #expect(try await store.names(routes) == ["shop/route/a:1", "shop/route/ab:1", "shop/route/b:1"])
            let some = DocumentPrefix(namespace: "shop", kind: "route", name: "a")
            #expect(try await store.names(some) == ["shop/route/a:1", "shop/route/ab:1"])
            let before = try await store.list(routes)
            try await store.put(a, "2")
            try await store.commit(StoreTransaction([.delete(b)], author: "ann", message: ""))
            #expect(try await store.names(routes) == ["shop/route/a:2", "shop/route/ab:1"])
            #expect(try await store.list(routes, at: before.revision) == before)
            #expect(try await store.names(.all, at: start + 1) == ["shop/route/a:1"])
            #expect(try await store.text(a, at: before.revision) == "1")
            let latest = try await store.revision()
            await #expect(throws: StoreError.future(latest + 1, latest: latest)) {
                try await store.list(.all, at: latest + 1)
            }
        }
    }

    @Test("The history tells what, who, when and why; an older version can be put back", arguments: StoreKind.allCases)
    func history(_ kind: StoreKind) async throws {
        try await kind.with { store in
            let first = try await store.put(a, "good", by: "ann", message: "first")
            let second = try await store.put(a, "bad", by: "bob", message: "second")
            let third = try await store.commit(StoreTransaction([.delete(a)], author: "eve", message: "gone"))
            let history = try await store.history(a, limit: 10)
            #expect(history.map(\.revision) == [third, second, first])
            #expect(history.map(\.attribution.author) == ["eve", "bob", "ann"])
            #expect(history.map(\.attribution.message) == ["gone", "second", "first"])
            #expect(history.map { $0.body.map { String(decoding: $0, as: UTF8.self) } } == [nil, "bad", "good"])
            #expect(history.allSatisfy { $0.attribution.time > 1_600_000_000_000 })
            #expect(try await store.history(a, limit: 1).map(\.revision) == [third])
            #expect(try await store.history(b, limit: 10).isEmpty)
            let body = try #require(history.last?.body)
            try await store.commit(StoreTransaction([.put(a, body, if: .absent)], author: "ann", message: "roll back"))
            #expect(try await store.text(a) == "good")
        }
    }

    @Test("Many at once, each adding one to what it read: none is lost", arguments: StoreKind.allCases)
    func noLostUpdate(_ kind: StoreKind) async throws {
        try await kind.with { store in
            let (tasks, times) = (8, 8)
            try await store.put(a, "0")
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<tasks {
                    group.addTask {
                        var left = times
                        while left > 0 {
                            let document = try #require(try await store.document(a))
                            let number = try #require(Int(String(decoding: document.body, as: UTF8.self)))
                            do {
                                try await store.put(a, "\(number + 1)", if: .revision(document.revision))
                                left -= 1
                            } catch StoreError.conflict { continue }
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(try await store.text(a) == "\(tasks * times)")
            // Of as many that create the same document, one does.
            let created = await withTaskGroup(of: Bool.self) { group in
                for index in 0..<tasks {
                    group.addTask { (try? await store.put(b, "\(index)", if: .absent)) != nil }
                }
                return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            #expect(created == 1)
        }
    }
}
