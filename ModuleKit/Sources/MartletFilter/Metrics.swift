internal import CMartletModule
internal import MartletCore

/// Counts up. One worker's share of a series, kept by the host.
public final class Counter {
    private let object: HostObject
    init(_ object: HostObject) { self.object = object }
    public func add(_ amount: UInt64 = 1) { unsafe martlet_of_host().pointee.counter_add(object.handle, amount) }
}

/// Goes up and down. The exposed value is the sum over workers.
public final class Gauge {
    private let object: HostObject
    init(_ object: HostObject) { self.object = object }
    public func add(_ amount: Int64) { unsafe martlet_of_host().pointee.gauge_add(object.handle, amount) }
    public func set(_ value: Int64) { unsafe martlet_of_host().pointee.gauge_set(object.handle, value) }
}

/// Counts durations in Envoy's histogram buckets.
public final class Histogram {
    private let object: HostObject
    init(_ object: HostObject) { self.object = object }
    public func record(nanoseconds: UInt64) {
        unsafe martlet_of_host().pointee.histogram_record(object.handle, nanoseconds)
    }
}
