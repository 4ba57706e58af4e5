public import MartletConfig
internal import MartletCore
public import MartletFilter
internal import MartletHTTP
internal import Synchronization

/// `adaptive_concurrency`: as many requests under way as the upstream can answer without making them wait, found out all
/// along by a `GradientController`.
public struct AdaptiveConcurrencyKind: FilterKind {
    public let name = "adaptive_concurrency"
    private let states = LimitStates<AdaptiveLimit>()

    public init() {}

    public func decode(_ section: ConfigSection, _ load: LoadContext) -> AdaptiveConcurrencyConfig? {
        AdaptiveConcurrencyConfig(section, place: load.place, states: states)
    }

    /// What a route does not write is the listener's; its limit is its own.
    public func decodeRoute(
        _ section: ConfigSection, _ config: AdaptiveConcurrencyConfig, _ load: LoadContext
    ) -> AdaptiveConcurrencyConfig? {
        AdaptiveConcurrencyConfig(section, default: config, place: load.place, states: states)
    }

    public func makeFilter(_ config: AdaptiveConcurrencyConfig, _ context: FilterContext) -> any Filter {
        AdaptiveConcurrency(config, context)
    }
}

/// What one `adaptive_concurrency` of a chain says, or a route in its place, and the limit that its workers share.
public final class AdaptiveConcurrencyConfig: Sendable {
    let name: String
    let status: UInt16
    let isShadow: Bool
    let limit: AdaptiveLimit

    /// Nil after errors were reported.
    init?(
        _ section: ConfigSection, default standard: AdaptiveConcurrencyConfig? = nil, place: String,
        states: LimitStates<AdaptiveLimit>
    ) {
        var settings = standard?.limit.settings ?? GradientController.Settings()
        let limits = 1...1_000_000
        let times = Duration.milliseconds(1) ... .seconds(3600)
        // One series of metrics a name: a route whose limit is to be seen has its own.
        name = section.value("name", .limitName) ?? standard?.name ?? "default"
        settings.percentile = section.percent("percentile", default: settings.percentile, in: 0.01...1)
        settings.minLimit = section.int("min_limit", default: settings.minLimit, in: limits)
        settings.maxLimit = section.int("max_limit", default: settings.maxLimit, in: limits)
        settings.updateInterval = section.nanoseconds("update_interval", default: settings.updateInterval, in: times)
        if let measure = section.section("min_rtt") {
            settings.measureInterval = measure.nanoseconds(
                "interval", default: settings.measureInterval, in: .seconds(1) ... .seconds(86_400))
            settings.jitter = measure.percent("jitter", default: settings.jitter)
            settings.measureSamples = measure.int("samples", default: settings.measureSamples, in: 1...1024)
            settings.measureConcurrency = measure.int("concurrency", default: settings.measureConcurrency, in: limits)
            settings.measureTimeout = measure.nanoseconds("timeout", default: settings.measureTimeout, in: times)
            settings.buffer = measure.percent("buffer", default: settings.buffer, in: 0...10)
        }
        status = UInt16(section.int("status", default: standard.map { Int($0.status) } ?? 503, in: 400...599))
        isShadow =
            section.choice("mode", default: standard?.isShadow == true ? RateLimitConfig.Mode.shadow : .enforce)
            == .shadow
        if settings.minLimit > settings.maxLimit {
            section.error(
                at: section.has("min_limit") ? "min_limit" : "max_limit",
                "min_limit \(settings.minLimit) is above max_limit \(settings.maxLimit)", hint: "lower it")
        }
        guard !section.diagnostics.hasErrors else { return nil }
        let wanted = settings
        limit = states.state(for: "\(place) \(settings)") { AdaptiveLimit(wanted) }
    }
}

extension ConfigSection {
    fileprivate func nanoseconds(
        _ key: String, default standard: UInt64, in bounds: ClosedRange<Duration>
    ) -> UInt64 {
        duration(key, in: bounds).map { Nanoseconds($0).rawValue } ?? standard
    }
}

/// The limit all workers share: asking it is two atomics, teaching it a lock for the time of noting a number.
final class AdaptiveLimit: Sendable {
    let settings: GradientController.Settings
    private let inFlight = Atomic<Int>(0)
    private let limit: Atomic<Int>
    private let leastTime = Atomic<UInt64>(0)
    // Any worker, once a response.
    private let controller: Locked<GradientController>

    init(_ settings: GradientController.Settings) {
        self.settings = settings
        let controller = GradientController(
            settings, at: Instant.now().nanoseconds, seed: UInt64.random(in: .min ... .max))
        limit = Atomic(controller.limit)
        self.controller = Locked(controller)
    }

