public import MartletConfig
internal import MartletCore
public import MartletFilter
internal import MartletHTTP

/// `fault`: delays and refuses requests on purpose, to see what their senders make of it.
public struct FaultKind: FilterKind {
    public let name = "fault"

    public init() {}

    public func decode(_ section: ConfigSection, _ load: LoadContext) -> FaultConfig? { FaultConfig(section) }

    /// A route's faults take the place of the listener's.
    public func decodeRoute(_ section: ConfigSection, _ config: FaultConfig, _ load: LoadContext) -> FaultConfig? {
        FaultConfig(section)
    }

    public func makeFilter(_ config: FaultConfig, _ context: FilterContext) -> any Filter { Fault(config, context) }
}

final class Fault: Filter {
    /// A request that is held, or whose response is slowed. Over when nothing of that is left to do or its exchange ends,
    /// whichever comes first.
    private final class Hold {
        private let active: ActiveFaults
        private let gauge: Gauge
        /// Bytes a second of the response; nil: it is not slowed.
        let rate: ByteCount?
        var timer: TimerHandle?

        init(_ active: ActiveFaults, _ gauge: Gauge, rate: ByteCount?) {
            self.active = active
            self.gauge = gauge
            self.rate = rate
            gauge.add(1)
        }

        deinit {
            timer?.cancel()
            active.end()
            gauge.add(-1)
        }
    }

    private let config: FaultConfig
    private let context: FilterContext
    private let slot: Slot<Hold>
    private let delays, aborts, slowed, overflows: Counter
    private let active: Gauge
    private var dice = FaultDice()

    let hooks: Hooks = [.requestHead, .responseBody]

    init(_ config: FaultConfig, _ context: FilterContext) {
        self.config = config
        self.context = context
        slot = context.slot(Hold.self)
        delays = context.counter("fault_delays_injected_total")
        aborts = context.counter("fault_aborts_injected_total")
        slowed = context.counter("fault_responses_slowed_total")
        overflows = context.counter("fault_overflow_total")
        active = context.gauge("fault_active")
    }

    func onRequestHead(_ exchange: Exchange) -> Verdict {
        let config = context.routeConfig(of: exchange, as: FaultConfig.self) ?? config
        let headers = exchange.request.headers
        // Nobody is hit whom the configuration does not surely mean.
        for test in config.headers where test.match(headers) != .matches { return .next }
        let delay = config.delay.flatMap { self.delay($0, headers, config) }
        let status = config.abort.flatMap { self.status($0, headers, config) }
        let rate = status == nil ? config.responseRate.flatMap { dice.hits($0.share) ? $0.rate : nil } : nil
        guard delay != nil || rate != nil else { return verdict(exchange, status) }
        guard config.active.begin() else {
            // As many as may be: this one is spared.
            overflows.add()
            return verdict(exchange, status)
        }
        let hold = Hold(config.active, active, rate: rate)
        exchange[slot] = hold
        if rate != nil { slowed.add() }
        guard let delay else { return .next }
        delays.add()
        exchange.flags.insert(.delayInjected)
        let resumption = exchange.requestResumption()
        // Not through `hold`, which has to end with the exchange.
        hold.timer = exchange.after(delay) { [self] in
            if exchange[slot]?.rate == nil { exchange[slot] = nil }
            resumption.resume(verdict(exchange, status))
        }
        return .wait
    }

    private func verdict(_ exchange: Exchange, _ status: UInt16?) -> Verdict {
        guard let status else { return .next }
        aborts.add()
        return .reply(.refusal(status, "fault-abort", flag: .faultInjected))
    }

    /// A piece comes when it would have passed at that rate; meanwhile no more is read.
    func onResponseBody(_ exchange: Exchange, _ chunk: inout BodyChunk) -> Verdict {
        guard let hold = exchange[slot], let rate = hold.rate, chunk.count > 0 else { return .next }
        let resumption = exchange.responseResumption()
        hold.timer = exchange.after(.seconds(Double(chunk.count) / Double(rate.bytes))) { resumption.resume() }
        return .wait
    }

    // MARK: What is done to a request

    private func delay(_ delay: FaultConfig.Delay, _ headers: HeaderTable, _ config: FaultConfig) -> Duration? {
        var wanted = delay.duration
        var share = delay.share
        if config.readsHeaders, let value = headers.first(Self.delayHeader) {
            // What is no number asks for nothing.
            guard let milliseconds = value.decimal() else { return nil }
            wanted = min(.milliseconds(Int64(min(milliseconds, 3_600_000))), config.maxHeaderDelay)
            share = min(share, Self.share(headers, Self.delayPercentHeader))
        }
        guard let wanted, wanted > .zero, dice.hits(share) else { return nil }
        return wanted
    }

    private func status(_ abort: FaultConfig.Abort, _ headers: HeaderTable, _ config: FaultConfig) -> UInt16? {
        var wanted = abort.status
        var share = abort.share
        if config.readsHeaders, let value = headers.first(Self.abortHeader) {
            guard let status = value.decimal(), (200...599).contains(status) else { return nil }
            wanted = UInt16(status)
            share = min(share, Self.share(headers, Self.abortPercentHeader))
        }
        guard let wanted, dice.hits(share) else { return nil }
        return wanted
    }

    /// A header makes faults rarer than the configuration has them, never more frequent.
    private static func share(_ headers: HeaderTable, _ name: HeaderName) -> Double {
        guard let value = headers.first(name) else { return 1 }
        guard let percent = value.decimal(), percent <= 100 else { return 0 }
        return Double(percent) / 100
    }

    // Envoy's names.
    private static let delayHeader = HeaderName(known: "x-envoy-fault-delay-request")
    private static let delayPercentHeader = HeaderName(known: "x-envoy-fault-delay-request-percentage")
    private static let abortHeader = HeaderName(known: "x-envoy-fault-abort-request")
    private static let abortPercentHeader = HeaderName(known: "x-envoy-fault-abort-request-percentage")
}

/// SplitMix64: a chance for each request without a system call.
struct FaultDice {
    private var state = UInt64.random(in: 0...UInt64.max)

    mutating func hits(_ share: Double) -> Bool {
        if share >= 1 { return true }
        if share <= 0 { return false }
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        mixed ^= mixed >> 31
        return Double(mixed >> 11) * 0x1p-53 < share
    }
}
