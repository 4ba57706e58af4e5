internal import MartletConfig
internal import MartletControlServer

/// Where a rollout is, for people.
struct RolloutReport {
    private let client: ControlClient
    private let output: OutputFormat
    private let namespace: String

    private static let pause = Duration.seconds(1)

    /// - Parameter namespace: nil: that of the client.
    init(_ client: ControlClient, _ output: OutputFormat, namespace: String? = nil) {
        (self.client, self.output, self.namespace) = (client, output, namespace ?? client.namespace)
    }

    @discardableResult
    func show() async throws -> RolloutMessage {
        let answer = try await client.get(["v1", "namespaces", namespace, "rollout"], as: RolloutMessage.self)
        output == .table ? print(answer.message) : Printout.answer(answer.data, output)
        return answer.message
    }

    /// Until it is over.
    func watch() async throws {
        while true {
            let rollout = try await show()
            guard rollout.state == "running" else {
                guard rollout.state == "promoted" else { throw CommandFailure.silent }
                return
            }
            try await Task.sleep(for: Self.pause)
            print("")
        }
    }

    private func print(_ rollout: RolloutMessage) {
        let documents = rollout.documents.map { "\($0.kind)/\($0.name)" }.joined(separator: " ")
        print("rollout of \(documents) by \(rollout.author), \(rollout.startedAt)")
        let reason = rollout.reason.isEmpty ? "" : ": \(rollout.reason)"
        print("\(rollout.state.replacing("_", with: " "))\(reason)")
        for (index, stage) in rollout.stages.enumerated() {
            let isPresent = index + 1 == rollout.stage && rollout.state == "running"
            print("\(isPresent ? "> " : "  ")\(stage.kind) \(stage.share) for \(stage.seconds ?? 0)s")
        }
        guard let watch = rollout.watch else { return }
        print(watch.finding)
        let lacking = watch.lacking.isEmpty ? "" : "; not yet: \(watch.lacking.joined(separator: " "))"
        print("proxies: \(watch.proxies.joined(separator: " "))\(lacking)")
        Printout.table(
            ["", "REQUESTS", "5XX", "P99", "POLICIES"],
            [row("with it", watch.canary), row(watch.othersAreBefore ? "before" : "others", watch.others)])
    }

    private func row(_ name: String, _ traffic: RolloutMessage.Traffic) -> [String] {
        [
            name, "\(traffic.requests)", "\(traffic.serverErrors)",
            traffic.p99Milliseconds.map { "\(($0 * 10).rounded() / 10)ms" } ?? "",
            traffic.policies.map {
                "\($0.name): \($0.runs) runs, \($0.errors) errors, \($0.budgetBreaches) breaches"
            }.joined(separator: "; "),
        ]
    }

    private func print(_ line: String) { Swift.print(ConfigError.printable(line)) }
}