    /// False when as many as may be are under way.
    func enter() -> Bool {
        if inFlight.wrappingAdd(1, ordering: .relaxed).newValue <= limit.load(ordering: .relaxed) { return true }
        inFlight.wrappingSubtract(1, ordering: .relaxed)
        return false
    }

    func leave() { inFlight.wrappingSubtract(1, ordering: .relaxed) }

    func record(_ time: UInt64, started: UInt64, at now: UInt64) {
        controller.withLock { controller in
            controller.record(time, started: started, at: now)
            // Under the lock, so that an older number does not come after a newer one.
            limit.store(controller.limit, ordering: .relaxed)
            leastTime.store(controller.leastTime, ordering: .relaxed)
        }
    }

    var currentLimit: Int { limit.load(ordering: .relaxed) }
    var active: Int { inFlight.load(ordering: .relaxed) }
    /// Nanoseconds.
    var currentLeastTime: UInt64 { leastTime.load(ordering: .relaxed) }
}

final class AdaptiveConcurrency: Filter {
    private final class Stay {
        var limit: AdaptiveLimit?
        var started = Instant(nanoseconds: 0)

        func end() { limit.take()?.leave() }

        // A place that nobody gives back is lost for ever: not even a mistake elsewhere may do that.
        deinit { end() }
    }

    private let config: AdaptiveConcurrencyConfig
    private let context: FilterContext
    private let stay: Slot<Stay>
    private var spare: [Stay] = []
    private let admitted, blocked, shadowed: Counter
    private var watched: Set<ObjectIdentifier> = []

    let hooks: Hooks = [.requestHead, .end]
    private static let maxSpare = 1024

    init(_ config: AdaptiveConcurrencyConfig, _ context: FilterContext) {
        self.config = config
        self.context = context
        stay = context.slot(Stay.self)
        let labels = [("limit", config.name)]
        admitted = context.counter("adaptive_concurrency_admitted_total", labels)
        blocked = context.counter("adaptive_concurrency_blocked_total", labels)
        shadowed = context.counter("adaptive_concurrency_shadow_blocked_total", labels)
        watch(config)
    }

    private func watch(_ config: AdaptiveConcurrencyConfig) {
        guard watched.insert(ObjectIdentifier(config.limit)).inserted else { return }
        let labels = [("limit", config.name)]
        context.processGauge("adaptive_concurrency_limit", labels) { [weak limit = config.limit] in
            limit.map { Int64($0.currentLimit) }
        }
        context.processGauge("adaptive_concurrency_active", labels) { [weak limit = config.limit] in
            limit.map { Int64($0.active) }
        }
        context.processGauge("adaptive_concurrency_min_rtt_microseconds", labels) { [weak limit = config.limit] in
            limit.map { Int64(clamping: $0.currentLeastTime / 1000) }
        }
    }

    func onRequestHead(_ exchange: Exchange) -> Verdict {
        var config = self.config
        if let own = context.routeConfig(of: exchange, as: AdaptiveConcurrencyConfig.self) {
            config = own
            watch(own)
        }
        if !config.limit.enter() {
            guard config.isShadow else {
                blocked.add()
                return .reply(.refusal(config.status, "adaptive-concurrency-limit", flag: .upstreamOverflow))
            }
            shadowed.add()
            exchange.shadowNotes.append(
                "adaptive_concurrency \(config.name): \(config.status) adaptive-concurrency-limit")
            return .next
        }
        admitted.add()
        let stay = spare.popLast() ?? Stay()
        stay.limit = config.limit
        stay.started = context.now
        exchange[self.stay] = stay
        return .next
    }

    func onEnd(_ exchange: Exchange) {
        guard let stay = exchange[self.stay] else { return }
        exchange[self.stay] = nil
        if let limit = stay.limit, let time = time(of: exchange, stay) {
            limit.record(time.rawValue, started: stay.started.nanoseconds, at: context.now.nanoseconds)
        }
        stay.end()
        if spare.count < Self.maxSpare { spare.append(stay) }
    }

    /// From the request's last byte to the response's first: how fast a client sends and reads is not the upstream's doing.
    /// Nil for what no upstream has answered, and for its errors, which come sooner than answers do.
    private func time(of exchange: Exchange, _ stay: Stay) -> Nanoseconds? {
        guard exchange.attempts > 0 else { return nil }
        let began = exchange.requestEnded == .never ? stay.started : max(stay.started, exchange.requestEnded)
        if exchange.flags.contains(.upstreamRequestTimeout) { return context.now - began }
        guard exchange.reason == nil, exchange.response.status < 500, exchange.upstreamResponded > began else {
            return nil
        }
        return exchange.upstreamResponded - began
    }
}
