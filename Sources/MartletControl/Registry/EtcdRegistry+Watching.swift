internal import Foundation
internal import MartletCore
internal import Synchronization

/// What all processes know of: read once, then watched.
extension EtcdRegistry {
    /// Between two tries to reach etcd.
    private static let pause = Duration.milliseconds(250)
    /// A watch is begun anew after so long: a connection that nothing comes by any more is believed for no longer.
    private static let watchTime = Duration.seconds(30)
    private static let page: Int64 = 1000
    /// Bytes of one message of the watch.
    private static let messageLimit = 64 << 20

    func follow() async {
        var turn = 0
        while !Task.isCancelled, !gateway.endpoints.isEmpty {
            let endpoint = gateway.endpoints[turn % gateway.endpoints.count]
            do {
                let revision = try await read()
                try await watch(endpoint, after: revision)
            } catch {
                if Task.isCancelled { return }
                turn += 1
                let now = clock.now()
                let isNew = state.withLock { state in
                    defer { state.failingSince = state.failingSince ?? now }
                    return state.failingSince == nil
                }
                if isNew { log("the registry: what is known stays, for etcd does not tell of changes: \(error)") }
                try? await Task.sleep(for: Self.pause)
            }
        }
    }

    /// All instances, at one revision of etcd's.
    private func read() async throws -> EtcdNumber {
        var end = Data(prefix.utf8)
        end[end.count - 1] += 1
        var range = EtcdRange(key: Data(prefix.utf8), range_end: end, limit: EtcdNumber(Self.page))
        var pairs: [EtcdPair] = []
        while true {
            let response = try await gateway.range(range)
            pairs += response.kvs ?? []
            range.revision = range.revision ?? response.header.revision
            guard response.more == true, let last = response.kvs?.last else { break }
            range = EtcdRange(
                key: last.key + [0], range_end: end, limit: EtcdNumber(Self.page), revision: range.revision)
        }
        adopt(pairs)
        let revision = range.revision ?? EtcdNumber(0)
        seen.advance(to: revision.value)
        return revision
    }

    private func adopt(_ pairs: [EtcdPair]) {
        let now = clock.now()
        var found: [InstanceKey: (Instance, EtcdNumber?)] = [:]
        for pair in pairs {
            if let instance = instance(pair) { found[instance.key] = (instance, pair.lease) }
        }
        let present = found
        state.withLock { state in
            let lost = state.failingSince.map { now - $0 } ?? .zero
            for key in state.book.keys where present[key] == nil {
                state.leases[key] = nil
                guard let entry = state.book[key], entry.deadline == nil else { continue }
                let ttl = Duration.seconds(entry.instance.ttl)
                // Who renews in time had no chance to: they have it now.
                if lost * 2 >= ttl { state.book.put(entry.instance, until: now + ttl) } else { state.book.remove(key) }
            }
            for (key, (instance, lease)) in present {
                state.book.put(instance, until: nil)
                state.leases[key] = lease
            }
            state.failingSince = nil
            state.isKnown = true
        }
        bell.ring()
    }

    /// Returns when it is to be begun anew, and throws when it ended by itself.
    private func watch(_ endpoint: EtcdEndpoint, after revision: EtcdNumber) async throws {
        var end = Data(prefix.utf8)
        end[end.count - 1] += 1
        let request = EtcdWatchRequest(
            create_request: .init(
                key: Data(prefix.utf8), range_end: end, start_revision: EtcdNumber(revision.value + 1)))
        let body = [UInt8](try JSONEncoder().encode(request))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                var unread: [UInt8] = []
                try await endpoint.follow("/v3/watch", body) { bytes in
                    unread += bytes
                    guard unread.count <= Self.messageLimit else {
                        throw EtcdEndpoint.BrokenResponse(
                            description: "a message is larger than \(Self.messageLimit) bytes")
                    }
                    // One message a line.
                    while let end = unread.firstIndex(of: UInt8(ascii: "\n")) {
                        try self.take(Data(unread[..<end]))
                        unread.removeFirst(end + 1)
                    }
                }
                throw EtcdEndpoint.BrokenResponse(description: "it ended the watch")
            }
            group.addTask { try await Task.sleep(for: Self.watchTime) }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    private func take(_ line: Data) throws {
        let message = try JSONDecoder().decode(EtcdResult<EtcdWatchResponse>.self, from: line).result
        if message.canceled == true {
            throw EtcdEndpoint.BrokenResponse(description: message.cancel_reason ?? "it ended the watch")
        }
        // Whose time was over while etcd did not do what it was asked could not renew: all is read anew, which tells them apart.
        let isDoubtful = state.withLock { $0.failingSince != nil }
        if isDoubtful, message.events?.contains(where: \.isDeletion) == true {
            throw EtcdEndpoint.BrokenResponse(description: "instances ended while it did not answer")
        }
        state.withLock { state in
            for event in message.events ?? [] {
                if event.isDeletion {
                    guard let key = key(event.kv.key) else { continue }
                    state.book.remove(key)
                    state.leases[key] = nil
                } else if let instance = instance(event.kv) {
                    state.book.put(instance, until: nil)
                    state.leases[instance.key] = event.kv.lease
                }
            }
        }
        if message.events?.isEmpty == false { bell.ring() }
        seen.advance(to: message.header.revision.value)
    }
}
