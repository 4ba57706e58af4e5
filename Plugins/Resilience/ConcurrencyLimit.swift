public import MartletConfig
internal import MartletCore
public import MartletFilter

/// `concurrency_limit`, a bulkhead: so many requests of a key under way at a time. Further ones wait in a queue, if there
/// is one, or are refused.
public struct ConcurrencyLimitKind: FilterKind {
    public let name = "concurrency_limit"
    private let states = LimitStates<ConcurrencyGates>()

    public init() {}

    public func decode(_ section: ConfigSection, _ load: LoadContext) -> ConcurrencyLimitConfig? {
        ConcurrencyLimitConfig(section, place: load.place, states: states)
    }

    /// What a route does not write is the listener's; what it counts is its own.
    public func decodeRoute(
        _ section: ConfigSection, _ config: ConcurrencyLimitConfig, _ load: LoadContext
    ) -> ConcurrencyLimitConfig? {
        ConcurrencyLimitConfig(section, default: config, place: load.place, states: states)
    }

    public func makeFilter(_ config: ConcurrencyLimitConfig, _ context: FilterContext) -> any Filter {
        ConcurrencyLimit(config, context)
    }
}

/// What one `concurrency_limit` of a chain says, or a route in its place; with what all workers count by it.
public final class ConcurrencyLimitConfig: Sendable {
    let name: String
    let key: RequestKey
    let missing: MissingKey
    let status: UInt16
    let isShadow: Bool
    /// How long a request waits for its turn.
    let queueTimeout: Duration
    let gates: ConcurrencyGates

    /// Nil after errors were reported.
    init?(
        _ section: ConfigSection, default standard: ConcurrencyLimitConfig? = nil, place: String,
        states: LimitStates<ConcurrencyGates>
    ) {
        let counts = 1...10_000_000
        name = standard?.name ?? section.value("name", .limitName) ?? "default"
        let max =
            standard.map { section.int("max", default: $0.gates.max, in: counts) }
            ?? section.int(required: "max", in: counts)
        key = RequestKey(section, default: standard?.key ?? RequestKey(parts: []))
        missing = section.choice("missing", default: standard?.missing ?? .limit)
        status = UInt16(section.int("status", default: standard.map { Int($0.status) } ?? 503, in: 400...599))
        isShadow =
            section.choice("mode", default: standard?.isShadow == true ? RateLimitConfig.Mode.shadow : .enforce)
            == .shadow
        let timeouts = Duration.milliseconds(1) ... .seconds(3600)
        var queueSize = standard?.gates.maxQueued ?? 0
        var queueTimeout = standard?.queueTimeout ?? .milliseconds(500)
        if section.node["queue"]?.isOff == true {
            _ = section.raw("queue")
            queueSize = 0
        } else if let queue = section.section("queue") {
            queueSize = queue.int("size", default: queueSize > 0 ? queueSize : 100, in: 1...100_000)
            queueTimeout = queue.duration("timeout", default: queueTimeout, in: timeouts)
        }
        self.queueTimeout = queueTimeout
        guard !section.diagnostics.hasErrors else { return nil }
        let (isShared, maxQueued) = (key.isShared, queueSize)
        gates = states.state(for: "\(place) \(max) \(queueSize) \(key.description)") {
            ConcurrencyGates(max: max, maxQueued: maxQueued, isShared: isShared)
        }
    }

    /// The place that requests without a key share: no key's hash but by a chance of 2^-64.
    static let keyless: UInt64 = 0
}

final class ConcurrencyLimit: Filter {
    /// A request's place, in the gate or in the queue for it.
    fileprivate final class Stay {
        enum State { case none, waiting(ticket: UInt64), inside }
        var state = State.none
        var gates: ConcurrencyGates?
        var key: UInt64 = 0
        /// In the filter's table of those who wait.
        var number: UInt64 = 0
        var resumption: Resumption?
        var timer: TimerHandle?
        private let active: Gauge

        init(active: Gauge) { self.active = active }

        func enter() {
            state = .inside
            active.add(1)
        }

        /// Gives back what it has. Once, however often it is called.
        func end() {
            let state = self.state
            self.state = .none
            switch state {
            case .none: break
            case .inside:
                active.add(-1)
                gates?.leave(key)
            // Its turn may have come, and the word of it be on its way: then the place is given back at once.
            case .waiting(let ticket): if gates?.withdraw(key, ticket) == false { gates?.leave(key) }
            }
            if resumption != nil { resumption = nil }
            if let timer {
                timer.cancel()
                self.timer = nil
            }
        }

        // A place that nobody gives back is lost for ever: not even a mistake elsewhere may do that.
        deinit { end() }
    }

    private let config: ConcurrencyLimitConfig
    private let context: FilterContext
    private let counts: Counts
    private let stay: Slot<Stay>
    private var spare: [Stay] = []
    private var waiting: [UInt64: Stay] = [:]
    private var lastNumber: UInt64 = 0
    private var turns: Receiver<UInt64>?

