internal import MartletCore
internal import MartletFilter

/// Prometheus' text format, version 0.0.4, or OpenMetrics 1.0, which has exemplars.
struct MetricsText {
    enum Format {
        case prometheus, openMetrics

        var type: StaticString {
            switch self {
            case .prometheus: "text/plain; version=0.0.4"
            case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
            }
        }
    }

    private let format: Format
    private var out = ""

    /// What single series mean; a family not listed gets its name's words.
    private static let help: [String: String] = [
        "martlet_requests_total": "Finished exchanges.",
        "martlet_request_duration_seconds": "From a request's head to the end of its exchange.",
        "martlet_requests_active": "Exchanges under way.",
        "martlet_downstream_connections_total": "Connections accepted.",
        "martlet_downstream_connections_active": "Client connections open.",
        "martlet_downstream_connections_rejected_total": "Connections closed because of max_connections.",
        "martlet_downstream_protocol_errors_total": "Requests refused as malformed.",
        "martlet_tcp_connections_total": "Connections of tcp listeners that went to a cluster.",
        "martlet_tcp_connections_active": "Of these, those open now.",
        "martlet_tcp_connections_failed_total":
            "Connections of tcp listeners that did not end by themselves, by reason.",
        "martlet_tcp_received_bytes_total": "Bytes from clients of tcp listeners.",
        "martlet_tcp_sent_bytes_total": "Bytes from clusters for clients of tcp listeners.",
        "martlet_upstream_connections_total": "Connections dialled.",
        "martlet_upstream_connect_failures_total": "Dials that failed.",
        "martlet_upstream_overflow_total": "Requests refused by a circuit-breaker limit.",
        "martlet_upstream_stale_connection_replays_total":
            "Requests sent again after a reused connection had been closed.",
        "martlet_config_version": "Version of the configuration in force.",
        "martlet_reloads_total": "Reloads since the start.",
        "martlet_access_log_dropped_total":
            "Log lines lost: their reader was too slow, or the system did not take them.",
        "martlet_tracing_requests_total": "Requests, by whether their trace is recorded.",
        "martlet_tracing_spans_exported_total": "Spans that the collector took.",
        "martlet_tracing_spans_dropped_total":
            "Spans lost: no room in the queue, refused by the collector, or not sent.",
        "martlet_headers_refused_total": "Requests that edits made unfit to be sent.",
        "process_resident_memory_bytes": "Resident memory.",
    ]

    static func render(_ copy: MetricsCopy, as format: Format = .prometheus) -> String {
        var text = MetricsText(format: format)
        text.write(copy)
        return text.out
    }

    private mutating func write(_ copy: MetricsCopy) {
        var counters: [String: [(String, String)]] = [:]
        for (series, value) in copy.counters { counters[series.name, default: []].append((series.labels, "\(value)")) }
        var gauges: [String: [(String, String)]] = [:]
        for (series, value) in copy.gauges { gauges[series.name, default: []].append((series.labels, "\(value)")) }
        for (name, rows) in counters.sorted(by: { $0.key < $1.key }) { family(name, "counter", rows) }
        for (name, rows) in gauges.sorted(by: { $0.key < $1.key }) { family(name, "gauge", rows) }
        var histograms: [String: [(String, HistogramCopy)]] = [:]
        for (series, value) in copy.histograms { histograms[series.name, default: []].append((series.labels, value)) }
        for (name, rows) in histograms.sorted(by: { $0.key < $1.key }) { histogram(name, rows) }
        if format == .openMetrics { out += "# EOF\n" }
    }

    private mutating func header(_ name: String, _ type: String) {
        let text = Self.help[name] ?? name.split(separator: "_").dropFirst().joined(separator: " ") + "."
        var (family, type) = (name, type)
        if format == .openMetrics && type == "counter" {
            // A counter's family goes without the ending that its samples have.
            if name.hasSuffix("_total") { family = String(name.dropLast(6)) } else { type = "unknown" }
        }
        out += "# HELP \(family) \(text)\n# TYPE \(family) \(type)\n"
    }

    private mutating func family(_ name: String, _ type: String, _ rows: [(String, String)]) {
        header(name, type)
        for (labels, value) in rows.sorted(by: { $0.0 < $1.0 }) {
            out += labels.isEmpty ? "\(name) \(value)\n" : "\(name){\(labels)} \(value)\n"
        }
    }

    private mutating func histogram(_ name: String, _ rows: [(String, HistogramCopy)]) {
        header(name, "histogram")
        for (labels, copy) in rows.sorted(by: { $0.0 < $1.0 }) {
            let prefix = labels.isEmpty ? "" : labels + ","
            var total: UInt64 = 0
            for (index, bound) in Histogram.bounds.enumerated() {
                total += copy.buckets[index]
                out += "\(name)_bucket{\(prefix)le=\"\(seconds(bound))\"} \(total)\(exemplar(copy, index))\n"
            }
            total += copy.buckets.last ?? 0
            out += "\(name)_bucket{\(prefix)le=\"+Inf\"} \(total)\(exemplar(copy, Histogram.bounds.count))\n"
            let braces = labels.isEmpty ? "" : "{\(labels)}"
            out += "\(name)_sum\(braces) \(Double(copy.sum) / 1_000_000_000)\n\(name)_count\(braces) \(total)\n"
        }
    }

    private func seconds(_ milliseconds: Double) -> String {
        let seconds = milliseconds / 1000
        // OpenMetrics writes bounds as the floating-point numbers they are.
        if format == .openMetrics { return String(seconds) }
        return seconds == seconds.rounded() ? String(Int(seconds)) : String(seconds)
    }

    /// ` # {trace_id="..."} value time`, behind the count of a bucket that has one.
    private func exemplar(_ copy: HistogramCopy, _ index: Int) -> String {
        guard format == .openMetrics, index < copy.exemplars.count, let exemplar = copy.exemplars[index] else {
            return ""
        }
        var id = LineBuffer()
        id.append(hex: exemplar.traceHigh)
        id.append(hex: exemplar.traceLow)
        let value = Double(exemplar.nanoseconds) / 1_000_000_000
        let time = Double(exemplar.at.nanoseconds / 1_000_000) / 1000
        return " # {trace_id=\"\(String(decoding: id.bytes, as: UTF8.self))\"} \(value) \(time)"
    }
}
