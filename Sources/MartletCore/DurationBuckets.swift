/// How durations of requests are counted: the buckets of histograms, which proxies expose and report to their control plane.
package enum DurationBuckets {
    /// Upper bounds in milliseconds (Envoy's default buckets); one more bucket holds everything above.
    package static let bounds: [Double] = [
        0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000,
        3_600_000,
    ]

    package static let count = bounds.count + 1

    /// The upper bound, in milliseconds, of the bucket in which that share of all has been seen; the highest bound stands for
    /// what is above it. Nil: nothing was counted.
    /// - Parameter share: 0 to 1.
    package static func quantile(_ share: Double, of buckets: [UInt64]) -> Double? {
        let total = buckets.reduce(0) { $0 + Double($1) }
        guard total > 0 else { return nil }
        var seen = 0.0
        for (bound, bucket) in zip(bounds, buckets) {
            seen += Double(bucket)
            if seen >= total * share, seen > 0 { return bound }
        }
        return bounds.last
    }
}