    let hooks: Hooks = [.requestHead, .end]

    private struct Counts {
        let admitted, queued, refused, timedOut, shadowed, keyless: Counter
        let active, waiting: Gauge

        init(_ name: String, _ context: FilterContext) {
            let labels = [("limit", name)]
            func counter(_ what: String) -> Counter { context.counter("concurrency_limit_\(what)_total", labels) }
            admitted = counter("admitted")
            queued = counter("queued")
            refused = counter("refused")
            timedOut = counter("queue_timeout")
            shadowed = counter("shadow_refused")
            keyless = counter("missing_key")
            active = context.gauge("concurrency_limit_active", labels)
            waiting = context.gauge("concurrency_limit_waiting", labels)
        }
    }

    private static let maxSpare = 1024

    init(_ config: ConcurrencyLimitConfig, _ context: FilterContext) {
        self.config = config
        self.context = context
        counts = Counts(config.name, context)
        stay = context.slot(Stay.self)
        turns = context.receiver(of: UInt64.self) { [weak self] number in self?.turnCame(number) }
    }

    func onRequestHead(_ exchange: Exchange) -> Verdict {
        let config = context.routeConfig(of: exchange, as: ConcurrencyLimitConfig.self) ?? config
        var key = ConcurrencyLimitConfig.keyless
        if !config.key.isShared {
            if let hash = config.key.hash(of: exchange) {
                key = hash
            } else {
                counts.keyless.add()
                if config.missing == .skip { return .next }
            }
        }
        // Nobody waits for a limit that is only being tried.
        guard !config.isShadow, let turns else { return enterShadow(exchange, config, key) }
        lastNumber &+= 1
        let number = lastNumber
        switch config.gates.enter(key, as: ConcurrencyGates.Waiter(sender: turns.sender, number: number)) {
        case .entered:
            newStay(exchange, config, key).enter()
            counts.admitted.add()
            return .next
        case .full:
            counts.refused.add()
            return .reply(.refusal(config.status, "concurrency-limit", flag: .upstreamOverflow))
        case .queued(let ticket):
            let stay = newStay(exchange, config, key)
            stay.state = .waiting(ticket: ticket)
            stay.number = number
            stay.resumption = exchange.requestResumption()
            stay.timer = context.after(config.queueTimeout) { [weak self] in self?.timedOut(number, config.status) }
            waiting[number] = stay
            counts.queued.add()
            counts.waiting.add(1)
            return .wait
        }
    }

    /// Counts as in earnest, so that the numbers are true, and refuses nobody.
    private func enterShadow(_ exchange: Exchange, _ config: ConcurrencyLimitConfig, _ key: UInt64) -> Verdict {
        if config.gates.enterIfFree(key) {
            newStay(exchange, config, key).enter()
            counts.admitted.add()
        } else {
            counts.shadowed.add()
            exchange.shadowNotes.append("concurrency_limit \(config.name): \(config.status) concurrency-limit")
        }
        return .next
    }

    private func newStay(_ exchange: Exchange, _ config: ConcurrencyLimitConfig, _ key: UInt64) -> Stay {
        let stay = spare.popLast() ?? Stay(active: counts.active)
        stay.gates = config.gates
        stay.key = key
        exchange[self.stay] = stay
        return stay
    }

    // MARK: Waiting

    private func turnCame(_ number: UInt64) {
        // Whoever left before this word arrived has given the place back already.
        guard let stay = noLongerWaiting(number), case .waiting = stay.state else { return }
        stay.enter()
        counts.admitted.add()
        resume(stay, .next)
    }

    private func timedOut(_ number: UInt64, _ status: UInt16) {
        guard let stay = waiting[number], case .waiting(let ticket) = stay.state else { return }
        // Its turn has come, and the word of it is on its way.
        guard stay.gates?.withdraw(stay.key, ticket) == true else { return }
        _ = noLongerWaiting(number)
        stay.state = .none
        counts.timedOut.add()
        resume(stay, .reply(.refusal(status, "concurrency-queue-timeout", flag: .upstreamOverflow)))
    }

    private func noLongerWaiting(_ number: UInt64) -> Stay? {
        guard let stay = waiting.removeValue(forKey: number) else { return nil }
        counts.waiting.add(-1)
        stay.timer?.cancel()
        stay.timer = nil
        return stay
    }

    private func resume(_ stay: Stay, _ verdict: Verdict) {
        let resumption = stay.resumption
        stay.resumption = nil
        resumption?.resume(verdict)
    }

    func onEnd(_ exchange: Exchange) {
        guard let stay = exchange[self.stay] else { return }
        exchange[self.stay] = nil
        if case .waiting = stay.state { _ = noLongerWaiting(stay.number) }
        stay.end()
        if spare.count < Self.maxSpare { spare.append(stay) }
    }
}
