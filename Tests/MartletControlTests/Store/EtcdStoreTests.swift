import Foundation
import MartletControl
import Testing

@Suite("The store in etcd")
struct EtcdStoreTests {
    private func key(_ name: String) throws -> DocumentKey { try DocumentKey("shop", "route", name) }

    /// Two processes' stores in one etcd.
    private func withTwo(
        retention: Revision = EtcdStore.standardRetention,
        _ body: (EtcdStore, EtcdStore, EtcdServer) async throws -> Void
    ) async throws {
        let server = try await EtcdServer()
        defer { server.stop() }
        let one = try await EtcdStore(endpoints: [server.endpoint], retention: retention)
        defer { one.close() }
        let other = try await EtcdStore(endpoints: [server.endpoint], retention: retention)
        defer { other.close() }
        try await body(one, other, server)
    }

    @Test("What one writes the other reads, compares with, and hears of")
    func two() async throws {
        try await withTwo { one, other, _ in
            let a = try key("a")
            let first = try await one.put(a, "1")
            var watch = other.watch(.all, after: first).makeAsyncIterator()
            async let next = watch.next()
            #expect(try await other.text(a) == "1")
            let second = try await one.put(a, "2")
            #expect(try await next?.revision == second)
            await #expect(throws: StoreError.conflict(a, actual: second)) {
                try await other.put(a, "3", if: .revision(first))
            }
            #expect(try await other.put(a, "3", if: .revision(second)) == second + 1)
        }
    }

    @Test("Both count up in the same document at once: no update is lost, no revision is missing")
    func noLostUpdate() async throws {
        try await withTwo { one, other, _ in
            let (a, times) = (try key("a"), 10)
            let start = try await one.put(a, "0")
            try await withThrowingTaskGroup(of: Void.self) { group in
                for store in [one, other, one, other] {
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
            #expect(try await one.text(a) == "\(4 * times)")
            var watch = other.watch(.all, after: start).makeAsyncIterator()
            for revision in start + 1...start + Revision(4 * times) {
                #expect(try await watch.next()?.revision == revision)
            }
        }
    }

    @Test("The past is bounded: what is asked for and gone is told, what is kept is right")
    func bounded() async throws {
        try await withTwo(retention: 10) { store, other, _ in
            let (quiet, busy, gone) = (try key("quiet"), try key("busy"), try key("gone"))
            try await store.put(quiet, "q")
            try await store.put(gone, "g")
            try await store.commit(StoreTransaction([.delete(gone)], author: "ann", message: ""))
            for number in 4...60 { #expect(try await store.put(busy, "\(number)") == Revision(number)) }
            let oldest: Revision = 50
            await #expect(throws: StoreError.compacted(oldest: oldest)) {
                try await other.list(.all, at: oldest - 1)
            }
            #expect(try await other.history(gone, limit: 100).isEmpty)
            let history = try await other.history(busy, limit: 1000).map(\.revision)
            #expect(history == Array((oldest...60).reversed()))
            for revision in [oldest, oldest + 1, 60] {
                #expect(
                    try await other.names(.all, at: revision) == [
                        "shop/route/busy:\(revision)", "shop/route/quiet:q",
                    ])
            }
            await #expect(throws: StoreError.compacted(oldest: oldest)) {
                for try await _ in other.watch(.all, after: oldest - 2) {}
            }
            var watch = other.watch(.all, after: oldest - 1).makeAsyncIterator()
            for revision in oldest...60 { #expect(try await watch.next()?.revision == revision) }
        }
    }

    @Test("Without etcd nothing is made up: every call says that it does not work")
    func gone() async throws {
        try await withTwo { store, _, server in
            let a = try key("a")
            try await store.put(a, "1")
            server.stop()
            for call in [{ _ = try await store.document(a) }, { _ = try await store.put(a, "2") }] {
                let error = await #expect(throws: StoreError.self) { try await call() }
                guard case .unavailable = error else {
                    Issue.record("\(String(describing: error))")
                    continue
                }
            }
            store.close()
            await #expect(throws: StoreError.closed) { try await store.put(a, "2") }
        }
    }
}
