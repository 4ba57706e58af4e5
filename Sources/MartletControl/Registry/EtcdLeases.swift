internal import Foundation

/// What a registry asks of etcd beside what a store does: leases, and a watch of what hangs on them.
extension EtcdGateway {
    /// A new lease, and how many seconds it has: no fewer than asked for, by what that etcd takes at least.
    func grant(seconds: Int) async throws(StoreError) -> EtcdNumber {
        let lease: EtcdLease = try await call("/v3/lease/grant", EtcdLeaseGrant(TTL: EtcdNumber(Int64(seconds))))
        return lease.ID
    }

    /// Its time begins anew. False: there is none any more.
    func keepAlive(_ lease: EtcdNumber) async throws(StoreError) -> Bool {
        let kept: EtcdResult<EtcdLease> = try await call(
            "/v3/lease/keepalive", EtcdLeaseName(ID: lease), isRepeatable: true)
        return (kept.result.TTL?.value ?? 0) > 0
    }

    /// With it goes what hangs on it.
    /// - Returns: the revision of etcd's without it.
    @discardableResult
    func revoke(_ lease: EtcdNumber) async throws(StoreError) -> EtcdNumber {
        let revoked: EtcdAnswer = try await call("/v3/lease/revoke", EtcdLeaseName(ID: lease))
        return revoked.header.revision
    }
}

private struct EtcdLeaseGrant: Encodable {
    let TTL: EtcdNumber
}

private struct EtcdLeaseName: Encodable {
    let ID: EtcdNumber
}

private struct EtcdLease: Decodable, Sendable {
    let ID: EtcdNumber
    /// Left out when it is 0.
    let TTL: EtcdNumber?
}

private struct EtcdAnswer: Decodable, Sendable {
    let header: EtcdHeader
}

/// One message of a stream of them.
struct EtcdResult<Message: Decodable & Sendable>: Decodable, Sendable {
    let result: Message
}

struct EtcdWatchRequest: Encodable, Sendable {
    struct Create: Encodable, Sendable {
        let key: Data
        let range_end: Data
        /// The first one that is told of.
        let start_revision: EtcdNumber
    }

    let create_request: Create
}

struct EtcdWatchResponse: Decodable, Sendable {
    struct Event: Decodable, Sendable {
        /// Left out when something was put.
        let type: String?
        let kv: EtcdPair

        var isDeletion: Bool { type == "DELETE" }
    }

    let header: EtcdHeader
    let events: [Event]?
    /// It tells nothing more.
    let canceled: Bool?
    let cancel_reason: String?
}
