internal import CLua
internal import MartletConfig
internal import MartletCore
internal import MartletFilter

/// A policy on one worker: its VM, its stats, its timers. Every place in the worker's chains that runs the policy shares it,
/// across reloads that leave the policy as it is.
final class PolicyVM {
    let policy: CompiledPolicy
    let lua: LuaVM
    let context: FilterContext
    private let counts: PolicyCounts
    private var stats: [String: Stat] = [:]
    private var timers: [TimerHandle?] = []
    /// What the last operation on a shared store answered, lent to the script.
    var lent: [UInt8] = []

    private enum Stat {
        case counter(Counter)
        case gauge(Gauge)
        case histogram(Histogram)
    }
    private static let maxStats = 200

    /// Nil when memory is short.
    init?(_ policy: CompiledPolicy, _ context: FilterContext) {
        guard let lua = policy.takeVM() else { return nil }
        self.policy = policy
        self.lua = lua
        self.context = context
        counts = policy.status.takeCounts()
        lua.setOwner(self)
        // Work that comes again is done once, not once a worker.
        guard context.workerIndex == 0 else { return }
        for (number, period) in lua.timers.enumerated() {
            timers.append(nil)
            arm(number, .milliseconds(period))
        }
    }

    /// Parameters, with the defaults of the policy's schema; their number, or -1 when memory is short.
    func adopt(_ parameters: [UInt8]) -> Int32 {
        let number = lua.add(parameters)
        guard number >= 0, lua.mistake(in: number) != nil else { return number }
        lua.removeParameters(number)
        return -1
    }

    deinit {
        for timer in timers { timer?.cancel() }
        counts.end()
    }

    /// A run is over.
    func count(_ outcome: LuaOutcome) { counts.ran(outcome.instructions, memory: lua.memory) }

    // MARK: Calls that nobody waits for

    /// At most so many at once, with bodies of the policy's memory together: they outlive the run that made them, and what
    /// they take of a cluster's limits others lack.
    private static let maxLooseCalls = 64
    private static let longestLooseCall = Duration.seconds(60)
    private var looseCalls = 0
    private var looseBytes = 0

    /// Sends a call and forgets it. False when too many are under way.
    func callAsynchronously(_ request: CallRequest) -> Bool {
        let bytes = request.body.count
        guard looseCalls < Self.maxLooseCalls, looseBytes + bytes <= policy.budget.memory.bytes else { return false }
        looseCalls += 1
        looseBytes += bytes
        var request = request
        request.timeout = request.timeout == .zero ? Self.longestLooseCall : min(request.timeout, Self.longestLooseCall)
        context.call(request) { [weak self] _ in
            self?.looseCalls -= 1
            self?.looseBytes -= bytes
        }
        return true
    }

    // MARK: Timers

    private func arm(_ number: Int, _ period: Duration) {
        timers[number] = context.after(period) { [weak self] in
            guard let self else { return }
            self.arm(number, period)
            self.fire(number)
        }
    }

    /// Runs of timers that wait, by number: one that is not over when its time comes again is left out once.
    private var waiting: [Int: LuaExchange] = [:]

    private func fire(_ number: Int) {
        guard waiting[number] == nil, !policy.status.isQuarantined else { return }
        let state = LuaExchange(self)
        state.waker = self
        state.number = number
        settle(state, lua.runTimer(number, state))
    }

    /// Runs of `on_log` that wait, at most.
    private static let maxLogs = 1024
    private var logs = 0

    /// A run of `on_log` waits: it goes on without its exchange.
    func goOn(_ state: LuaExchange, _ run: SuspendedRun) {
        guard waiting.count < Self.maxLogs else {
            lua.drop(run)
            state.end()
            let error = PolicyError(message: "more than \(Self.maxLogs) runs of on_log wait", kind: .script)
            policy.failed(error, at: context.now)
            return context.log(.error, "policy \(policy.name): \(error.message)")
        }
        logs += 1
        state.leaveExchange(for: self)
        state.request.run = run
        // Timers count up from zero.
        state.number = -logs
        waiting[-logs] = state
    }

    private func settle(_ state: LuaExchange, _ outcome: LuaOutcome) {
        if case .waiting(let run) = outcome.end {
            state.request.run = run
            waiting[state.number] = state
            return
        }
        count(outcome)
        switch outcome.end {
        case .failed(let error):
            policy.failed(error, at: context.now)
            context.log(.error, "policy \(policy.name): \(error.message)")
        case .done, .replied, .waiting: break
        }
        waiting[state.number] = nil
        state.request.run = nil
        state.end()
    }

    // MARK: Stats

    func stat(_ kind: Int32, _ name: String, _ operation: Int32, _ value: inout Double) -> Int32 {
        guard let stat = stats[name] ?? make(kind, name) else { return Int32(MRT_CODE_STAT_KIND) }
        let amount = UInt64(clamping: Int64(max(0, min(value, 9e15))))
        switch (stat, Int(operation)) {
        case (.counter(let counter), MRT_STAT_ADD) where kind == Int32(MRT_STAT_COUNTER):
            counter.add(amount)
            value = Double(counter.value)
        case (.counter(let counter), MRT_STAT_VALUE) where kind == Int32(MRT_STAT_COUNTER):
            value = Double(counter.value)
        case (.gauge(let gauge), let operation) where kind == Int32(MRT_STAT_GAUGE):
            switch operation {
            case MRT_STAT_ADD: gauge.add(Int64(amount))
            case MRT_STAT_SUBTRACT: gauge.add(-Int64(amount))
            case MRT_STAT_SET: gauge.set(Int64(amount))
            default: break
            }
            value = Double(gauge.value)
        case (.histogram(let histogram), MRT_STAT_RECORD) where kind == Int32(MRT_STAT_HISTOGRAM):
            histogram.record(nanoseconds: UInt64(max(0, min(value, 9e18))))
        default: return Int32(MRT_CODE_STAT_KIND)
        }
        return Int32(MRT_CODE_OK)
    }

    private func make(_ kind: Int32, _ name: String) -> Stat? {
        guard stats.count < Self.maxStats else { return nil }
        let metric = "martlet_lua_" + String(name.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" })
        let labels = [("policy", policy.name)]
        let stat: Stat
        switch Int(kind) {
        case MRT_STAT_COUNTER: stat = .counter(context.metrics.counter(metric, labels))
        case MRT_STAT_GAUGE: stat = .gauge(context.metrics.gauge(metric, labels))
        default: stat = .histogram(context.metrics.histogram(metric, labels))
        }
        stats[name] = stat
        return stat
    }
}

extension PolicyVM: LuaWaker {
    func woken(_ state: LuaExchange, responds: Bool) {
        guard waiting[state.number] === state, let run = state.request.run else { return }
        settle(state, lua.resume(run, state))
    }
}
