public import MartletConfig
internal import MartletCore
public import MartletFilter
internal import Synchronization

/// `lua`: runs a policy, by name or written in place.
public struct LuaKind: FilterKind {
    public let name = "lua"
    private let catalog: PolicyCatalog

    public init(_ catalog: PolicyCatalog) { self.catalog = catalog }

    public func decode(_ section: ConfigSection, _ load: LoadContext) -> LuaConfig? {
        section.oneOf(["policy", "inline"], required: true)
        let parameters = section.raw("config").map { LuaParameters.encode($0) }
        if let inline = section.string("inline") {
            let budget = section.section("budget").map { PolicyBudget($0) } ?? PolicyBudget()
            let onError: PolicyConfig.OnError = section.choice("on_error", default: .deny)
            return compile(
                "inline", Array(inline.utf8), "inline", budget, onError, parameters, section.place(of: "inline"),
                section, load)
        }
        guard let wanted = section.string("policy") else { return nil }
        guard let policy = load.config.policies.first(where: { $0.name == wanted }) else {
            section.error(
                at: "policy", "no policy is called \"\(wanted.prefix(60))\"",
                hint: NearestName.hint(wanted, in: load.config.policies.map(\.name), what: "policies"))
            return nil
        }
        let source: [UInt8]
        var file = policy.name
        switch policy.source {
        case .inline(let text): source = Array(text.utf8)
        case .file(let path):
            file = path.split(separator: "/").last.map(String.init) ?? path
            do {
                source = try ConfigFile.read(path, atMost: 4 << 20)
            } catch {
                section.diagnostics.error(at: policy.place.key("file"), "cannot read \"\(path)\": \(error.reason)")
                return nil
            }
        }
        return compile(
            policy.name, source, file, policy.budget, policy.onError, parameters, policy.place, section, load)
    }

    private func compile(
        _ name: String, _ source: [UInt8], _ file: String, _ budget: PolicyBudget, _ onError: PolicyConfig.OnError,
        _ parameters: [UInt8]?, _ place: ConfigPlace, _ section: ConfigSection, _ load: LoadContext
    ) -> LuaConfig? {
        do {
            let policy = try CompiledPolicy(
                name: name, source: source, file: file, budget: budget, onError: onError, workers: load.workers)
            if !policy.hasRequestHook && !policy.hasResponseHook {
                section.diagnostics.warning(
                    at: place, "policy \"\(name)\" has neither on_request nor on_response: it does nothing")
            }
            catalog.add(policy)
            return LuaConfig(policy: policy, parameters: parameters)
        } catch {
            section.diagnostics.error(
                at: place, "policy \"\(name)\" does not load: \(error.message)",
                hint: error.isBreach ? "the main chunk must stay within the policy's budget too" : nil)
            return nil
        }
    }

    /// A route names policies: `lua: { require-team: { config: { header: x-squad } } }`, or `require-team: off`.
    public func decodeRoute(_ section: ConfigSection, _ config: LuaConfig, _ load: LoadContext) -> LuaRouteConfig? {
        let names = Set(load.config.policies.map(\.name) + ["inline"])
        var found: LuaRouteConfig = .unchanged
        for entry in section.allEntries() {
            guard names.contains(entry.key) else {
                section.diagnostics.error(
                    at: ConfigPlace(mark: entry.keyMark, path: entry.value.path),
                    "no policy is called \"\(entry.key.prefix(60))\"",
                    hint: NearestName.hint(entry.key, in: names, what: "policies"))
                continue
            }
            if entry.value.isOff {
                if entry.key == config.policy.name { found = .off }
                continue
            }
            let settings = section.section(of: entry.value)
            let parameters = settings.raw("config").map { LuaParameters.encode($0) }
            if entry.key == config.policy.name, let parameters { found = .parameters(config.add(parameters)) }
        }
        return found
    }

    public func makeFilter(_ config: LuaConfig, _ context: FilterContext) -> any Filter { LuaFilter(config, context) }
}

/// A policy with the parameters of one place in a chain.
public final class LuaConfig: Sendable {
    let policy: CompiledPolicy
    // Filled at load, the listener's own parameters first, then those of routes; read when filters are made.
    private let parameters: Mutex<[[UInt8]]>

    init(policy: CompiledPolicy, parameters: [UInt8]?) {
        self.policy = policy
        self.parameters = Mutex([parameters ?? [0]])
    }

    func add(_ bytes: [UInt8]) -> Int32 {
        parameters.withLock {
            $0.append(bytes)
            return Int32($0.count - 1)
        }
    }

    var allParameters: [[UInt8]] { parameters.withLock { $0 } }
}

/// What a route says about a policy.
public enum LuaRouteConfig: Sendable {
    case unchanged, off
    /// A number among the config's parameters.
    case parameters(Int32)
}

/// Runs a policy's hooks. A script error or a spent budget ends in what `on_error` says, for its own exchange alone.
final class LuaFilter: Filter {
    private let policy: CompiledPolicy
    private let context: FilterContext
    private let vm: LuaVM?
    private let run = LuaContext()
    private let runs: Counter
    private let errors: Counter
    private let breaches: Counter
    private let replies: Counter
    let hooks: Hooks

    init(_ config: LuaConfig, _ context: FilterContext) {
        policy = config.policy
        self.context = context
        vm = config.policy.takeVM()
        for parameters in config.allParameters { _ = vm?.add(parameters) }
        let labels = [("policy", config.policy.name)]
        runs = context.counter("policy_runs_total", labels)
        errors = context.counter("policy_errors_total", labels)
        breaches = context.counter("policy_budget_breaches_total", labels)
        replies = context.counter("policy_replies_total", labels)
        var hooks: Hooks = []
        // Without a VM the policy fails on every request, which on_error decides about.
        if config.policy.hasRequestHook || vm == nil { hooks.insert(.requestHead) }
        if config.policy.hasResponseHook { hooks.insert(.responseHead) }
        self.hooks = hooks
    }

    func onRequestHead(_ exchange: Exchange) -> Verdict { run(.request, exchange) }
    func onResponseHead(_ exchange: Exchange) -> Verdict { run(.response, exchange) }

    private func run(_ hook: LuaVM.Hook, _ exchange: Exchange) -> Verdict {
        var parameters: Int32 = 0
        if let route = context.routeConfig(of: exchange, as: LuaRouteConfig.self) {
            switch route {
            case .unchanged: break
            case .off: return .next
            case .parameters(let number): parameters = number
            }
        }
        guard let vm else { return fail(exchange, PolicyError(message: "not enough memory for a VM", kind: .memory)) }
        run.begin(exchange)
        let outcome = vm.run(hook, parameters: parameters, run)
        defer { run.end() }
        runs.add()
        policy.status.ran(outcome.instructions)
        switch outcome.end {
        case .done: return .next
        case .replied:
            replies.add()
            return .reply(run.takeReply())
        case .failed(let error): return fail(exchange, error)
        }
    }

    private func fail(_ exchange: Exchange, _ error: PolicyError) -> Verdict {
        errors.add()
        if error.isBreach { breaches.add() }
        policy.status.failed(error)
        exchange.log(.error, "policy \(policy.name): \(error.message)")
        switch policy.onError {
        case .deny: return .reply(.refusal(500, "policy-error"))
        case .skip: return .next
        }
    }
}
