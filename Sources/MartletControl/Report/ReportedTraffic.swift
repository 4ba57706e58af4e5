internal import MartletCore
package import MartletXDS

/// What a proxy's traffic did between two of its reports.
package struct ReportedTraffic: Sendable, Equatable, Codable {
    /// From the earlier report to the later.
    package var span: Duration
    /// Finished requests by the class of their response: none, 1xx, 2xx, 3xx, 4xx, 5xx.
    package var responses: [UInt64]
    /// Of requests, by `DurationBuckets`.
    package var durations: [UInt64]
    /// By name; of all that the later report has.
    package var policies: [String: PolicyTally]

    package var requests: UInt64 { responses.reduce(0, &+) }
    package var errors5xx: UInt64 { responses.last ?? 0 }

    /// 0 when there was no request.
    package var errorShare: Double { requests == 0 ? 0 : Double(errors5xx) / Double(requests) }

    package var requestsPerSecond: Double { span > .zero ? Double(requests) / (span / .seconds(1)) : 0 }

    /// The upper bound, in milliseconds, of the bucket in which that share of all requests had ended. Nil: there were none.
    /// - Parameter share: 0 to 1.
    package func duration(at share: Double) -> Double? { DurationBuckets.quantile(share, of: durations) }
}
