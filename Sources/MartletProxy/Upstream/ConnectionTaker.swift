internal import MartletFilter

/// Who waits for a connection.
protocol ConnectionTaker: UpstreamReceiver, EndpointChooser {
    /// `upstream` is the taker's; it may still be on its way up.
    func upstreamReady(_ upstream: any UpstreamStream)
    /// There will be none.
    func upstreamRefused(_ reason: ConnectionRefusal)
}

/// Who has a say in which endpoint a connection leads to.
protocol EndpointChooser: AnyObject {
    /// An endpoint to be taken whatever the balancer would choose.
    var endpointOverride: (address: String, isStrict: Bool)? { get }
    /// What ring_hash and maglev choose by; nil chooses at random.
    var hashKey: UInt64? { get }
    /// False for an endpoint that another is to be preferred to.
    func prefers(_ endpoint: WorkerEndpoint) -> Bool
    /// Whose connection it is for, where endpoints are told; nil: our own.
    var toldClient: Downstream? { get }
    /// There is no way to it at all; the refusal follows.
    func cannotReach(_ endpoint: WorkerEndpoint)
}

extension EndpointChooser {
    var endpointOverride: (address: String, isStrict: Bool)? { nil }
    var hashKey: UInt64? { nil }
    var toldClient: Downstream? { nil }
    func prefers(_ endpoint: WorkerEndpoint) -> Bool { true }
    func cannotReach(_ endpoint: WorkerEndpoint) {}
}

enum ConnectionRefusal {
    case noHealthyUpstream
    /// A circuit-breaker threshold.
    case overflow(ClusterAllowances.Kind)
    /// The cluster's circuit breaker is open: too many requests failed.
    case circuitOpen
    case dialFailed(Int32)
    /// The endpoint was reached, and TLS with it came to nothing.
    case tlsFailed
}
