internal import Foundation

/// A store in etcd, for a control plane of several processes: each of them may write, and hears what the others wrote.
///
/// etcd should be the store's own, for the store has it forget what is older than its retention.
package final class EtcdStore: ConfigStore {
    /// Transactions that are kept, and with them the history of documents.
    package static let standardRetention: Revision = 10_000

    let gateway: EtcdGateway
    let layout: EtcdLayout
    let signal: RevisionSignal
    let turns = Turnstile()
    let retention: Revision
    let now: @Sendable () -> Int64
    private let follower: Task<Void, Never>

    /// - Parameter endpoints: of its members, the one to ask first before the others.
    package init(
        endpoints: [EtcdEndpoint], prefix: String = "martlet",
        retention: Revision = EtcdStore.standardRetention,
        now: @escaping @Sendable () -> Int64 = { Int64(Date().timeIntervalSince1970 * 1000) }
    ) async throws(StoreError) {
        let (gateway, layout) = (EtcdGateway(endpoints: endpoints), EtcdLayout(prefix: prefix))
        let signal = RevisionSignal(0)
        (self.gateway, self.layout, self.signal) = (gateway, layout, signal)
        (self.retention, self.now) = (retention, now)
        let reader = EtcdReader(gateway: gateway, layout: layout)
        signal.advance(to: try await reader.bounds().bounds.latest)
        follower = Task { await EtcdFollower(reader: reader, signal: signal).run() }
    }

    deinit { follower.cancel() }

    package func close() {
        follower.cancel()
        signal.close()
    }

    func reader() throws(StoreError) -> EtcdReader {
        try signal.checkOpen()
        return EtcdReader(gateway: gateway, layout: layout)
    }

    package func revision() async throws(StoreError) -> Revision {
        try await reader().bounds().bounds.latest
    }

    package func document(_ key: DocumentKey, at revision: Revision?) async throws(StoreError)
        -> Document?
    {
        try await reader().document(key, at: revision)
    }

    package func list(_ prefix: DocumentPrefix, at revision: Revision?) async throws(StoreError)
        -> Listing
    {
        try await reader().list(prefix, at: revision)
    }

    package func history(_ key: DocumentKey, limit: Int) async throws(StoreError) -> [DocumentVersion] {
        try await reader().history(key, limit: limit)
    }

    package func events(
        _ prefix: DocumentPrefix, after revision: Revision, limit: Int
    ) async throws(StoreError) -> StoreEvents {
        try await reader().events(prefix, after: revision, limit: limit)
    }

    package func next(after revision: Revision) async throws(StoreError) {
        try await signal.wait(after: revision)
    }
}
