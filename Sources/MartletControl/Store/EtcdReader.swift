internal import Foundation

/// What is asked of a store in etcd.
struct EtcdReader: Sendable {
    let gateway: EtcdGateway
    let layout: EtcdLayout

    /// The bounds, which of etcd's revisions wrote them last, and the one that they were read at.
    struct Present: Sendable {
        let bounds: EtcdLayout.Bounds
        let written: EtcdNumber
        let read: EtcdNumber
    }

    private static let page = 100

    func bounds() async throws(StoreError) -> Present {
        try present(await gateway.range(EtcdRange(key: layout.bounds)))
    }

    func present(_ response: EtcdRangeResponse) throws(StoreError) -> Present {
        guard let pair = response.kvs?.first else {
            return Present(
                bounds: EtcdLayout.Bounds(), written: EtcdNumber(0), read: response.header.revision)
        }
        return Present(
            bounds: try EtcdLayout.decode(pair), written: pair.mod_revision,
            read: response.header.revision)
    }

    func document(_ key: DocumentKey, at revision: Revision?) async throws(StoreError) -> Document? {
        guard let (_, moment) = try await moment(revision) else { return nil }
        let range = EtcdRange(key: layout.document(key.description), revision: moment)
        guard let pair = try await past(range).kvs?.first else { return nil }
        return EtcdLayout.document(key, try EtcdLayout.version(pair))
    }

    /// It may have been forgotten since the bounds were read.
    private func past(_ range: EtcdRange) async throws(StoreError) -> EtcdRangeResponse {
        do { return try await gateway.range(range) } catch .compacted {
            throw .compacted(oldest: try await bounds().bounds.oldest)
        }
    }

    func list(_ prefix: DocumentPrefix, at revision: Revision?) async throws(StoreError) -> Listing {
        guard let (revision, moment) = try await moment(revision) else {
            return Listing(revision: 0, documents: [])
        }
        var documents: [Document] = []
        var (first, end) = layout.documents(prefix)
        while true {
            // All pages are of one revision of etcd's.
            let response = try await past(
                EtcdRange(key: first, range_end: end, limit: EtcdNumber(Int64(Self.page)), revision: moment)
            )
            for pair in response.kvs ?? [] {
                let key = try layout.key(layout.path(pair.key))
                if let document = EtcdLayout.document(key, try EtcdLayout.version(pair)) {
                    documents.append(document)
                }
            }
            guard response.more == true, let last = response.kvs?.last else { break }
            first = last.key + [0]
        }
        return Listing(revision: revision, documents: documents)
    }

    /// The revision of etcd's at which everything was as after one of the store's; nil: nothing was there yet.
    private func moment(_ revision: Revision?) async throws(StoreError) -> (Revision, EtcdNumber)? {
        let present = try await bounds()
        let revision = try present.bounds.check(revision)
        if revision == present.bounds.latest { return (revision, present.read) }
        if revision == 0 { return nil }
        guard let pair = try await gateway.range(EtcdRange(key: layout.entry(revision))).kvs?.first
        else {
            throw .compacted(oldest: try await bounds().bounds.oldest)
        }
        return (revision, pair.mod_revision)
    }

    func history(_ key: DocumentKey, limit: Int) async throws(StoreError) -> [DocumentVersion] {
        var versions: [DocumentVersion] = []
        var range = EtcdRange(key: layout.document(key.description))
        while versions.count < limit {
            let response: EtcdRangeResponse
            do { response = try await gateway.range(range) } catch .compacted { break }
            guard let pair = response.kvs?.first else { break }
            let version = try EtcdLayout.version(pair)
            // Who wrote it is in the log, which may have forgotten it.
            guard
                let log = try await gateway.range(EtcdRange(key: layout.entry(version.head.revision))).kvs?
                    .first
            else {
                break
            }
            let entry: EtcdLayout.Entry = try EtcdLayout.decode(log)
            versions.append(
                DocumentVersion(
                    revision: version.head.revision, body: version.head.isDeleted ? nil : version.body,
                    attribution: entry.attribution))
            range.revision = EtcdNumber(pair.mod_revision.value - 1)
        }
        return versions
    }

    func events(
        _ prefix: DocumentPrefix, after revision: Revision, limit: Int
    ) async throws(StoreError) -> StoreEvents {
        let present = try await bounds()
        let bounds = present.bounds
        guard revision <= bounds.latest else { throw .future(revision, latest: bounds.latest) }
        guard revision >= bounds.oldest - 1 else { throw .compacted(oldest: bounds.oldest) }
        if revision == bounds.latest { return StoreEvents(events: [], through: revision) }
        do {
            let log = try await gateway.range(
                EtcdRange(
                    key: layout.entry(revision + 1), range_end: layout.entry(bounds.latest + 1),
                    limit: EtcdNumber(Int64(limit)), revision: present.read))
            var events: [StoreEvent] = []
            var through = revision
            for pair in log.kvs ?? [] {
                through = try layout.revision(pair.key)
                if let event = try await event(through, pair, prefix) { events.append(event) }
            }
            return StoreEvents(events: events, through: through)
        } catch .compacted {
            throw .compacted(oldest: try await self.bounds().bounds.oldest)
        }
    }

    private func event(
        _ revision: Revision, _ pair: EtcdPair, _ prefix: DocumentPrefix
    ) async throws(StoreError) -> StoreEvent? {
        let entry: EtcdLayout.Entry = try EtcdLayout.decode(pair)
        var changes: [StoreEvent.Change] = []
        for path in entry.deleted {
            let key = try layout.key(path)
            if prefix.covers(key) { changes.append(StoreEvent.Change(key: key, document: nil)) }
        }
        var paths: [String] = []
        for path in entry.changed where prefix.covers(try layout.key(path)) { paths.append(path) }
        if !paths.isEmpty {
            let documents = try await gateway.transaction(
                EtcdTransaction(
                    success: paths.map {
                        .range(EtcdRange(key: layout.document($0), revision: pair.mod_revision))
                    }))
            for response in documents.responses ?? [] {
                guard let pair = response.response_range?.kvs?.first else { continue }
                let key = try layout.key(layout.path(pair.key))
                changes.append(
                    StoreEvent.Change(
                        key: key, document: EtcdLayout.document(key, try EtcdLayout.version(pair))))
            }
        }
        guard !changes.isEmpty else { return nil }
        return StoreEvent(
            revision: revision, attribution: entry.attribution,
            changes: changes.sorted { $0.key < $1.key })
    }
}
