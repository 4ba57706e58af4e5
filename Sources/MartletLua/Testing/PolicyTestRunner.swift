internal import MartletConfig
internal import MartletCore
package import MartletFilter

/// Runs tests, each in an engine of its own: nothing of one is seen by the next.
package struct PolicyTestRunner {
    static let listener = "test"
    /// Filters of the chain in which a policy is tested.
    static let filterNames: Set<String> = [FilterSection.lua, FilterSection.router]
    private let router: any FilterKind

    /// - Parameter router: the kind that ends each chain; without one, a stand-in that forwards and nothing else.
    package init(router: (any FilterKind)? = nil) { self.router = router ?? ScriptedRouterKind() }

    package func run(_ test: PolicyTestCase, of file: PolicyTestFile) -> PolicyTestResult {
        let worker = ScriptedWorker(clock: TestClock(test.now))
        defer { worker.end() }
        let catalog = PolicyCatalog()
        let diagnostics = ConfigDiagnostics()
        diagnostics.files.supply(file.supplied)
        guard let engine = engine(test, file, worker, catalog, diagnostics) else {
            return refused(test, diagnostics.errors.map(\.description))
        }
        for entry in test.shared {
            guard let value = entry.value else { continue }
            catalog.stores.store(file.name, entry.group)?.set(Array(entry.key.utf8), value, at: 0)
        }
        for (number, step) in test.steps.enumerated() {
            for time in 1...step.times {
                let check = send(step, engine, worker, file.name, catalog)
                let failures = check.failures(time == step.times ? step.expect : nil)
                guard failures.isEmpty else {
                    return PolicyTestResult(
                        name: test.name, mark: test.mark, failures: failures,
                        seen: seen(check, which(number, time, in: test)))
                }
            }
        }
        return PolicyTestResult(name: test.name, mark: test.mark, failures: [], seen: [])
    }

    private func which(_ number: Int, _ time: Int, in test: PolicyTestCase) -> String {
        if test.steps.count > 1 { return "request \(number + 1) of \(test.steps.count)" }
        return test.steps.first.map { $0.times > 1 ? "request \(time) of \($0.times)" : "" } ?? ""
    }

    // MARK: The engine

    private struct Engine {
        let chain: Chain
        let clusters: [String]
    }

    /// The loader's way from configuration to chain. Nil after errors were reported.
    private func engine(
        _ test: PolicyTestCase, _ file: PolicyTestFile, _ worker: ScriptedWorker, _ catalog: PolicyCatalog,
        _ diagnostics: ConfigDiagnostics
    ) -> Engine? {
        let registry = FilterRegistry([LuaKind(catalog), router])
        let config = ProxyConfig.decode(
            root: file.configuration(for: test), filters: Self.filterNames, diagnostics: diagnostics)
        guard !diagnostics.hasErrors, let listener = config.listeners.first else { return nil }
        let clusters = config.clusters.map(\.name)
        let load = LoadContext(config: config, workers: 1)
        guard
            let (filters, routes) = registry.compileChain(
                of: listener, clusterIndex: { clusters.firstIndex(of: $0) }, load: load, diagnostics: diagnostics),
            !diagnostics.hasErrors
        else { return nil }
        let slots = SlotCounter()
        let made = filters.enumerated().map { position, filter in
            filter.make(
                FilterContext(position: position, listener: Self.listener, services: worker, slots: slots))
        }
        let chain = Chain(filters: made, routes: routes, bodyLimit: listener.limits.filterBuffer)
        return Engine(chain: chain, clusters: clusters)
    }

    /// A policy that does not load fails the test, unless that is what it expects.
    private func refused(_ test: PolicyTestCase, _ errors: [String]) -> PolicyTestResult {
        let expected = test.steps.lazy.compactMap(\.expect?.error).first
        let isExpected = expected.map { expected in errors.contains { $0.contains(expected.text) } } ?? false
        let lines = errors.flatMap { $0.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) }
        return PolicyTestResult(
            name: test.name, mark: test.mark,
            failures: isExpected
                ? []
                : [
                    PolicyTestFailure(
                        "the policy does not load", at: expected?.mark, expected: expected.map { [$0.text] } ?? [],
                        got: lines)
                ],
            seen: [])
    }

    // MARK: One request

    private func send(
        _ step: PolicyTestCase.Step, _ engine: Engine, _ worker: ScriptedWorker, _ policy: String,
        _ catalog: PolicyCatalog
    ) -> PolicyTestCheck {
        worker.begin(calls: step.calls)
        let before = catalog.failures.count
        worker.clock.advance(by: step.advance)
        let host = ScriptedHost(step.request, answer: step.upstream, worker: worker, clusters: engine.clusters)
        host.run(step.request, through: engine.chain)
        let failures = catalog.failures
        let start = "policy \(policy): "
        var errors = worker.logs.filter { $0.isFailure(of: policy) }
            .map { String($0.message.dropFirst(start.count)) }
        // A script may write such a line itself; then it has not failed. One in quarantine fails without a line.
        if failures.count == before {
            errors = []
        } else if errors.isEmpty {
            errors = ["not run: \(failures.last ?? "")"]
        }
        return PolicyTestCheck(host: host, worker: worker, errors: errors, policy: policy, stores: catalog.stores)
    }

    private func seen(_ check: PolicyTestCheck, _ which: String) -> [String] {
        func block(_ title: String, _ lines: [String]) -> [String] { [title] + lines.map { "    " + $0 } }
        let host = check.host
        var out = which.isEmpty ? [] : ["in \(which):"]
        for call in check.worker.callsMade { out += block("called \(call.cluster ?? ""):", call.lines) }
        out += host.upstream.map { block("upstream saw:", $0.lines) } ?? ["upstream saw nothing"]
        if let reset = host.reset { out.append("the client's stream was reset: \(reset)") }
        out += host.response.map { block("the client saw:", $0.lines) } ?? ["the client saw no response"]
        let logs = check.worker.logs.filter { !$0.isFailure(of: check.policy) }.flatMap {
            $0.text.split(separator: "\n").map(String.init)
        }
        return logs.isEmpty ? out : out + block("logged:", logs)
    }
}
