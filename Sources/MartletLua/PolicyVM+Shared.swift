internal import CLua
internal import MartletCore
internal import MartletFilter

extension PolicyVM {
    /// Carries out an operation on a shared store of the policy's.
    func operate(_ operation: inout mrt_shared_operation) -> Int32 {
        let name = unsafe LuaHost.span(operation.store) { $0.string() }
        let key = unsafe LuaHost.span(operation.key) { $0.array() }
        let value = unsafe LuaHost.span(operation.value) { $0.array() }
        let ttl = unsafe operation.ttl
        // A sixteenth of a store is the most that one value may take of it.
        guard value.count <= SharedStore.maxBytes / 16 else { return Int32(MRT_CODE_STORE_FULL) }
        guard let store = policy.stores.store(policy.name, name) else { return Int32(MRT_CODE_TOO_MANY_STORES) }
        let now = Int64(clamping: context.now.nanoseconds / 1_000_000)
        var result: [UInt8]?
        var isDone = true
        switch Int(unsafe operation.kind) {
        case MRT_SHARED_GET:
            result = store.get(key, at: now)
            isDone = result != nil
        case MRT_SHARED_SET: store.set(key, value, ttl: ttl, at: now)
        case MRT_SHARED_ADD: isDone = store.add(key, value, ttl: ttl, at: now)
        case MRT_SHARED_INCREMENT:
            result = store.increment(key, by: unsafe operation.amount, from: value, ttl: ttl, at: now)
            isDone = result != nil
        case MRT_SHARED_COMPARE_AND_SET:
            let expected = unsafe operation.expected.data == nil ? nil : LuaHost.span(operation.expected) { $0.array() }
            let new = unsafe operation.value.data == nil ? nil : value
            isDone = store.compareAndSet(key, expected, new, ttl: ttl, at: now)
        default: isDone = store.delete(key, at: now)
        }
        unsafe operation.done = isDone
        let bytes = result ?? []
        lent = bytes
        unsafe operation.result =
            result == nil ? unsafe mrt_bytes_borrowed(data: nil, size: 0) : unsafe LuaExchange.lend(bytes.span)
        return Int32(MRT_CODE_OK)
    }
}
