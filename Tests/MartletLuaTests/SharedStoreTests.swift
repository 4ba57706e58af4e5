import MartletLua
import Testing

@Suite("A shared store")
struct SharedStoreTests {
    private func key(_ number: Int) -> [UInt8] { Array("key-\(number)".utf8) }

    @Test("A full one drops what was used longest ago, and no more than it must")
    func leastRecentlyUsed() {
        let store = SharedStore()
        let value = [UInt8](repeating: 7, count: 1 << 20)
        var count = 0
        while store.size + value.count + 200 <= SharedStore.maxBytes {
            store.set(key(count), value, at: 0)
            count += 1
        }
        // The first is used again, so the second is the one that goes.
        #expect(store.get(key(0), at: 0) != nil)
        store.set(key(count), value, at: 0)
        #expect(store.get(key(1), at: 0) == nil)
        #expect(store.get(key(0), at: 0) != nil)
        for number in 2...count { #expect(store.get(key(number), at: 0) != nil, "\(number)") }
        #expect(store.size <= SharedStore.maxBytes)
    }

    @Test("Against a list: sets, reads, deletions and times in random order")
    func model() {
        var random = SystemRandomNumberGenerator()
        let store = SharedStore()
        var model: [Int: (value: [UInt8], expires: Int64)] = [:]
        var now: Int64 = 0
        for step in 0..<20_000 {
            now += Int64.random(in: 0...2, using: &random)
            let number = Int.random(in: 0..<50, using: &random)
            let present = model[number].flatMap { $0.expires > now ? $0.value : nil }
            switch Int.random(in: 0..<4, using: &random) {
            case 0:
                let ttl = Int64.random(in: 1...30, using: &random)
                store.set(key(number), Array("\(step)".utf8), ttl: ttl, at: now)
                model[number] = (Array("\(step)".utf8), now + ttl)
            case 1: #expect(store.get(key(number), at: now) == present)
            case 2:
                #expect(store.delete(key(number), at: now) == (present != nil))
                model[number] = nil
            default:
                let added = store.add(key(number), [1], ttl: 5, at: now)
                #expect(added == (present == nil))
                if added { model[number] = ([1], now + 5) }
            }
        }
        for number in 0..<50 { _ = store.delete(key(number), at: now) }
        #expect(store.size == 0)
    }

    @Test("A policy has so many stores and no more, each its own")
    func number() {
        let stores = SharedStores()
        for number in 0..<SharedStores.maxStores { #expect(stores.store("p", "\(number)") != nil) }
        #expect(stores.store("p", "one more") == nil)
        #expect(stores.store("p", "0") === stores.store("p", "0"))
        #expect(stores.store("q", "0") != nil && stores.store("q", "0") !== stores.store("p", "0"))
    }
}
