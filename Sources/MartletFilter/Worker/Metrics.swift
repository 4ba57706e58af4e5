package import MartletCore

/// The counters of one worker. Only that worker's thread touches them; a scrape asks each worker for a copy and adds
/// them up, so counting needs neither a lock nor an atomic.
package final class Metrics {
    /// A name and its labels, as they are exposed.
    package struct Series: Hashable, Sendable {
        package let name: String
        /// `key="value"` pairs, comma-separated, escaped; empty when there are none.
        package let labels: String
        package init(_ name: String, _ labels: [(String, String)]) {
            self.name = name
            self.labels = labels.map { "\($0.0)=\"\(Self.escaped($0.1))\"" }.joined(separator: ",")
        }
        /// Of a label; nil: it has none of that name.
        package func value(of label: String) -> String? {
            var rest = labels.utf8[...]
            while let equals = rest.firstIndex(of: UInt8(ascii: "=")) {
                let isIt = rest[..<equals].elementsEqual(label.utf8)
                rest = rest[equals...].dropFirst(2)
                var value: [UInt8] = []
                while let byte = rest.popFirst(), byte != UInt8(ascii: "\"") {
                    guard byte == UInt8(ascii: "\\") else {
                        if isIt { value.append(byte) }
                        continue
                    }
                    guard let escaped = rest.popFirst() else { break }
                    if isIt { value.append(escaped == UInt8(ascii: "n") ? UInt8(ascii: "\n") : escaped) }
                }
                if isIt { return String(decoding: value, as: UTF8.self) }
                rest = rest.dropFirst()
            }
            return nil
        }

        private static func escaped(_ value: String) -> String {
            var out = ""
            for character in value.unicodeScalars {
                switch character {
                case "\\": out += "\\\\"
                case "\"": out += "\\\""
                case "\n": out += "\\n"
                default: out.unicodeScalars.append(character)
                }
            }
            return out
        }
    }

    private var counters: [Series: Counter] = [:]
    /// The same by name, for reports that want a few names of many: there may be tens of thousands of series.
    private var named: [String: [(series: Series, counter: Counter)]] = [:]
    private var gauges: [Series: Gauge] = [:]
    private var histograms: [Series: Histogram] = [:]
    private var namedHistograms: [String: [Histogram]] = [:]
    /// Asked at each scrape.
    private var watched: [Series: () -> Int64?] = [:]
    /// More series than this and further ones share one that is not exposed, so that a label made from input cannot
    /// grow memory without bound.
    private static let maxSeries = 50_000

    package init() {}

    private var isFull: Bool { counters.count + gauges.count + histograms.count + watched.count >= Self.maxSeries }

    package func counter(_ name: String, _ labels: [(String, String)] = []) -> Counter {
        let series = Series(name, labels)
        if let counter = counters[series] { return counter }
        let counter = Counter()
        if !isFull {
            counters[series] = counter
            named[name, default: []].append((series, counter))
        }
        return counter
    }

    package func gauge(_ name: String, _ labels: [(String, String)] = []) -> Gauge {
        let series = Series(name, labels)
        if let gauge = gauges[series] { return gauge }
        let gauge = Gauge()
        if !isFull { gauges[series] = gauge }
        return gauge
    }

    /// A gauge that is read when it is scraped, for as long as `read` has something to say. The last one of a series counts.
    package func watch(_ name: String, _ labels: [(String, String)] = [], _ read: @escaping () -> Int64?) {
        let series = Series(name, labels)
        if watched[series] != nil || !isFull { watched[series] = read }
    }

    package func histogram(_ name: String, _ labels: [(String, String)] = []) -> Histogram {
        let series = Series(name, labels)
        if let histogram = histograms[series] { return histogram }
        let histogram = Histogram()
        if !isFull {
            histograms[series] = histogram
            namedHistograms[name, default: []].append(histogram)
        }
        return histogram
    }

    /// A copy to be added up elsewhere.
    package func copy() -> MetricsCopy {
        var gauges = gauges.mapValues(\.value)
        for (series, read) in watched {
            if let value = read() { gauges[series] = value } else { watched[series] = nil }
        }
        return MetricsCopy(
            counters: counters.mapValues(\.value), gauges: gauges,
            histograms: histograms.mapValues {
                HistogramCopy(buckets: $0.buckets, sum: $0.sum, exemplars: $0.exemplars)
            })
    }
}

