internal import ArgumentParser
internal import MartletControlServer

struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show where each connected proxy stands.",
        discussion: """
            SENT, ACKED and APPLIED are revisions: the newest that it was sent, has accepted, and has in force on all its \
            workers. A ~ before it: the proxy does not report, and has no more than accepted it. RPS and 5XX are of the last \
            ten seconds; WAITING counts resources that wait at the proxy for what they mention. With --wait it exits 0 once every proxy has what it is to have, and 1 when the time is over before.
            """)

    @OptionGroup var server: ServerOptions

    @Argument(help: "One proxy, with what it was sent by type.")
    var proxy: String?

    @Flag(help: "Again each second, until it is interrupted.")
    var watch = false

    @Option(help: ArgumentHelp("Wait until every proxy is synced.", valueName: "SECONDS"))
    var wait: Int?

    @Option(name: .shortAndLong, help: "table, json or yaml.")
    var output = OutputFormat.table

    private static let pause = Duration.milliseconds(100)

    func validate() throws {
        if let wait, !(0...86_400).contains(wait) {
            throw ValidationError("--wait takes seconds from 0 to 86400, not \(wait)")
        }
        if watch, wait != nil { throw ValidationError("--watch and --wait exclude each other") }
    }

    func run() async throws {
        try await server.withClient { client in
            if let wait {
                try await settle(client, within: .seconds(wait))
            } else if watch {
                while true {
                    try await show(client)
                    print("")
                    try await Task.sleep(for: .seconds(1))
                }
            } else {
                try await show(client)
            }
        }
    }

    private func settle(_ client: ControlClient, within limit: Duration) async throws {
        let deadline = ContinuousClock.now + limit
        while true {
            let states = try await states(client)
            if states.allSatisfy({ $0 == "synced" }) { return try await show(client) }
            guard ContinuousClock.now < deadline else { break }
            try await Task.sleep(for: Self.pause)
        }
        try await show(client)
        throw CommandFailure.silent
    }

    private func states(_ client: ControlClient) async throws -> [String] {
        if let proxy { return [try await client.get(["v1", "proxies", proxy], as: ProxyMessage.self).message.state] }
        let list = try await client.get(["v1", "proxies"], as: ProxyList.self).message
        let silent = (list.replicas ?? []).filter { !$0.answers }.map { _ in "unknown" }
        return list.proxies.map(\.state) + silent
    }

    private func show(_ client: ControlClient) async throws {
        if let proxy {
            let answer = try await client.get(["v1", "proxies", proxy], as: ProxyMessage.self)
            guard output == .table else { return Printout.answer(answer.data, output) }
            table([answer.message])
            feeds(answer.message)
            return policies(answer.message)
        }
        let answer = try await client.get(["v1", "proxies"], as: ProxyList.self)
        guard output == .table else { return Printout.answer(answer.data, output) }
        table(answer.message.proxies)
        for replica in answer.message.replicas ?? [] where !replica.answers {
            StandardError.print(
                "replica \(replica.url ?? replica.id) does not answer: its proxies are not in the list")
        }
    }

    private func table(_ proxies: [ProxyMessage]) {
        let hasReplicas = proxies.contains { $0.replica != nil }
        Printout.table(
            (hasReplicas ? ["REPLICA"] : []) + [
                "PROXY", "NAMESPACE", "CLUSTER", "STATE", "SENT", "ACKED", "APPLIED", "LAG", "RPS", "5XX", "WAITING",
                "LAST REFUSAL",
            ],
            proxies.map { proxy in
                (hasReplicas ? [proxy.replica ?? ""] : []) + [
                    proxy.id, proxy.namespace, proxy.cluster, proxy.state, "\(proxy.sentRevision)",
                    "\(proxy.acknowledgedRevision)", Self.applied(proxy),
                    Printout.lag(proxy.lagMilliseconds), Printout.rate(proxy.report?.requestsPerSecond),
                    Printout.percent(proxy.report?.errorShare), proxy.report.map { "\($0.waiting)" } ?? "",
                    proxy.feeds.compactMap(\.refusal).joined(separator: " "),
                ]
            })
    }

    private static func applied(_ proxy: ProxyMessage) -> String {
        guard let revision = proxy.appliedRevision else { return "" }
        return proxy.appliedBy == "reported" ? "\(revision)" : "~\(revision)"
    }

    private func policies(_ proxy: ProxyMessage) {
        guard let policies = proxy.report?.policies, !policies.isEmpty else { return }
        print("")
        Printout.table(
            ["POLICY", "VERSION", "RUNS", "ERRORS", "BREACHES", "SHADOW"],
            policies.map { policy in
                [
                    policy.name, policy.version ?? "", "\(policy.runs)", "\(policy.errors)", "\(policy.budgetBreaches)",
                    "\(policy.shadowDecisions)",
                ]
            })
    }

    private func feeds(_ proxy: ProxyMessage) {
        print("")
        Printout.table(
            ["TYPE", "SENT", "ACKED", "APPLIED", "WAITING", "WITHHELD", "REFUSAL"],
            proxy.feeds.map { feed in
                [
                    feed.type, feed.sentVersion ?? "", feed.acknowledgedVersion ?? "", feed.appliedVersion ?? "",
                    (feed.waiting ?? []).joined(separator: " "), feed.withheld.joined(separator: " "),
                    feed.refusal ?? "",
                ]
            })
    }
}
