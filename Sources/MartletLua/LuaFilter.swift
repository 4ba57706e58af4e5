internal import CLua
internal import MartletConfig
internal import MartletCore
internal import MartletFilter

/// Runs a policy's hooks at one place of a chain. A script error or a spent budget ends in what `on_error` says, for its own
/// exchange alone.
///
/// A hook's run is a coroutine. When it waits, the filter holds what the wait concerns, or lets it go on: a head is held for
/// a body, a call or a sleep, and goes on when the script begins to take chunks or waits for trailers.
final class LuaFilter: Filter {
    let policy: CompiledPolicy
    private let context: FilterContext
    /// Shared with the other places of the policy as long as one of them is in use.
    private let place: PolicyVMPlace?
    let vm: PolicyVM?
    private let slot: Slot<LuaExchange>
    private var spare: [LuaExchange] = []
    /// The config's parameters as numbers in the VM.
    private var parameters: [Int32] = []
    private let runs: Counter
    private let errors: Counter
    private let breaches: Counter
    private let replies: Counter
    let shadowDecisions: Counter
    let hooks: Hooks

    init(_ config: LuaConfig, _ context: FilterContext) {
        let policy = config.policy
        self.policy = policy
        self.context = context
        place = context.shared(for: policy) { PolicyVMPlace(PolicyVM(policy, context)) }
        let vm = place?.vm
        self.vm = vm
        slot = context.slot(LuaExchange.self)
        for bytes in config.allParameters { parameters.append(vm?.adopt(bytes) ?? -1) }
        let labels = [("policy", policy.name)]
        runs = context.counter("policy_runs_total", labels)
        errors = context.counter("policy_errors_total", labels)
        breaches = context.counter("policy_budget_breaches_total", labels)
        replies = context.counter("policy_replies_total", labels)
        shadowDecisions = context.counter("policy_shadow_decisions_total", labels)
        var hooks: Hooks = []
        // Without a VM the policy fails on every request, which on_error decides about.
        if policy.hasRequestHook || vm == nil { hooks.formUnion([.requestHead, .requestBody, .requestTrailers, .end]) }
        if policy.hasResponseHook { hooks.formUnion([.responseHead, .responseBody, .responseTrailers, .end]) }
        if policy.hasLogHook { hooks.insert(.end) }
        self.hooks = hooks
    }

    deinit { for number in parameters { vm?.lua.removeParameters(number) } }

    // MARK: Hooks

    func onRequestHead(_ exchange: Exchange) -> Verdict { begin(.request, exchange) }
    func onResponseHead(_ exchange: Exchange) -> Verdict { begin(.response, exchange) }

    func onRequestBody(_ exchange: Exchange, _ chunk: inout BodyChunk) -> Verdict {
        guard let state = exchange[slot] else { return .next }
        return body(state, exchange, responds: false, &chunk)
    }

    func onResponseBody(_ exchange: Exchange, _ chunk: inout BodyChunk) -> Verdict {
        guard let state = exchange[slot] else { return .next }
        return body(state, exchange, responds: true, &chunk)
    }

    func onRequestTrailers(_ exchange: Exchange, _ trailers: HeaderTable) -> Verdict {
        guard let state = exchange[slot] else { return .next }
        return self.trailers(state, exchange, responds: false)
    }

    func onResponseTrailers(_ exchange: Exchange, _ trailers: HeaderTable) -> Verdict {
        guard let state = exchange[slot] else { return .next }
        return self.trailers(state, exchange, responds: true)
    }

    func onEnd(_ exchange: Exchange) {
        let state = exchange[slot]
        if policy.hasLogHook, let vm, !policy.status.isQuarantined, let number = parameters(for: exchange) {
            let state = state ?? take(exchange, vm)
            // Runs that wait never go on.
            drop(state, vm)
            state.beginLog()
            state.parameters = number
            let outcome = vm.lua.run(.log, state)
            if case .waiting(let run) = outcome.end {
                runs.add()
                return vm.goOn(state, run)
            }
            count(outcome)
            if case .failed(let error) = outcome.end { report(error, exchange) }
            return giveBack(state)
        }
        if let state { giveBack(state) }
    }

    private func drop(_ state: LuaExchange, _ vm: PolicyVM) {
        if let run = state.request.run { vm.lua.drop(run) }
        if let run = state.response.run { vm.lua.drop(run) }
        state.request.run = nil
        state.response.run = nil
    }

    // MARK: States

    private func take(_ exchange: Exchange, _ vm: PolicyVM) -> LuaExchange {
        let state = spare.popLast() ?? LuaExchange(vm)
        state.begin(exchange)
        return state
    }

