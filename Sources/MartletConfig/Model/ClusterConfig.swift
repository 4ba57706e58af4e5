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
        /// By a key of the request, on a ring of hashes.
        case ringHash = "ring_hash"
        /// By a key of the request, in a table: faster, and less even when endpoints come and go.
        case maglev
        /// The one of two picked at random that would answer sooner, by the latency seen and the requests under way.
        case peakEWMA = "peak_ewma"

        /// Chosen by a key.
        package var isByHash: Bool { self == .ringHash || self == .maglev }
    }

    package enum UpstreamProtocol: String, Sendable, CaseIterable {
        case http1
        /// By prior knowledge, or, with TLS, by ALPN.
        case http2
        /// What the endpoint chooses by ALPN; TLS only.
        case auto
    }

    /// Unique; labels metrics and logs.
    package var name: String
    package var source: Source
    /// Default: round_robin.
    package var loadBalancing: LoadBalancing
    package var balancing: BalancingConfig
    /// Nil: endpoints are not asked.
    package var healthCheck: HealthCheckConfig?
    /// Nil: endpoints are not judged by their answers.
    package var outlierDetection: OutlierConfig?
    /// Default: http1. What passes through a tcp listener is neither.
    package var `protocol`: UpstreamProtocol
    /// Nil: clear text.
    package var tls: ClusterTLSConfig?
    /// Nil: endpoints are not told the client's address by the PROXY protocol. HTTP connections that tell it serve one client each.
    package var proxyProtocol: ProxyProtocolVersion?
    package var http2: ClusterHTTP2Config
    /// From dialling to an open connection, its TLS handshake included. Default 5s, 1ms to 1h.
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
    /// Where it runs: for `zone_preference`, and shown by the admin API.
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
