import MartletCore
import MartletFilter
import Testing

@Suite("Copies of some metrics")
struct MetricsCopyTests {
    @Test("Counters by name with all their labels, and one histogram over all of its own")
    func some() throws {
        let metrics = Metrics()
        for (label, count) in [("a", 3), ("b", 4)] as [(String, UInt64)] {
            metrics.counter("wanted", [("of", label)]).add(count)
            metrics.counter("unwanted", [("of", label)]).add(count)
            metrics.histogram("times", [("of", label)]).record(nanoseconds: count * 1_000_000)
        }
        // The same series once more is the same counter.
        metrics.counter("wanted", [("of", "a")]).add(10)
        let copy = metrics.copy(counters: ["wanted", "absent"], histogram: "times")
        #expect(
            copy.counters == [
                Metrics.Series("wanted", [("of", "a")]): 13, Metrics.Series("wanted", [("of", "b")]): 4,
            ])
        let times = try #require(copy.histograms[Metrics.Series("times", [])])
        #expect(times.buckets.reduce(0, +) == 2 && times.buckets[2] == 2 && times.sum == 7_000_000)
        #expect(copy.gauges.isEmpty)
        let none = metrics.copy(counters: [], histogram: "absent")
        #expect(none.histograms[Metrics.Series("absent", [])]?.buckets.count == DurationBuckets.count)
    }

    @Test(
        "A label is read as it was written",
        arguments: ["", "plain", "a\"b", "back\\slash", "two\nlines", "x=\"y\",z", "ü", "\\n"])
    func labels(_ value: String) {
        let series = Metrics.Series("n", [("first", "1,\"policy=\""), ("policy", value), ("last", "9")])
        #expect(series.value(of: "policy") == value)
        #expect(series.value(of: "last") == "9" && series.value(of: "first") == "1,\"policy=\"")
        #expect(series.value(of: "pol") == nil && series.value(of: "") == nil)
        #expect(Metrics.Series("n", []).value(of: "policy") == nil)
    }

    @Test("Where a share of all has been seen: the bounds of buckets")
    func quantiles() {
        var buckets = [UInt64](repeating: 0, count: DurationBuckets.count)
        #expect(DurationBuckets.quantile(0.5, of: buckets) == nil)
        buckets[0] = 1
        buckets[4] = 99
        #expect(DurationBuckets.quantile(0.01, of: buckets) == 0.5)
        #expect(DurationBuckets.quantile(0, of: buckets) == 0.5)
        #expect(DurationBuckets.quantile(0.02, of: buckets) == 25)
        #expect(DurationBuckets.quantile(1, of: buckets) == 25)
        buckets = [UInt64](repeating: .max, count: DurationBuckets.count)
        #expect(DurationBuckets.quantile(1, of: buckets) == 3_600_000)
    }
}
