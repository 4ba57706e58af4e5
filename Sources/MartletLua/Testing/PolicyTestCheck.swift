internal import MartletConfig
internal import MartletCore
internal import MartletFilter

/// Holds what came of a request against what the test says.
struct PolicyTestCheck {
    let host: ScriptedHost
    let worker: ScriptedWorker
    /// What the policy failed with, each with its traceback.
    let errors: [String]
    let policy: String
    let stores: SharedStores

    func failures(_ expected: PolicyExpectation?) -> [PolicyTestFailure] {
        var failures = worker.failures
        for call in worker.callsLeft {
            failures.append(PolicyTestFailure("a call to \(call.cluster) was not made", at: call.mark))
        }
        failures += checkErrors(expected?.error)
        if host.isStuck {
            failures.append(
                PolicyTestFailure("no response: the policy still waits when nothing more can happen"))
        }
        guard let expected else { return failures }
        failures += check(expected.upstream, host.upstream, "the request upstream", nothing: "none", at: expected.mark)
        if !host.isStuck {
            failures += check(expected.response, seenResponse, "the response", nothing: "reset", at: expected.mark)
        }
        failures += expected.logs.compactMap { expected in
            worker.logs.contains { $0.text.contains(expected.text) }
                ? nil
                : PolicyTestFailure(
                    "no log line has this text", at: expected.mark, expected: [expected.text],
                    got: worker.logs.map(\.text))
        }
        failures += expected.shadow.compactMap { expected in
            host.exchange.shadowNotes.contains { $0.contains(expected.text) }
                ? nil
                : PolicyTestFailure(
                    "no decision in shadow mode has this text", at: expected.mark, expected: [expected.text],
                    got: host.exchange.shadowNotes)
        }
        failures += expected.shared.compactMap { entry in
            let now = Int64(clamping: worker.now.nanoseconds / 1_000_000)
            let value = stores.store(policy, entry.group)?.get(Array(entry.key.utf8), at: now)
            return Self.compare(entry, with: value, "shared store \(entry.group)")
        }
        failures += expected.metadata.compactMap { entry in
            Self.compare(entry, with: host.exchange.metadata[entry.group]?[entry.key], "metadata of \(entry.group)")
        }
        failures += expected.metrics.compactMap { check($0) }
        return failures
    }

    /// What came before a reset is no response.
    private var seenResponse: SeenMessage? { host.reset == nil ? host.response : nil }

    private func checkErrors(_ expected: PolicyExpectation.Text?) -> [PolicyTestFailure] {
        let lines = errors.flatMap { $0.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) }
        guard let expected else {
            return errors.isEmpty ? [] : [PolicyTestFailure("the policy failed", got: lines)]
        }
        if errors.contains(where: { $0.contains(expected.text) }) { return [] }
        let what = errors.isEmpty ? "the policy did not fail" : "the policy failed otherwise"
        return [PolicyTestFailure(what, at: expected.mark, expected: [expected.text], got: lines)]
    }

    private func check(
        _ expected: PolicyExpectation.Message, _ seen: SeenMessage?, _ what: String, nothing: String,
        at mark: ConfigMark
    ) -> [PolicyTestFailure] {
        switch expected {
        case .any: return []
        case .nothing:
            guard let seen else { return [] }
            return [PolicyTestFailure(what, at: mark, expected: [nothing], got: [seen.startLine])]
        case .facts(let facts):
            guard let seen else {
                let reason = host.reset.map { "reset: \($0)" } ?? "none"
                return [PolicyTestFailure(what, at: facts.first?.mark ?? mark, expected: ["one"], got: [reason])]
            }
            return Self.compare(facts, with: seen, called: what)
        }
    }

    static func compare(
        _ facts: [ExpectedFact], with seen: SeenMessage, called what: String
    ) -> [PolicyTestFailure] {
        facts.compactMap { fact in
            let got = seen.values(of: fact.subject)
            if case .bodyContains = fact.subject {
                let text = fact.values?.first ?? ""
                if got?.first?.contains(text) == true { return nil }
            } else if got == fact.values {
                return nil
            }
            return PolicyTestFailure(
                "\(fact.subject.name) of \(what)", at: fact.mark, expected: lines(fact.values), got: lines(got))
        }
    }

    private static func compare(_ entry: KeyedValue, with value: [UInt8]?, _ what: String) -> PolicyTestFailure? {
        let expected = entry.value.map { EncodedValue.text($0) } ?? "(absent)"
        let got = value.map { EncodedValue.text($0) } ?? "(absent)"
        if expected == got { return nil }
        return PolicyTestFailure("\(entry.key) in \(what)", at: entry.mark, expected: [expected], got: [got])
    }

    private static func lines(_ values: [String]?) -> [String] {
        guard let values else { return ["(absent)"] }
        return values.flatMap { $0.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) }
    }

    /// A series with its labels, or a name for the sum of its series; `martlet_` may be left out.
    private func check(_ expected: PolicyExpectation.Number) -> PolicyTestFailure? {
        let all = worker.series
        let names = [expected.name, "martlet_" + expected.name]
        let found = all.filter { names.contains($0.text) }
        let matching = found.isEmpty ? all.filter { names.contains($0.name) } : found
        let sum = matching.reduce(0) { $0 + $1.value }
        if sum == expected.value { return nil }
        let got =
            matching.isEmpty
            ? ["no such series; there are:"] + all.map(\.text).sorted()
            : matching.map { "\($0.text) \(Self.text($0.value))" }
        return PolicyTestFailure(
            "metric \(expected.name)", at: expected.mark, expected: [Self.text(expected.value)], got: got)
    }

    private static func text(_ value: Double) -> String { Int(exactly: value).map { "\($0)" } ?? "\(value)" }
}

extension ExpectedFact.Subject {
    fileprivate var name: String {
        switch self {
        case .method: "method"
        case .path: "path"
        case .host: "host"
        case .cluster: "cluster"
        case .endpoint: "endpoint"
        case .status: "status"
        case .body: "body"
        case .bodyContains: "text in the body"
        case .header(let name): "header \(name)"
        case .trailer(let name): "trailer \(name)"
        }
    }
}

extension ScriptedWorker {
    /// Every series, as it is exposed; a histogram by its count.
    var series: [(name: String, text: String, value: Double)] {
        let copy = metrics.copy()
        func text(_ series: Metrics.Series) -> String {
            series.labels.isEmpty ? series.name : "\(series.name){\(series.labels)}"
        }
        return copy.counters.map { ($0.key.name, text($0.key), Double($0.value)) }
            + copy.gauges.map { ($0.key.name, text($0.key), Double($0.value)) }
            + copy.histograms.map { ($0.key.name, text($0.key), Double($0.value.buckets.reduce(0, +))) }
    }
}
