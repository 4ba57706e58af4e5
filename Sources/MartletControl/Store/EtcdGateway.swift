internal import Foundation

/// Calls to etcd's JSON gateway.
struct EtcdGateway: Sendable {
    /// Of its members, tried in this order.
    let endpoints: [EtcdEndpoint]

    private static let patience = Duration.seconds(10)

    func range(_ request: EtcdRange) async throws(StoreError) -> EtcdRangeResponse {
        try await call("/v3/kv/range", request)
    }

    func transaction(_ request: EtcdTransaction) async throws(StoreError) -> EtcdTransactionResponse {
        try await call("/v3/kv/txn", request)
    }

    /// What is older than a revision of etcd's can be forgotten.
    func compact(_ revision: EtcdNumber) async throws(StoreError) {
        let _: EtcdEmpty = try await call("/v3/kv/compaction", EtcdCompaction(revision: revision))
    }

    func call<Response: Decodable>(
        _ path: String, _ request: some Encodable
    ) async throws(StoreError) -> Response {
        do {
            let response = try await post(path, [UInt8](JSONEncoder().encode(request)))
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

    /// A member that nothing can be sent to has done nothing, so the next one is asked; any other failure may have come after
    /// the request was carried out.
    private func post(_ path: String, _ body: [UInt8]) async throws -> EtcdEndpoint.Response {
        var failure: any Error = StoreError.unavailable("etcd: no endpoints")
        for endpoint in endpoints {
            do {
                return try await Self.inTime { try await endpoint.post(path, body) }
            } catch let error as EtcdEndpoint.Unreachable {
                failure = error
            }
        }
        throw failure
    }

    private static func inTime<Value: Sendable>(
        _ body: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        try await withThrowingTaskGroup(of: Value?.self) { group in
            group.addTask { try await body() }
            group.addTask {
                try await Task.sleep(for: patience)
                return nil
            }
            defer { group.cancelAll() }
            guard let value = try await group.next() ?? nil else {
                throw StoreError.unavailable("etcd: no answer within \(patience)")
            }
            return value
        }
    }
}
