package import MartletCore

/// Servers that do the same work, and how they are used.
package struct ClusterConfig: Sendable {
    package enum Source: Sendable {
        case endpoints([EndpointConfig])
        case dns(DNSConfig)
    }

    package enum LoadBalancing: String, Sendable, CaseIterable {
        case roundRobin = "round_robin"
        /// The less busy of two picked at random.
        case leastRequest = "least_request"
        case random
    }

    /// Unique; labels metrics and logs.
    package var name: String
    package var source: Source
    /// Default: round_robin.
    package var loadBalancing: LoadBalancing
    /// From dialling to an open connection. Default 5s, 1ms to 1h.
    package var connectTimeout: Duration
    /// How long an unused connection is kept. Default 60s, 0 is for ever. Shorter than the upstream's own is best:
    /// then it is the proxy that closes.
    package var idleTimeout: Duration?
    package var limits: ClusterLimits
    package var circuitBreaker: CircuitBreakerConfig
    package var place: ConfigPlace
}

/// One server.
package struct EndpointConfig: Sendable {
    package var address: ConfigAddress
    /// Its share of requests against the others'. Default 1, 1 to 128.
    package var weight: Int
    /// A label shown by the admin API.
    package var zone: String?
}

/// A name whose addresses are the endpoints, asked for again and again.
package struct DNSConfig: Sendable {
    package var host: String
    package var port: UInt16
    /// Time between two look-ups. Default 5s, 100ms to 1h.
    package var refresh: Duration
}

/// What an upstream may send.
package struct ClusterLimits: Sendable {
    /// Bytes of a response's head; more is 502. Default 64KiB, 1KiB to 1MiB.
    package var responseHeaders: ByteCount = .kibibytes(64)
    /// Header fields of a response; more is 502. Default 100, 1 to 10000.
    package var headerCount = 100

    init() {}

    init(_ section: ConfigSection) {
        responseHeaders = section.size(
            "response_headers", default: responseHeaders, in: .kibibytes(1) ... .mebibytes(1))
        headerCount = section.int("header_count", default: headerCount, in: 1...10_000)
    }
}

/// How much of a proxy one cluster may take, over all workers. Beyond a limit requests are answered 503 at once.
package struct CircuitBreakerConfig: Sendable {
    /// Connections open or being opened. Default 1024, 1 to 10 million.
    package var maxConnections = 1024
    /// Requests waiting for a connection. Default 1024, 0 to 10 million.
    package var maxPendingRequests = 1024
    /// Requests under way. Default 1024, 1 to 10 million.
    package var maxRequests = 1024
    /// Retries under way. Default 3, 0 to 10 million.
    package var maxRetries = 3

    init() {}

    init(_ section: ConfigSection) {
        maxConnections = section.int("max_connections", default: maxConnections, in: 1...10_000_000)
        maxPendingRequests = section.int("max_pending_requests", default: maxPendingRequests, in: 0...10_000_000)
        maxRequests = section.int("max_requests", default: maxRequests, in: 1...10_000_000)
        maxRetries = section.int("max_retries", default: maxRetries, in: 0...10_000_000)
    }
}
