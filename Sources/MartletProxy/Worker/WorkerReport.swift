package import MartletFilter

/// A worker's counts, copied for a scrape.
package struct WorkerReport: Sendable {
    enum Scope: Sendable {
        case everything
        /// What is reported to a control plane each second: of the metrics only `ProxyReport.Source`.
        case traffic
    }

    package let metrics: MetricsCopy
    package let clusters: [(name: String, open: Int, idle: Int)]
    package let connections: Int
    package let activeExchanges: Int
}
