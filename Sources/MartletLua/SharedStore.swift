internal import CLua
internal import MartletCore
internal import Synchronization

#if canImport(Glibc)
internal import Glibc
#endif

/// The stores of one process: key-value stores that policies share over workers and reloads. A policy has stores of its own
/// names; it cannot name another policy's.
public final class SharedStores: Sendable {
    // Asked once an operation; held for a look-up.
    private let stores = Locked<[String: SharedStore]>([:])

    public init() {}

    package func store(_ policy: String, _ name: String) -> SharedStore {
        stores.withLock { stores in
            // The policy's name cannot hold a NUL, so no two pairs make one key.
            let key = "\(policy)\u{0}\(name)"
            if let known = stores[key] { return known }
            let store = SharedStore()
            stores[key] = store
            return store
        }
    }
}

/// One store. Values are bytes as a VM encodes them. When it is full, what was used longest ago makes room.
package final class SharedStore: Sendable {
    private struct Entry {
        var value: [UInt8]
        /// Milliseconds of the monotonic clock; nil is for ever.
        var expires: Int64?
        /// Goes up with every use of the store.
        var used: UInt64
    }
    private struct State {
        var entries: [[UInt8]: Entry] = [:]
        var bytes = 0
        var uses: UInt64 = 0
    }
    // Any worker, for the time of one operation.
    private let state = Locked(State())

    /// Keys, values and a share for keeping them, in bytes.
    package static let maxBytes = 16 << 20
    private static let overhead = 96

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
        guard let entry = state.entries[key] else { return nil }
        if let expires = entry.expires, expires <= now {
            remove(key, &state)
            return nil
        }
        state.uses &+= 1
        state.entries[key]?.used = state.uses
        return entry.value
    }

    private static func remove(_ key: [UInt8], _ state: inout State) {
        guard let old = state.entries.removeValue(forKey: key) else { return }
        state.bytes -= cost(key, old.value)
    }

    private static func put(_ key: [UInt8], _ value: [UInt8], _ expires: Int64?, _ state: inout State) {
        remove(key, &state)
        state.uses &+= 1
        state.entries[key] = Entry(value: value, expires: expires, used: state.uses)
        state.bytes += cost(key, value)
        if state.bytes > maxBytes { makeRoom(&state) }
    }

    /// Lets an eighth of the store go at once, so that a full one does not look through all it has for every new key.
    private static func makeRoom(_ state: inout State) {
        let byAge = state.entries.sorted { $0.value.used < $1.value.used }
        for (key, _) in byAge where state.bytes > maxBytes / 8 * 7 { remove(key, &state) }
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
            let expires = present == nil ? (ttl > 0 ? now + ttl : nil) : state.entries[key]?.expires
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
