import MartletControl
import Testing

@Suite("Watching every store")
struct WatchTests {
    private let a: DocumentKey
    private let other: DocumentKey

    init() throws {
        a = try DocumentKey("shop", "route", "a")
        other = try DocumentKey("shop", "cluster", "a")
    }

    /// A change in a line: `REVISION NAME:TEXT`, counted from `start`.
    private func lines(_ event: StoreEvent, from start: Revision) -> [String] {
        event.changes.map { change in
            let text = change.document.map { String(decoding: $0.body, as: UTF8.self) } ?? "-"
            return "\(event.revision - start) \(change.key):\(text)"
        }
    }

    @Test(
        "A watch tells what came after its revision, past and to come, and only of its prefix",
        arguments: StoreKind.allCases)
    func pastAndFuture(_ kind: StoreKind) async throws {
        try await kind.with { store in
            let start = try await store.put(a, "0")
            try await store.put(a, "1", by: "ann", message: "why")
            try await store.put(other, "1")
            var routes = store.watch(DocumentPrefix(namespace: "shop", kind: "route"), after: start).makeAsyncIterator()
            let first = try #require(try await routes.next())
            #expect(lines(first, from: start) == ["1 shop/route/a:1"])
            #expect((first.attribution.author, first.attribution.message) == ("ann", "why"))
            try await store.put(other, "2")
            let both = StoreTransaction([.put(other, [51]), .delete(a)], author: "ann", message: "")
            async let next = routes.next()
            try await store.commit(both)
            #expect(lines(try #require(try await next), from: start) == ["4 shop/route/a:-"])
            var all = store.watch(.all, after: start + 2).makeAsyncIterator()
            #expect(lines(try #require(try await all.next()), from: start) == ["3 shop/cluster/a:2"])
            #expect(
                lines(try #require(try await all.next()), from: start) == ["4 shop/cluster/a:3", "4 shop/route/a:-"])
        }
    }

    @Test("Under load nothing is missing, nothing comes twice, and all of it in order", arguments: StoreKind.allCases)
    func underLoad(_ kind: StoreKind) async throws {
        try await kind.with { store in
            let (writers, times) = (6, 15)
            let start = try await store.revision()
            let end = start + Revision(writers * times)
            try await withThrowingTaskGroup(of: [Revision].self) { group in
                for _ in 0..<4 {
                    group.addTask {
                        var seen: [Revision] = []
                        for try await event in store.watch(.all, after: start) {
                            seen.append(event.revision)
                            if event.revision >= end { break }
                        }
                        return seen
                    }
                }
                for writer in 0..<writers {
                    group.addTask {
                        let key = try DocumentKey("load", "counter", "\(writer)")
                        for number in 0..<times { try await store.put(key, "\(number)") }
                        return []
                    }
                }
                for try await seen in group where !seen.isEmpty { #expect(seen == Array(start + 1...end)) }
            }
        }
    }

    @Test(
        "A list and a watch from its revision make the present, whatever happens between", arguments: StoreKind.allCases
    )
    func listThenWatch(_ kind: StoreKind) async throws {
        try await kind.with { store in
            let writer = Task {
                for number in 0..<60 {
                    let key = try DocumentKey("shop", "route", "\(number % 7)")
                    if number % 5 == 4 {
                        try await store.commit(StoreTransaction([.delete(key)], author: "ann", message: ""))
                    } else {
                        try await store.put(key, "\(number)")
                    }
                }
                try await store.put(DocumentKey("shop", "route", "end"), "")
            }
            let listing = try await store.list(.all)
            var mirror = Dictionary(uniqueKeysWithValues: listing.documents.map { ($0.key, $0) })
            let end = try DocumentKey("shop", "route", "end")
            if mirror[end] == nil {
                for try await event in store.watch(.all, after: listing.revision) {
                    for change in event.changes { mirror[change.key] = change.document }
                    if mirror[end] != nil { break }
                }
            }
            try await writer.value
            #expect(mirror.values.sorted { $0.key < $1.key } == (try await store.list(.all).documents))
        }
    }

    @Test("A watch ends with its task", arguments: StoreKind.allCases)
    func cancelled(_ kind: StoreKind) async throws {
        try await kind.with { store in
            let start = try await store.revision()
            let (began, began_) = AsyncStream<Void>.makeStream()
            let watcher = Task {
                var events = 0
                for try await _ in store.watch(.all, after: start) {
                    events += 1
                    began_.yield()
                }
                return events
            }
            try await store.put(a, "1")
            for await _ in began { break }
            watcher.cancel()
            #expect(try await watcher.value == 1)
        }
    }
}