    private func giveBack(_ state: LuaExchange) {
        state.end()
        if spare.count < 64 { spare.append(state) }
    }

    /// The number of the parameters that hold for this exchange; nil when its route turns the policy off.
    private func parameters(for exchange: Exchange) -> Int32? {
        guard let route = context.routeConfig(of: exchange, as: LuaRouteConfig.self) else { return parameters[0] }
        return switch route {
        case .unchanged: parameters[0]
        case .off: nil
        case .parameters(let index): parameters.indices.contains(index) ? parameters[index] : -1
        }
    }

    // MARK: Running

    private func begin(_ hook: LuaVM.Hook, _ exchange: Exchange) -> Verdict {
        guard let number = parameters(for: exchange) else { return .next }
        guard let vm else {
            return fail(PolicyError(message: "not enough memory for a VM", kind: .memory), exchange, isSent: false)
        }
        guard !policy.status.isQuarantined else {
            let error = PolicyError(message: "quarantined: it went over its budget too often", kind: .quarantine)
            return fail(error, exchange, isSent: false)
        }
        guard number >= 0 else {
            return fail(
                PolicyError(message: "its parameters do not fit its memory", kind: .memory), exchange, isSent: false)
        }
        let state = exchange[slot] ?? take(exchange, vm)
        state.isResponding = hook == .response
        state.parameters = number
        if policy.isShadow {
            let shadow = state.shadow ?? LuaShadow()
            shadow.begin(exchange, isResponse: hook == .response)
            state.shadow = shadow
        }
        let verdict = settle(vm.lua.run(hook, state), state, exchange, isHook: true)
        if state.isNeeded { exchange[slot] = state } else if exchange[slot] == nil { giveBack(state) }
        return verdict
    }

    private func count(_ outcome: LuaOutcome) {
        runs.add()
        vm?.count(outcome)
    }

    /// What becomes of what the filter holds, now that the run has ended or waits. `isHook`: a hook of the chain is on the
    /// stack and answers with the verdict.
    private func settle(_ outcome: LuaOutcome, _ state: LuaExchange, _ exchange: Exchange, isHook: Bool) -> Verdict {
        if case .waiting(let run) = outcome.end {
            state.side.run = run
            state.waker = self
            return hold(state, exchange, isHook: isHook)
        }
        state.side.run = nil
        state.side.wait = nil
        if !state.calls.isEmpty { state.endStreams(ofResponse: state.isResponding) }
        count(outcome)
        if let shadow = state.shadow { return conclude(shadow, outcome, state, exchange) }
        switch outcome.end {
        case .replied:
            replies.add()
            return .reply(state.takeReply())
        case .failed(let error): return fail(error, exchange, isSent: state.side.isHeadPassed)
        case .done, .waiting:
            // The head goes on with this verdict, if it has not yet.
            state.side.isHeadPassed = true
            return .next
        }
    }

    private func hold(_ state: LuaExchange, _ exchange: Exchange, isHook: Bool) -> Verdict {
        if let shadow = state.shadow {
            // Nothing waits for a policy that is only tried.
            if state.side.wait == .body { shadow.copiesBody = true }
            return .next
        }
        switch state.side.wait {
        case .chunk, .trailers:
            state.side.isHeadPassed = true
            return .next
        case .body, .calls, .sleep, nil:
            if isHook {
                state.side.resumption =
                    state.isResponding ? exchange.responseResumption() : exchange.requestResumption()
            }
            return .wait
        }
    }

    private func resume(_ state: LuaExchange, _ exchange: Exchange, responds: Bool, isHook: Bool) -> Verdict {
        guard let vm, let run = responds ? state.response.run : state.request.run else { return .next }
        state.isResponding = responds
        state.side.wait = nil
        return settle(vm.lua.resume(run, state), state, exchange, isHook: isHook)
    }

    // MARK: Bodies

    private func body(_ state: LuaExchange, _ exchange: Exchange, responds: Bool, _ chunk: inout BodyChunk) -> Verdict {
        let side = responds ? state.response : state.request
        if responds { state.response.hasSeenBody = true } else { state.request.hasSeenBody = true }
        if chunk.isLast { if responds { state.response.isBodyOver = true } else { state.request.isBodyOver = true } }
        if let shadow = state.shadow {
            watch(shadow, state, exchange, responds: responds, chunk)
            return .next
        }
        switch side.wait {
        case .body: return resume(state, exchange, responds: responds, isHook: true)
        case .chunk:
            state.chunk = chunk.slice
            state.replacement = nil
            state.outcome = Int32(MRT_CODE_OK)
            let verdict = resume(state, exchange, responds: responds, isHook: true)
            if let bytes = state.replacement { chunk.replace(with: bytes) }
            state.chunk = nil
            state.replacement = nil
            return verdict
        case .trailers where chunk.isLast:
            state.outcome = Int32(MRT_CODE_NOTHING)
            return resume(state, exchange, responds: responds, isHook: true)
        default: return .next
        }
    }

