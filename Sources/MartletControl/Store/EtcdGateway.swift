internal import Foundation
internal import Synchronization

/// Calls to etcd's JSON gateway.
struct EtcdGateway: Sendable {
    /// Of its members.
    let endpoints: [EtcdEndpoint]
    private let last = LastAnswer()

    private static let patience = Duration.seconds(10)
    /// For what can be asked of the next member as well.
    private static let shortPatience = Duration.seconds(2)

    init(endpoints: [EtcdEndpoint]) { self.endpoints = endpoints }

    func range(_ request: EtcdRange) async throws(StoreError) -> EtcdRangeResponse {
        try await call("/v3/kv/range", request, isRepeatable: true)
    }

    func transaction(_ request: EtcdTransaction) async throws(StoreError) -> EtcdTransactionResponse {
        try await call("/v3/kv/txn", request)
    }

    /// What is older than a revision of etcd's can be forgotten.
    func compact(_ revision: EtcdNumber) async throws(StoreError) {
        let _: EtcdEmpty = try await call("/v3/kv/compaction", EtcdCompaction(revision: revision))
    }

    func call<Response: Decodable>(
        _ path: String, _ request: some Encodable, isRepeatable: Bool = false
    ) async throws(StoreError) -> Response {
        do {
            let response = try await post(path, [UInt8](JSONEncoder().encode(request)), isRepeatable)
            let data = Data(response.body)
            if response.status == 200 { return try JSONDecoder().decode(Response.self, from: data) }
            let error = try JSONDecoder().decode(EtcdError.self, from: data)
            // gRPC's OUT_OF_RANGE. Which revision of the store's is the oldest, whoever asked finds out.
            if error.code == 11, error.error.contains("compacted") {
                throw StoreError.compacted(oldest: 0)
            }
            throw StoreError.unavailable("etcd: \(error.error)")
        } catch let error as StoreError {
            throw error
        } catch {
            throw .unavailable("etcd: \(error)")
        }
    }

    /// The member that has answered last is asked first. One that nothing can be sent to has done nothing, so the next one is
    /// asked; any other failure may have come after the request was carried out, and only what may be done twice is asked again:
    /// a member that hangs, or has lost its leader, would hold up renewals until leases end.
    private func post(_ path: String, _ body: [UInt8], _ isRepeatable: Bool) async throws -> EtcdEndpoint.Response {
        var failure: any Error = StoreError.unavailable("etcd: no endpoints")
        let first = last.place
        for turn in endpoints.indices {
            let place = (first + turn) % endpoints.count
            let goesOn = isRepeatable && turn < endpoints.count - 1
            do {
                let response = try await within(goesOn ? Self.shortPatience : Self.patience) {
                    try await endpoints[place].post(path, body)
                }
                // A member that cannot do what it is asked says so by a status of the server's.
                if goesOn, response.status >= 500 { continue }
                last.place = place
                return response
            } catch let error as EtcdEndpoint.Unreachable {
                failure = error
            } catch {
                guard goesOn, !Task.isCancelled else { throw error }
                failure = error
            }
        }
        throw failure
    }
}

/// Which member has answered last.
private final class LastAnswer: Sendable {
    private let known = Atomic(0)

    var place: Int {
        get { known.load(ordering: .relaxed) }
        set { known.store(newValue, ordering: .relaxed) }
    }
}
