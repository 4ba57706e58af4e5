internal import CLua
internal import MartletCore
internal import Synchronization

#if canImport(Glibc)
internal import Glibc
#endif

/// The stores of one process: key-value stores that policies share over workers and reloads. A policy has stores of its own
/// names; it cannot name another policy's.
public final class SharedStores: Sendable {
    // Asked once an operation; held for a look-up. By policy, then by name.
    private let stores = Locked<[String: [String: SharedStore]]>([:])

    /// Stores of one policy, at most: there is no end of names that a script could make up.
    package static let maxStores = 16

    public init() {}

    /// Nil when the policy has as many stores as it may, and none of this name.
    package func store(_ policy: String, _ name: String) -> SharedStore? {
        stores.withLock { stores in
            if let known = stores[policy]?[name] { return known }
            guard stores[policy, default: [:]].count < Self.maxStores else { return nil }
            let store = SharedStore()
            stores[policy, default: [:]][name] = store
            return store
        }
    }
}

/// One store. Values are bytes as a VM encodes them. When it is full, what was used longest ago makes room.
package final class SharedStore: Sendable {
    /// A link in the order of use.
    private struct Entry {
        var key: [UInt8]
        var value: [UInt8]
        /// Milliseconds of the monotonic clock; nil is for ever.
        var expires: Int64?
        var older = -1
        var newer = -1
    }
    private struct State {
        var places: [[UInt8]: Int] = [:]
        var entries: [Entry] = []
        var free: [Int] = []
        var oldest = -1
        var newest = -1
        var bytes = 0
    }
    // Any worker, for the time of one operation, none of which looks at more than the entries it names and those it drops.
    private let state = Locked(State())

    /// Keys, values and a share for keeping them, in bytes.
    package static let maxBytes = 16 << 20
    private static let overhead = 128

    package struct Result {
        package var value: [UInt8]?
        package var isDone: Bool
    }

    package init() {}

    private static func cost(_ key: [UInt8], _ value: [UInt8]) -> Int { key.count + value.count + overhead }

    package func get(_ key: [UInt8], at now: Int64) -> [UInt8]? {
        state.withLock { Self.live(key, now, &$0) }
    }

    /// What the key holds; an expired value is removed.
    private static func live(_ key: [UInt8], _ now: Int64, _ state: inout State) -> [UInt8]? {
        guard let place = state.places[key] else { return nil }
        if let expires = state.entries[place].expires, expires <= now {
            remove(key, &state)
            return nil
        }
        unlink(place, &state)
        link(place, &state)
        return state.entries[place].value
    }

    /// Makes it the one used last.
    private static func link(_ place: Int, _ state: inout State) {
        state.entries[place].older = state.newest
        state.entries[place].newer = -1
        if state.newest >= 0 { state.entries[state.newest].newer = place } else { state.oldest = place }
        state.newest = place
    }

    private static func unlink(_ place: Int, _ state: inout State) {
        let (older, newer) = (state.entries[place].older, state.entries[place].newer)
        if older >= 0 { state.entries[older].newer = newer } else { state.oldest = newer }
        if newer >= 0 { state.entries[newer].older = older } else { state.newest = older }
    }

    private static func remove(_ key: [UInt8], _ state: inout State) {
        guard let place = state.places.removeValue(forKey: key) else { return }
        state.bytes -= cost(key, state.entries[place].value)
        unlink(place, &state)
        state.entries[place] = Entry(key: [], value: [])
        state.free.append(place)
    }

    private static func put(_ key: [UInt8], _ value: [UInt8], _ expires: Int64?, _ state: inout State) {
        remove(key, &state)
        let place: Int
        if let free = state.free.popLast() {
            place = free
        } else {
            place = state.entries.count
            state.entries.append(Entry(key: [], value: []))
        }
        state.entries[place] = Entry(key: key, value: value, expires: expires)
        state.places[key] = place
        link(place, &state)
        state.bytes += cost(key, value)
        while state.bytes > maxBytes, state.oldest >= 0 { remove(state.entries[state.oldest].key, &state) }
    }

    package func set(_ key: [UInt8], _ value: [UInt8], ttl: Int64 = 0, at now: Int64) {
        state.withLock { Self.put(key, value, ttl > 0 ? now + ttl : nil, &$0) }
    }

    package func add(_ key: [UInt8], _ value: [UInt8], ttl: Int64, at now: Int64) -> Bool {
        state.withLock { state in
            guard Self.live(key, now, &state) == nil else { return false }
            Self.put(key, value, ttl > 0 ? now + ttl : nil, &state)
            return true
        }
    }

    /// Nil when the key holds no number. The time to live is set when the key is new.
    package func increment(
        _ key: [UInt8], by amount: Double, from initial: [UInt8], ttl: Int64, at now: Int64
    ) -> [UInt8]? {
        state.withLock { state in
            let present = Self.live(key, now, &state)
            guard let number = EncodedValue.number(in: present ?? initial) else { return nil }
            let value = EncodedValue.number(number + amount)
            let expires =
                present == nil ? (ttl > 0 ? now + ttl : nil) : state.places[key].flatMap { state.entries[$0].expires }
            Self.put(key, value, expires, &state)
            return value
        }
    }

    /// Nil stands for an absent key on either side.
    package func compareAndSet(
        _ key: [UInt8], _ expected: [UInt8]?, _ value: [UInt8]?, ttl: Int64, at now: Int64
    ) -> Bool {
        state.withLock { state in
            guard Self.live(key, now, &state) == expected else { return false }
            if let value { Self.put(key, value, ttl > 0 ? now + ttl : nil, &state) } else { Self.remove(key, &state) }
            return true
        }
    }

    package func delete(_ key: [UInt8], at now: Int64) -> Bool {
        state.withLock { state in
            let wasThere = Self.live(key, now, &state) != nil
            Self.remove(key, &state)
            return wasThere
        }
    }

    /// Bytes held, for metrics.
    package var size: Int { state.withLock { $0.bytes } }
}
