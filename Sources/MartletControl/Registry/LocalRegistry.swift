internal import MartletCore
internal import Synchronization

/// A registry of one process. Who is registered outlives it, with `file`; until when does not: after a restart everybody has a
/// full `ttl` to renew in, for nobody could while it was away.
package final class LocalRegistry: InstanceRegistry {
    private let file: InstanceFile?
    private let clock: RegistryClock
    private let log: @Sendable (String) -> Void
    private let book = Locked(InstanceBook())
    private let bell = Bell()
    /// Those who change what is kept, one after the other: the file and the book say the same.
    private let turns = Turnstile()

    /// Looked at at least so often. Nobody's time is shorter, so nobody who registers meanwhile is looked at late.
    private static let longestSleep = Duration.seconds(1)
    /// Who wakes up so late was stopped, or starved.
    private static let standstill = Duration.seconds(1)

    /// - Parameter file: nil: nothing is kept.
    /// - Parameter log: what an operator should know.
    package init(
        file: InstanceFile? = nil, clock: RegistryClock = .machine, log: @escaping @Sendable (String) -> Void = { _ in }
    ) {
        (self.file, self.clock, self.log) = (file, clock, log)
        for instance in file?.found ?? [] { put(instance) }
    }

    package func register(_ instance: Instance) async throws(RegistryError) {
        await turns.enter()
        defer { turns.leave() }
        let present = try book.withLock { (book) throws(RegistryError) in
            try book.checkRoom(for: instance.key)
            return book[instance.key]?.instance
        }
        if present != instance { try await file?.put(instance) }
        put(instance)
    }

    package func renew(_ key: InstanceKey) async throws(RegistryError) -> Instance {
        let now = clock.now()
        let renewed = book.withLock { book in
            (book[key]?.instance.ttl).flatMap { book.extend(key, until: now + .seconds($0)) }
        }
        guard let renewed else { throw .notRegistered(key) }
        return renewed
    }

    package func setHealth(_ key: InstanceKey, _ health: Instance.Health) async throws(RegistryError) -> Instance {
        await turns.enter()
        defer { turns.leave() }
        guard var instance = book.withLock({ $0[key]?.instance }) else { throw .notRegistered(key) }
        guard instance.health != health else { return instance }
        instance.health = health
        if health != .healthy {
            // The same goes for who is to get none.
            let leaving = instance
            book.withLock { book in
                if let deadline = book[key]?.deadline { book.put(leaving, until: deadline) }
            }
            bell.ring()
        }
        try await file?.put(instance)
        // Its time may have been over while that was written.
        let changed = instance
        let isThere = book.withLock { book in
            guard let deadline = book[key]?.deadline else { return false }
            book.put(changed, until: deadline)
            return true
        }
        guard isThere else {
            try await file?.remove([key])
            throw .notRegistered(key)
        }
        bell.ring()
        return instance
    }

    package func deregister(_ key: InstanceKey) async throws(RegistryError) -> Instance {
        await turns.enter()
        defer { turns.leave() }
        // Whoever leaves gets no requests any more, even if that cannot be written.
        guard let instance = book.withLock({ $0.remove(key) }) else { throw .notRegistered(key) }
        bell.ring()
        try await file?.remove([key])
        return instance
    }

    package func instances(namespace: String?, service: String?) async -> [Instance] {
        book.withLock { $0.instances(namespace: namespace, service: service) }
    }

    package func run(_ tell: @escaping @Sendable ([ServiceName: [Instance]]) async -> Void) async {
        await tell(
            book.withLock { book in
                book.markAll()
                return book.takeChanged()
            })
        await withDiscardingTaskGroup { group in
            group.addTask { await self.expire() }
            for await _ in bell.heard {
                let changed = book.withLock { $0.takeChanged() }
                if !changed.isEmpty { await tell(changed) }
            }
            group.cancelAll()
        }
    }

    private func put(_ instance: Instance) {
        let deadline = clock.now() + .seconds(instance.ttl)
        book.withLock { $0.put(instance, until: deadline) }
        bell.ring()
    }

    private func expire() async {
        while !Task.isCancelled {
            let next = book.withLock { $0.nextDeadline }
            let latest = clock.now() + Self.longestSleep
            let wakeup = min(next ?? latest, latest)
            do { try await clock.sleep(wakeup) } catch { return }
            let now = clock.now()
            let gone = book.withLock { book in
                // This process stood still, and what renewals came meanwhile are still to be read.
                if now - wakeup >= Self.standstill { book.postpone(by: now - wakeup) }
                return book.expire(at: now)
            }
            guard !gone.isEmpty else { continue }
            // First what counts: proxies are told while it is written down.
            bell.ring()
            for instance in gone {
                log("\(instance.key) has not renewed within \(instance.ttl)s and gets no new requests")
            }
            // Not cut short by the end of this one.
            await Task { await forget(gone.map(\.key)) }.value
        }
    }

    private func forget(_ keys: [InstanceKey]) async {
        await turns.enter()
        defer { turns.leave() }
        // Some may have come back.
        let gone = keys.filter { key in book.withLock { $0[key] == nil } }
        do { try await file?.remove(gone) } catch { log("\(error)") }
    }
}
