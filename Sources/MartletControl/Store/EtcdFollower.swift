internal import Foundation

/// Hears from etcd that the bounds have changed, and tells the store's watchers. Reads them itself whenever it is told
/// something, or had lost sight of etcd: what it is told only wakes it.
struct EtcdFollower: Sendable {
    let reader: EtcdReader
    let signal: RevisionSignal

    /// Between two tries to reach etcd.
    private static let pause = Duration.milliseconds(250)

    private struct Request: Encodable {
        struct Create: Encodable {
            let key: Data
        }
        let create_request: Create
    }

    func run() async {
        guard
            let body = try? JSONEncoder().encode(
                Request(create_request: .init(key: reader.layout.bounds)))
        else { return }
        var turn = 0
        while !Task.isCancelled, !reader.gateway.endpoints.isEmpty {
            let endpoint = reader.gateway.endpoints[turn % reader.gateway.endpoints.count]
            turn += 1
            // The first piece tells that the watch has begun: from then on nothing is missed.
            try? await endpoint.follow("/v3/watch", [UInt8](body)) { _ in
                signal.advance(to: try await reader.bounds().bounds.latest)
            }
            try? await Task.sleep(for: Self.pause)
        }
    }
}
