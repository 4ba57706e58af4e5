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
        if section.has("inline") {
            let budget = section.section("budget").map { PolicyBudget($0) } ?? PolicyBudget()
            let onError = section.choice("on_error", default: PolicyConfig.OnError.deny)
            let mode = section.choice("mode", default: PolicyConfig.Mode.enforce)
            guard let inline = section.string("inline") else { return nil }
            let source = CompiledPolicy.Source(
                name: "inline", text: Array(inline.utf8), file: "inline", budget: budget, onError: onError, mode: mode)
            return compile(source, budget, parameters, section.place(of: "inline"), section, load)
        }
        guard let wanted = section.string("policy") else { return nil }
        guard let policy = load.config.policies.first(where: { $0.name == wanted }) else {
            // Told already, when the whole configuration was looked at.
            if section.diagnostics.hasErrors { return nil }
            section.error(
                at: "policy", "no policy is called \"\(wanted.prefix(60))\"",
                hint: NearestName.hint(wanted, in: load.config.policies.map(\.name), what: "policies"))
            return nil
        }
        let text: [UInt8]
        var file = policy.name
        switch policy.source {
        case .inline(let inline): text = Array(inline.utf8)
        case .file(let path):
            file = path.split(separator: "/").last.map(String.init) ?? path
            do {
                text = try section.diagnostics.files.read(path, atMost: ConfigFile.maxPolicy)
            } catch {
                section.diagnostics.error(at: policy.place.key("file"), "cannot read \"\(path)\": \(error.reason)")
                return nil
            }
        }
        let source = CompiledPolicy.Source(
            name: policy.name, text: text, data: read(policy.data, policy, section),
            modules: read(policy.modules, policy, section), file: file, budget: policy.budget, onError: policy.onError,
            mode: policy.mode)
        return compile(source, policy.budget, parameters, policy.place, section, load)
    }

    /// The files as an encoded mapping of names to texts; one that cannot be read is reported.
    private func read(_ files: [PolicyFile], _ policy: PolicyConfig, _ section: ConfigSection) -> [UInt8] {
        EncodedValue.mapping(
            files.map { file in
                do throws(ConfigFile.Failure) {
                    let bytes = try section.diagnostics.files.read(file.path, atMost: policy.budget.memory.bytes)
                    return (file.name, EncodedValue.text(bytes))
                } catch {
                    section.diagnostics.error(
                        at: file.place, "cannot read \"\(file.path)\": \(error.reason)",
                        hint: error.reason.hasPrefix("larger") ? "it must fit the policy's `budget.memory`" : nil)
                    return (file.name, EncodedValue.text([]))
                }
            })
    }

    private func compile(
        _ source: CompiledPolicy.Source, _ budget: PolicyBudget, _ parameters: [UInt8]?, _ place: ConfigPlace,
        _ section: ConfigSection, _ load: LoadContext
    ) -> LuaConfig? {
        do {
            let policy = try policy(source, budget, place, section, load)
            let config = LuaConfig(policy: policy, parameters: parameters)
            guard let mistake = policy.mistake(in: parameters ?? LuaParameters.none) else { return config }
            section.error(at: parameters == nil ? "policy" : "config", "policy \"\(source.name)\": \(mistake)")
        } catch {
            section.diagnostics.error(
                at: place, "policy \"\(source.name)\" does not load: \(error.message)",
                hint: error.isBreach ? "the main chunk must stay within the policy's budget too" : nil)
        }
        return nil
    }

    /// One that is alive with the very same text and settings, or a new one.
    private func policy(
        _ source: CompiledPolicy.Source, _ budget: PolicyBudget, _ place: ConfigPlace, _ section: ConfigSection,
        _ load: LoadContext
    ) throws(PolicyError) -> CompiledPolicy {
        let clusters = Set(load.clusterNames)
        if let known = catalog.policy(with: source) {
            known.clusters = clusters
            return known
        }
        let policy = try CompiledPolicy(
            source, budget: budget, stores: catalog.stores, clusters: clusters, workers: load.workers)
        if !policy.hasRequestHook && !policy.hasResponseHook && !policy.hasLogHook {
            section.diagnostics.warning(
                at: place, "policy \"\(source.name)\" has neither on_request, on_response nor on_log: it does nothing")
        }
        catalog.add(policy)
        return policy
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
            let isThis = entry.key == config.policy.name
            if entry.value.isOff {
                if isThis { found = .off }
                continue
            }
            let settings = section.section(of: entry.value)
            let parameters = settings.raw("config").map { LuaParameters.encode($0) }
            guard isThis, let parameters else { continue }
            if let mistake = config.policy.mistake(in: parameters) {
                settings.error(at: "config", "policy \"\(config.policy.name)\": \(mistake)")
            }
            found = .parameters(config.add(parameters))
        }
        return found
    }

    public func makeFilter(_ config: LuaConfig, _ context: FilterContext) -> any Filter { LuaFilter(config, context) }
}

/// A policy with the parameters of one place in a chain.
public final class LuaConfig: Sendable {
    let policy: CompiledPolicy
    // Filled at load, the listener's own parameters first, then those of routes; read when filters are made.
    private let parameters: Locked<[[UInt8]]>

    init(policy: CompiledPolicy, parameters: [UInt8]?) {
        self.policy = policy
        self.parameters = Locked([parameters ?? LuaParameters.none])
    }

    func add(_ bytes: [UInt8]) -> Int {
        parameters.withLock {
            $0.append(bytes)
            return $0.count - 1
        }
    }

    var allParameters: [[UInt8]] { parameters.withLock { $0 } }
}

/// What a route says about a policy.
public enum LuaRouteConfig: Sendable {
    case unchanged, off
    /// A number among the config's parameters.
    case parameters(Int)
}