    private func trailers(_ state: LuaExchange, _ exchange: Exchange, responds: Bool) -> Verdict {
        let wait = responds ? state.response.wait : state.request.wait
        if responds { state.response.hasTrailers = true } else { state.request.hasTrailers = true }
        if let shadow = state.shadow {
            shadow.endBody()
            shadow.copy(trailers: responds ? exchange.responseTrailers : exchange.requestTrailers)
            switch wait {
            case .body: break
            case .chunk: state.outcome = Int32(MRT_CODE_NOTHING)
            case .trailers: state.outcome = Int32(MRT_CODE_OK)
            default: return .next
            }
            _ = resume(state, exchange, responds: responds, isHook: true)
            return .next
        }
        switch wait {
        case .chunk: state.outcome = Int32(MRT_CODE_NOTHING)
        case .trailers: state.outcome = Int32(MRT_CODE_OK)
        default: return .next
        }
        return resume(state, exchange, responds: responds, isHook: true)
    }

    // MARK: Errors

    private func fail(_ error: PolicyError, _ exchange: Exchange, isSent: Bool) -> Verdict {
        report(error, exchange)
        switch policy.onError {
        case .deny: return isSent ? .reset(.filter) : .reply(.refusal(500, "policy-error"))
        case .skip: return .next
        }
    }

    func report(_ error: PolicyError, _ exchange: Exchange) {
        errors.add()
        if error.isBreach { breaches.add() }
        policy.failed(error, at: exchange.now)
        if error.kind != .quarantine { exchange.log(.error, "policy \(policy.name): \(error.message)") }
    }

    // MARK: Shadow

    /// Records what the policy decided; the exchange goes on as if it were not there.
    private func conclude(_ shadow: LuaShadow, _ outcome: LuaOutcome, _ state: LuaExchange, _ exchange: Exchange)
        -> Verdict
    {
        switch outcome.end {
        case .replied: shadow.note("reply \(state.takeReply().status)")
        case .failed(let error):
            report(error, exchange)
            shadow.note("error \(error.message.prefix { $0 != "\n" })")
        case .done, .waiting: break
        }
        let notes = shadow.takeNotes()
        if !notes.isEmpty {
            shadowDecisions.add()
            policy.status.decided()
            if exchange.shadowNotes.count < 50 {
                exchange.shadowNotes += notes.map { "\(policy.name): \($0)" }
            }
        }
        return .next
    }

    private func watch(
        _ shadow: LuaShadow, _ state: LuaExchange, _ exchange: Exchange, responds: Bool, _ chunk: BodyChunk
    ) {
        let wait = responds ? state.response.wait : state.request.wait
        switch wait {
        case .chunk:
            state.chunk = chunk.slice
            state.outcome = Int32(MRT_CODE_OK)
            _ = resume(state, exchange, responds: responds, isHook: true)
            if let replacement = state.replacement { shadow.note("chunk of \(replacement.count) bytes") }
            state.chunk = nil
            state.replacement = nil
            return
        case .trailers where chunk.isLast:
            state.outcome = Int32(MRT_CODE_NOTHING)
            _ = resume(state, exchange, responds: responds, isHook: true)
            return
        case .body: break
        default: return
        }
        guard shadow.copy(chunk, limit: exchange.bodyLimit.bytes) else {
            shadow.note("body larger than it may see")
            shadow.copiesBody = false
            return
        }
        if chunk.isLast { _ = resume(state, exchange, responds: responds, isHook: true) }
    }
}

extension LuaFilter: LuaWaker {
    /// A call was answered or a sleep is over, outside of any hook.
    func woken(_ state: LuaExchange, responds: Bool) {
        guard let exchange = state.exchange else { return }
        let resumption = responds ? state.response.resumption : state.request.resumption
        let verdict = resume(state, exchange, responds: responds, isHook: false)
        if state.shadow != nil { return }
        switch verdict {
        // A wait for the body opens the flow; others go on holding what is held.
        case .wait where state.side.wait != .body: return
        default: resumption?.resume(verdict)
        }
    }
}

/// A place for a VM that may not have come about.
private final class PolicyVMPlace {
    let vm: PolicyVM?
    init(_ vm: PolicyVM?) { self.vm = vm }
}
