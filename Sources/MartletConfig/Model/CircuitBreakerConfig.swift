/// How much of a proxy one cluster may take, over all workers. Beyond a limit requests are answered 503 at once.
package struct CircuitBreakerConfig: Sendable, Equatable {
    /// Connections open or being opened. Default 1024, 1 to 10 million.
    package var maxConnections = 1024
    /// Requests waiting for a connection. Default 1024, 0 to 10 million.
    package var maxPendingRequests = 1024
    /// Requests under way. Default 1024, 1 to 10 million.
    package var maxRequests = 1024
    /// Retries under way. Default 3, 0 to 10 million.
    package var maxRetries = 3
    /// Nil: failures do not open it.
    package var errorRate: ErrorRateConfig?

    init() {}

    init(_ section: ConfigSection) {
        maxConnections = section.int("max_connections", default: maxConnections, in: 1...10_000_000)
        maxPendingRequests = section.int("max_pending_requests", default: maxPendingRequests, in: 0...10_000_000)
        maxRequests = section.int("max_requests", default: maxRequests, in: 1...10_000_000)
        maxRetries = section.int("max_retries", default: maxRetries, in: 0...10_000_000)
        errorRate = section.section("error_rate").map { ErrorRateConfig($0) }
    }
}

/// When too many of a cluster's requests fail, no more are sent for a while.
package struct ErrorRateConfig: Sendable, Equatable {
    /// Failed requests (5xx, no answer) of all those of the window. Default 0.5, 0.01 to 1.
    package var threshold = 0.5
    /// Fewer requests in the window say nothing. Default 20, 1 to 1 million.
    package var minimumRequests = 20
    /// Default 10s, 1s to 10m.
    package var window = Duration.seconds(10)
    /// How long all requests are answered 503. Default 5s, 100ms to 1h.
    package var openFor = Duration.seconds(5)
    /// Requests let through afterwards, all of which must succeed. Default 5, 1 to 1000.
    package var halfOpenRequests = 5

    init() {}

    init(_ section: ConfigSection) {
        threshold = section.percent("threshold", default: threshold, in: 0.01...1)
        minimumRequests = section.int("minimum_requests", default: minimumRequests, in: 1...1_000_000)
        window = section.duration("window", default: window, in: .seconds(1) ... .seconds(600))
        openFor = section.duration("open_for", default: openFor, in: .milliseconds(100) ... .seconds(3600))
        halfOpenRequests = section.int("half_open_requests", default: halfOpenRequests, in: 1...1000)
    }
}

extension CircuitBreakerConfig {
    var json: ConfigJSON {
        .object([
            ("max_connections", .number(maxConnections)),
            ("max_pending_requests", .number(maxPendingRequests)),
            ("max_requests", .number(maxRequests)),
            ("max_retries", .number(maxRetries)),
            (
                "error_rate",
                errorRate.map { rate in
                    .object([
                        ("threshold", .string(ConfigText.percent(rate.threshold))),
                        ("minimum_requests", .number(rate.minimumRequests)),
                        ("window", .string(ConfigText.duration(rate.window))),
                        ("open_for", .string(ConfigText.duration(rate.openFor))),
                        ("half_open_requests", .number(rate.halfOpenRequests)),
                    ])
                }
            ),
        ])
    }
}
