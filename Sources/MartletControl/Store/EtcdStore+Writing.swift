internal import Foundation

extension EtcdStore {
    /// Tries against writers in other processes before giving up.
    private static let tries = 1000
    @discardableResult
    package func commit(_ transaction: StoreTransaction) async throws(StoreError) -> Revision {
        try transaction.check()
        // Writers of one process need not race each other.
        await turns.enter()
        defer { turns.leave() }
        for _ in 0..<Self.tries {
            if let revision = try await attempt(transaction) {
                signal.advance(to: revision)
                return revision
            }
        }
        throw .unavailable("etcd: too many others write")
    }

    /// Reads, decides, and writes if nothing was written meanwhile. Nil: something was.
    private func attempt(_ transaction: StoreTransaction) async throws(StoreError) -> Revision? {
        let reader = try reader()
        let keys = [layout.bounds] + transaction.changes.map { layout.document($0.key.description) }
        let read = try await gateway.transaction(
            EtcdTransaction(success: keys.map { .range(EtcdRange(key: $0)) }))
        let ranges = (read.responses ?? []).compactMap(\.response_range)
        guard ranges.count == keys.count else {
            throw .unavailable("etcd: it did not answer all that it was asked")
        }
        let present = try reader.present(ranges[0])
        let revision = present.bounds.latest + 1

        var operations: [EtcdOperation] = []
        var (changed, deleted): ([String], [String]) = ([], [])
        for (change, range) in zip(transaction.changes, ranges.dropFirst()) {
            let version = try range.kvs?.first.map { pair throws(StoreError) in
                try EtcdLayout.version(pair)
            }
            let document = version.flatMap { EtcdLayout.document(change.key, $0) }
            switch change.expected {
            case .anything: break
            case .absent:
                guard document == nil else { throw .conflict(change.key, actual: document?.revision) }
            case .revision(let expected):
                guard document?.revision == expected else {
                    throw .conflict(change.key, actual: document?.revision)
                }
            }
            if document == nil, change.body == nil { continue }
            let path = change.key.description
            if change.body == nil { deleted.append(path) } else { changed.append(path) }
            let head = EtcdLayout.Head(
                revision: revision, created: document?.created ?? revision, isDeleted: change.body == nil)
            operations.append(.put(layout.document(path), try EtcdLayout.value(head, change.body ?? [])))
        }
        guard !operations.isEmpty else { return present.bounds.latest }

        let entry = EtcdLayout.Entry(
            author: transaction.author, message: transaction.message, time: now(), changed: changed,
            deleted: deleted)
        operations.append(.put(layout.entry(revision), try EtcdLayout.encode(entry)))
        var bounds = present.bounds
        bounds.latest = revision
        operations.append(.put(layout.bounds, try EtcdLayout.encode(bounds)))
        let written = try await gateway.transaction(
            EtcdTransaction(
                compare: [EtcdCompare(key: layout.bounds, mod_revision: present.written)],
                success: operations))
        guard written.succeeded == true else { return nil }
        await trim(bounds, written.header.revision)
        return revision
    }

    /// Forgets what is over the retention. That it fails changes nothing about what was written: the next one tries again.
    private func trim(_ present: EtcdLayout.Bounds, _ written: EtcdNumber) async {
        let oldest = present.latest - retention
        // Some at once, for it takes several calls.
        guard oldest >= present.oldest + max(1, retention / 100) else { return }
        var bounds = present
        bounds.oldest = oldest
        do {
            let past = try await gateway.range(
                EtcdRange(key: layout.entry(0), range_end: layout.entry(oldest)))
            guard let kept = try await gateway.range(EtcdRange(key: layout.entry(oldest))).kvs?.first
            else { return }
            let trimmed = try await gateway.transaction(
                EtcdTransaction(
                    compare: [EtcdCompare(key: layout.bounds, mod_revision: written)],
                    success: [
                        .put(layout.bounds, try EtcdLayout.encode(bounds)),
                        .delete(layout.entry(0), before: layout.entry(oldest)),
                    ]))
            guard trimmed.succeeded == true else { return }
            for pair in past.kvs ?? [] {
                let entry: EtcdLayout.Entry = try EtcdLayout.decode(pair)
                for path in entry.deleted { try await forget(layout.document(path), pair.mod_revision) }
            }
            try await gateway.compact(kept.mod_revision)
        } catch { return }
    }

    /// A document that was deleted then and not written since.
    private func forget(_ key: Data, _ deletion: EtcdNumber) async throws(StoreError) {
        _ = try await gateway.transaction(
            EtcdTransaction(
                compare: [EtcdCompare(key: key, mod_revision: deletion)], success: [.delete(key)]))
    }
}
