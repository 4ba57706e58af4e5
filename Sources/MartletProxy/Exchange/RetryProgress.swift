internal import MartletCore
internal import MartletFilter

/// Where an exchange is with its retries.
struct RetryProgress {
    /// Of the present try.
    var tryDeadline = Instant.never
    /// When the next try begins, after the wait between two.
    var resumesAt = Instant.never
    /// Of the present try.
    var endpoint: ObjectIdentifier?
    /// Endpoints that failed the request; empty when they need not be avoided.
    var tried: [ObjectIdentifier] = []
    /// The present try is a retry that the cluster counts.
    var isCounted = false
    /// A proxy in front retries, and this one is not to.
    var isNested = false

    var nextEvent: Instant { min(tryDeadline, resumesAt) }

    /// Ready for the next exchange; touches little when there was nothing to retry.
    mutating func reset() {
        tryDeadline = .never
        resumesAt = .never
        endpoint = nil
        isCounted = false
        if !tried.isEmpty { tried = [] }
        isNested = false
    }
}

extension RetryPolicy.Outcome {
    init(_ failure: UpstreamFailure, wasSent: Bool) {
        switch failure {
        case .connectFailed, .connectTimeout, .tlsFailed: self = .connectFailure
        case .closed, .invalidResponse: self = .reset(wasSent: wasSent)
        case .refused: self = .refusedStream
        }
    }
}

/// What is counted of a cluster's retries.
struct RetryCounters {
    let started: Counter
    let succeeded: Counter
    let exhausted: Counter
    let overBudget: Counter
    let hedged: Counter

    init(_ labels: [(String, String)], _ metrics: Metrics) {
        started = metrics.counter("martlet_upstream_retries_total", labels)
        succeeded = metrics.counter("martlet_upstream_retries_succeeded_total", labels)
        exhausted = metrics.counter("martlet_upstream_retries_exhausted_total", labels)
        overBudget = metrics.counter("martlet_upstream_retries_over_budget_total", labels)
        hedged = metrics.counter("martlet_upstream_hedged_requests_total", labels)
    }
}
