internal import Foundation
internal import MartletCore
internal import Synchronization

/// A registry in etcd, for a control plane of several processes: an instance registers and renews with any of them, and all know
/// it. Each instance has a lease of etcd's, and a key that goes with it: `PREFIX/instances/NAMESPACE/SERVICE/ID`.
///
/// While etcd is away, what is known stays. When it is back, whoever could not renew meanwhile has their time once more.
package final class EtcdRegistry: InstanceRegistry {
    struct State {
        var book = InstanceBook()
        var leases: [InstanceKey: EtcdNumber] = [:]
        /// All that there is has been read.
        var isKnown = false
        var isTold = false
        /// Since when etcd does not do what it is asked; nil: it does.
        var failingSince: Duration?
    }

    let gateway: EtcdGateway
    let prefix: String
    let clock: RegistryClock
    let log: @Sendable (String) -> Void
    let state = Locked(State())
    let bell = Bell()
    /// How far the watch has come, in etcd's own revisions.
    let seen = RevisionSignal(0)

    /// Tries against others who change the same instance.
    private static let tries = 10
    /// Whoever changes something waits so long for this process to know it, too.
    private static let patience = Duration.seconds(2)

    /// - Parameters:
    ///   - endpoints: of its members, the one to ask first before the others.
    ///   - prefix: the store's.
    ///   - log: what an operator should know.
    package init(
        endpoints: [EtcdEndpoint], prefix: String = "martlet", clock: RegistryClock = .machine,
        log: @escaping @Sendable (String) -> Void = { _ in }
    ) {
        gateway = EtcdGateway(endpoints: endpoints)
        (self.prefix, self.clock, self.log) = (prefix + "/instances/", clock, log)
    }

    package func register(_ instance: Instance) async throws(RegistryError) {
        let key = instance.key
        try state.withLock { (state) throws(RegistryError) in try state.book.checkRoom(for: key) }
        for _ in 0..<Self.tries {
            let present = try await pair(key)
            if let present, let lease = present.lease, self.instance(present)?.ttl == instance.ttl,
                try await asking({ () throws(StoreError) in try await self.gateway.keepAlive(lease) })
            {
                if self.instance(present) == instance { return }
                if try await put(instance, lease, over: present) { return }
                continue
            }
            let lease = try await asking { () throws(StoreError) in try await self.gateway.grant(seconds: instance.ttl)
            }
            guard try await put(instance, lease, over: present) else {
                _ = try? await gateway.revoke(lease)
                continue
            }
            // The key hangs on the new one already.
            if let old = present?.lease { _ = try? await gateway.revoke(old) }
            return
        }
        throw .unavailable("too many others register \(key)")
    }

    package func renew(_ key: InstanceKey) async throws(RegistryError) -> Instance {
        let known = state.withLock { state in state.leases[key].map { ($0, state.book[key]?.instance) } }
        if case .some((let lease, .some(let instance))) = known,
            try await asking({ () throws(StoreError) in try await self.gateway.keepAlive(lease) })
        {
            return instance
        }
        // It may have registered elsewhere just now.
        guard let present = try await pair(key), let lease = present.lease, let instance = instance(present),
            try await asking({ () throws(StoreError) in try await self.gateway.keepAlive(lease) })
        else { throw .notRegistered(key) }
        return instance
    }

    package func setHealth(_ key: InstanceKey, _ health: Instance.Health) async throws(RegistryError) -> Instance {
        for _ in 0..<Self.tries {
            guard let present = try await pair(key), var instance = instance(present), let lease = present.lease else {
                throw .notRegistered(key)
            }
            guard instance.health != health else { return instance }
            instance.health = health
            if try await put(instance, lease, over: present) { return instance }
        }
        throw .unavailable("too many others change \(key)")
    }

    package func deregister(_ key: InstanceKey) async throws(RegistryError) -> Instance {
        guard let present = try await pair(key), let instance = instance(present), let lease = present.lease else {
            // What is only kept here until its time is over.
            guard let instance = state.withLock({ $0.book.remove(key) }) else { throw .notRegistered(key) }
            bell.ring()
            return instance
        }
        let revision = try await asking { () throws(StoreError) in try await self.gateway.revoke(lease) }
        // Here at once: without the watch it would be taken for one that could not renew.
        state.withLock { state in
            _ = state.book.remove(key)
            state.leases[key] = nil
        }
        bell.ring()
        await reached(revision)
        return instance
    }

    package func instances(namespace: String?, service: String?) async -> [Instance] {
        state.withLock { $0.book.instances(namespace: namespace, service: service) }
    }

    package func run(_ tell: @escaping @Sendable ([ServiceName: [Instance]]) async -> Void) async {
        await withDiscardingTaskGroup { group in
            group.addTask { await self.follow() }
            group.addTask { await self.expire() }
            for await _ in bell.heard {
                let changed: [ServiceName: [Instance]]? = state.withLock { state in
                    guard state.isKnown else { return nil }
                    let changed = state.book.takeChanged()
                    // That there is nobody is to be told, too, once.
                    defer { state.isTold = true }
                    return changed.isEmpty && state.isTold ? nil : changed
                }
                if let changed { await tell(changed) }
            }
            group.cancelAll()
        }
    }

    /// Those that etcd has forgotten while it could not be asked.
    private func expire() async {
        while !Task.isCancelled {
            let latest = clock.now() + .seconds(1)
            let next = state.withLock { $0.book.nextDeadline }
            do { try await clock.sleep(min(next ?? latest, latest)) } catch { return }
            let now = clock.now()
            let gone = state.withLock { $0.book.expire(at: now) }
            if !gone.isEmpty { bell.ring() }
        }
    }

    // MARK: etcd

    /// False: somebody else was faster.
    private func put(_ instance: Instance, _ lease: EtcdNumber, over present: EtcdPair?) async throws(RegistryError)
        -> Bool
    {
        let path = path(instance.key)
        let written = try await asking { () throws(StoreError) -> EtcdTransactionResponse? in
            do throws(StoreError) {
                return try await self.gateway.transaction(
                    EtcdTransaction(
                        compare: [EtcdCompare(key: path, mod_revision: present?.mod_revision ?? EtcdNumber(0))],
                        success: [.put(path, Data(instance.kept), lease: lease)]))
            } catch .unavailable(let reason) where reason.contains("lease not found") {
                // It has ended since it was asked for.
                return nil
            }
        }
        guard let written, written.succeeded == true else { return false }
        await reached(written.header.revision)
        return true
    }

    private func pair(_ key: InstanceKey) async throws(RegistryError) -> EtcdPair? {
        let path = path(key)
        return try await asking { () throws(StoreError) in try await self.gateway.range(EtcdRange(key: path)) }.kvs?
            .first
    }

    /// Returns once this process knows what etcd had at that revision, or has waited for long enough: then the watch is away, and
    /// learns it when it is back.
    private func reached(_ revision: EtcdNumber) async {
        let seen = seen
        await withTaskGroup(of: Void.self) { group in
            group.addTask { try? await seen.wait(after: revision.value - 1) }
            group.addTask { try? await Task.sleep(for: Self.patience) }
            await group.next()
            group.cancelAll()
        }
    }

    /// Remembers since when etcd has not answered.
    func asking<Value: Sendable>(
        _ body: () async throws(StoreError) -> Value
    ) async throws(RegistryError) -> Value {
        let start = clock.now()
        do { return try await body() } catch {
            state.withLock { $0.failingSince = min($0.failingSince ?? start, start) }
            throw .unavailable("\(error)")
        }
    }

    // MARK: Keys

    private func path(_ key: InstanceKey) -> Data { Data((prefix + key.description).utf8) }

    /// Nil: it is none of ours.
    func key(_ path: Data) -> InstanceKey? {
        let parts = String(decoding: path.dropFirst(prefix.utf8.count), as: UTF8.self)
            .split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        return parts.count == 3 ? try? InstanceKey(parts[0], parts[1], parts[2]) : nil
    }

    /// Nil: nobody wrote it who knew how.
    func instance(_ pair: EtcdPair) -> Instance? {
        key(pair.key).flatMap { try? Instance($0, kept: Array(pair.value ?? Data())) }
    }
}
