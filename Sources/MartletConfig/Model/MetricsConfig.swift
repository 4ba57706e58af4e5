/// What the metrics hold beyond the counts.
package struct MetricsConfig: Sendable {
    /// Remember for each bucket of request durations the last traced request, and tell it to scrapers that ask for
    /// OpenMetrics. Default: false.
    package var exemplars = false

    init() {}

    init(_ section: ConfigSection) { exemplars = section.bool("exemplars", default: false) }
}