extension Metrics {
    /// A copy of these counters alone, and of this histogram over all its labels; costs as much as there are of them.
    package func copy(counters names: [String], histogram: String) -> MetricsCopy {
        var copy = MetricsCopy()
        for name in names {
            for (series, counter) in named[name] ?? [] { copy.counters[series] = counter.value }
        }
        var buckets = [UInt64](repeating: 0, count: DurationBuckets.count)
        var sum: UInt64 = 0
        for histogram in namedHistograms[histogram] ?? [] {
            for index in buckets.indices { buckets[index] &+= histogram.buckets[index] }
            sum &+= histogram.sum
        }
        copy.histograms[Series(histogram, [])] = HistogramCopy(buckets: buckets, sum: sum)
        return copy
    }
}

/// Counts up. One worker's share of a series.
public final class Counter {
    package private(set) var value: UInt64 = 0
    package init() {}
    public func add(_ amount: UInt64 = 1) { value &+= amount }
}

/// Goes up and down. The exposed value is the sum over workers.
public final class Gauge {
    package private(set) var value: Int64 = 0
    package init() {}
    public func add(_ amount: Int64) { value &+= amount }
    public func set(_ value: Int64) { self.value = value }
}

/// Counts durations in Envoy's histogram buckets.
public final class Histogram {
    /// Upper bounds in milliseconds; one more bucket holds everything above.
    package static let bounds = DurationBuckets.bounds
    private static let boundsInNanoseconds = bounds.map { UInt64($0 * 1_000_000) }
    private let limits: [UInt64]
    package private(set) var buckets: [UInt64]
    /// Nanoseconds.
    package private(set) var sum: UInt64 = 0
    /// The last one of each bucket; empty until there is one.
    package private(set) var exemplars: [Exemplar?] = []

    package init() {
        limits = Self.boundsInNanoseconds
        buckets = [UInt64](repeating: 0, count: Self.bounds.count + 1)
    }

    public func record(nanoseconds: UInt64) {
        buckets[bucket(of: nanoseconds)] &+= 1
        sum &+= nanoseconds
    }

    /// Remembers a traced request that was recorded, in its bucket.
    package func exemplify(_ exemplar: Exemplar) {
        if exemplars.isEmpty { exemplars = [Exemplar?](repeating: nil, count: buckets.count) }
        exemplars[bucket(of: exemplar.nanoseconds)] = exemplar
    }

    private func bucket(of nanoseconds: UInt64) -> Int {
        var index = 0
        while index < limits.count && nanoseconds > limits[index] { index += 1 }
        return index
    }
}

/// A request that a bucket of a histogram counts, by its trace.
package struct Exemplar: Sendable {
    package let traceHigh: UInt64
    package let traceLow: UInt64
    package let nanoseconds: UInt64
    package let at: WallClock

    package init(traceHigh: UInt64, traceLow: UInt64, nanoseconds: UInt64, at: WallClock) {
        self.traceHigh = traceHigh
        self.traceLow = traceLow
        self.nanoseconds = nanoseconds
        self.at = at
    }
}

package struct HistogramCopy: Sendable {
    package var buckets: [UInt64]
    package var sum: UInt64
    /// By bucket; empty when there are none.
    package var exemplars: [Exemplar?] = []

    mutating func add(_ other: HistogramCopy) {
        buckets = zip(buckets, other.buckets).map { $0 &+ $1 }
        sum = sum &+ other.sum
        if exemplars.isEmpty {
            exemplars = other.exemplars
        } else if !other.exemplars.isEmpty {
            // The later of two workers'.
            exemplars = zip(exemplars, other.exemplars).map { left, right in
                guard let left, let right else { return left ?? right }
                return left.at.nanoseconds >= right.at.nanoseconds ? left : right
            }
        }
    }
}

package struct MetricsCopy: Sendable {
    package var counters: [Metrics.Series: UInt64]
    package var gauges: [Metrics.Series: Int64]
    package var histograms: [Metrics.Series: HistogramCopy]

    package init(
        counters: [Metrics.Series: UInt64] = [:], gauges: [Metrics.Series: Int64] = [:],
        histograms: [Metrics.Series: HistogramCopy] = [:]
    ) {
        self.counters = counters
        self.gauges = gauges
        self.histograms = histograms
    }

    package mutating func add(_ other: MetricsCopy) {
        counters.merge(other.counters, uniquingKeysWith: &+)
        gauges.merge(other.gauges, uniquingKeysWith: &+)
        histograms.merge(other.histograms) { left, right in
            var sum = left
            sum.add(right)
            return sum
        }
    }
}
