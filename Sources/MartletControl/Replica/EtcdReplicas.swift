internal import Foundation
internal import MartletCore
internal import Synchronization

/// Replicas that know of each other by etcd. Each has a key that lives as long as it renews a lease, `PREFIX/replicas/ID`, with where
/// its API is and the token that lets the others in. The one whose key is the oldest leads. What a replica knows is asked at its API, and
/// not kept in etcd: it is new each second, and etcd keeps all that it is told.
package final class EtcdReplicas: ReplicaGroup {
    private struct State {
        var own: Replica
        /// The oldest first, this one too.
        var present: [Replica] = []
        /// Their keys have ended: they are gone, or cannot reach etcd, and their proxies are with them. Until when they are asked.
        var lost: [String: (replica: Replica, until: Duration)] = [:]
        /// When etcd last told.
        var heardAt: Duration?
        var isKnown = false
        var isFailing = false
    }

    private let gateway: EtcdGateway
    private let prefix: String
    private let clock: RegistryClock
    private let log: @Sendable (String) -> Void
    private let questions: ReplicaQuestions
    private let state: Locked<State>
    private let announced = Bell()

    /// Seconds after which a replica that does not renew is gone, and another may lead.
    private static let ttl = 5
    /// From one renewal to the next.
    private static let interval = Duration.seconds(1)
    /// One whose key has ended is asked for so long, if it answers or stays silent.
    private static let memory = Duration.seconds(60)
    /// One that ends tells etcd, if that takes no longer.
    private static let farewell = Duration.seconds(1)
    private static let limit: Int64 = 100

    /// - Parameters:
    ///   - prefix: the store's.
    ///   - ask: gets what another replica knows. It is cancelled after two seconds.
    ///   - log: what an operator should know.
    package init(
        endpoints: [EtcdEndpoint], prefix: String = "martlet", clock: RegistryClock = .machine,
        log: @escaping @Sendable (String) -> Void = { _ in },
        ask: @escaping @Sendable (Replica) async throws -> ReplicaView
    ) {
        gateway = EtcdGateway(endpoints: endpoints)
        self.prefix = prefix + "/replicas/"
        (self.clock, self.log) = (clock, log)
        questions = ReplicaQuestions(clock: clock, log: log, ask: ask)
        // The system's own source, which keys are made of too.
        var random = SystemRandomNumberGenerator()
        let token = (0..<4).map { _ in String(random.next(), radix: 16) }.joined(separator: "-")
        state = Locked(State(own: Replica(id: UUID().uuidString.lowercased(), url: nil, token: token)))
    }

    /// Its API is open: from now on it takes part.
    /// - Parameter url: nil: the others cannot reach it.
    package func announce(url: String?) {
        state.withLock { $0.own.url = url }
        announced.ring()
    }

    package var own: Replica { state.withLock { $0.own } }

    package var isShared: Bool { true }

    package var isKnown: Bool { state.withLock { $0.isKnown } }

    package var leader: String? {
        let now = clock.now()
        return state.withLock { state in
            guard let heardAt = state.heardAt, now - heardAt < .seconds(Self.ttl) else { return nil }
            return state.present.first?.id
        }
    }

    package var isLeader: Bool { leader == own.id }

    package func run() async {
        for await _ in announced.heard { break }
        var lease: EtcdNumber?
        while !Task.isCancelled {
            // What etcd tells is as old as the question.
            let start = clock.now()
            do throws(StoreError) {
                if let known = lease, try await !gateway.keepAlive(known) { lease = nil }
                if lease == nil { lease = try await register() }
                let present = try await read()
                if adopt(present, at: start) { log("replicas: etcd tells of them again") }
                // Its lease had ended before it was renewed.
                if !present.contains(where: { $0.id == own.id }) { lease = nil }
            } catch {
                guard !Task.isCancelled else { break }
                let isNew = state.withLock { state in
                    defer { state.isFailing = true }
                    return !state.isFailing
                }
                if isNew { log("replicas: etcd does not tell of them, so nobody watches rollouts: \(error)") }
            }
            do { try await clock.sleep(clock.now() + Self.interval) } catch { break }
        }
        if let lease { await leave(lease) }
    }

    /// - Returns: whether it had not told for some time.
    private func adopt(_ present: [Replica], at now: Duration) -> Bool {
        state.withLock { state in
            for replica in state.present where !present.contains(where: { $0.id == replica.id }) {
                state.lost[replica.id] = (replica, now + Self.memory)
            }
            state.lost = state.lost.filter { id, lost in lost.until > now && !present.contains { $0.id == id } }
            defer { state.isFailing = false }
            (state.present, state.heardAt, state.isKnown) = (present, now, true)
            return state.isFailing
        }
    }

    package func others() async -> [ReplicaAnswer] {
        let others = state.withLock { state in
            state.present.filter { $0.id != state.own.id }.map { (replica: $0, isLost: false) }
                + state.lost.values.filter { $0.replica.id != state.own.id }.map { (replica: $0.replica, isLost: true) }
        }
        return await withTaskGroup(of: ReplicaAnswer?.self) { group in
            for (replica, isLost) in others {
                group.addTask {
                    let answer = await self.questions.answer(of: replica)
                    // Nobody is there any more.
                    guard isLost, case .gone = answer else { return answer.told(by: replica) }
                    self.state.withLock { $0.lost[replica.id] = nil }
                    return nil
                }
            }
            var answers: [ReplicaAnswer] = []
            for await answer in group { if let answer { answers.append(answer) } }
            return answers.sorted { $0.replica.name < $1.replica.name }
        }
    }

    // MARK: etcd

    private struct Entry: Codable {
        let url: String?
        let token: String
    }

    private func register() async throws(StoreError) -> EtcdNumber {
        let own = own
        let lease = try await gateway.grant(seconds: Self.ttl)
        let entry = try EtcdLayout.encode(Entry(url: own.url, token: own.token))
        _ = try await gateway.transaction(
            EtcdTransaction(success: [.put(Data((prefix + own.id).utf8), entry, lease: lease)]))
        return lease
    }

    /// The oldest first.
    private func read() async throws(StoreError) -> [Replica] {
        var end = Data(prefix.utf8)
        end[end.count - 1] += 1
        let pairs =
            try await gateway.range(
                EtcdRange(key: Data(prefix.utf8), range_end: end, limit: EtcdNumber(Self.limit))
            ).kvs ?? []
        func age(_ pair: EtcdPair) -> Int64 { pair.create_revision?.value ?? .max }
        return pairs.sorted { age($0) < age($1) }.compactMap { pair in
            guard let entry = try? JSONDecoder().decode(Entry.self, from: pair.value ?? Data()) else { return nil }
            let id = String(decoding: pair.key.dropFirst(prefix.utf8.count), as: UTF8.self)
            return Replica(id: id, url: entry.url, token: entry.token)
        }
    }

    /// At once, so that another leads, and nobody is missed.
    private func leave(_ lease: EtcdNumber) async {
        let gateway = gateway
        // The task of this process's end is cancelled already.
        await Task { _ = try? await within(Self.farewell) { try await gateway.revoke(lease) } }.value
    }
}
