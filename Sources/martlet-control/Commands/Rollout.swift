internal import ArgumentParser
internal import Foundation
internal import MartletConfig
internal import MartletControlServer

struct Rollout: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Give a change to some proxies first, watched, and take it back by itself when it is bad.",
        subcommands: [Start.self, Status.self, Promote.self, Abort.self])

    struct Start: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Check files as apply does, and begin with the first stage.",
            discussion: """
                Stages come in the order shadow, canaries, all. The change is taken back by itself when a proxy refuses it, \
                its policies err or break their budgets, requests are answered with 5xx, or become slow, each against the \
                proxies that have not got it.

                martlet rollout start -f policy.yaml --shadow 25% --canary 1 --canary 25% --for 5m

                A share is a number of proxies, a percentage of those that the change concerns, or conditions as \
                zone=eu-1,label.tier=edge; also id, cluster and region.
                """)

        @OptionGroup var server: ServerOptions

        @Option(name: .shortAndLong, parsing: .upToNextOption, help: "As of apply.")
        var file: [String]

        @Option(name: .shortAndLong, help: "Why, for the history.")
        var message: String?

        @Option(help: "Change nothing if the namespace has changed since this revision.")
        var expected: Int64?

        @Option(help: ArgumentHelp("First run its policies there without applying what they do.", valueName: "share"))
        var shadow: String?

        @Option(help: ArgumentHelp("A stage in force there; as often as wanted. Default: 1.", valueName: "share"))
        var canary: [String] = []

        @Option(name: .customLong("for"), help: "How long a stage lasts once all of its proxies have it. Default: 5m.")
        var duration = "5m"

        @Option(help: "Failures in a hundred, more than on the others, that are too many. Default: 1.")
        var maxErrors: Double?

        @Option(help: "How many times slower than on the others the slowest in a hundred may be. Default: 2.")
        var maxLatency: Double?

        @Option(help: "Requests that must have been seen in a stage. Default: 100.")
        var minRequests: Int?

        @Option(help: "How much longer than its time a stage may take before it is taken back. Default: 30m.")
        var patience: String?

        @Flag(help: "Show what comes of it, until it is over. Exits 1 unless all proxies have got the change.")
        var watch = false

        @Option(name: .shortAndLong, help: "table, json or yaml.")
        var output = OutputFormat.table

        func run() async throws {
            guard !file.isEmpty else { throw CommandFailure.usage("-f needs a file") }
            let seconds = try Self.seconds(duration, "--for")
            let stages =
                (shadow.map { [.init(kind: "shadow", share: $0, seconds: seconds)] } ?? [])
                + (canary.isEmpty ? ["1"] : canary).map {
                    RolloutMessage.Stage(kind: "canary", share: $0, seconds: seconds)
                }
            let request = RolloutRequest(
                try Gathering(file).request(message: message, expected: expected), stages: stages,
                limits: .init(
                    errors: maxErrors, latency: maxLatency, requests: minRequests,
                    patienceSeconds: try patience.map { try Self.seconds($0, "--patience") }))
            try await server.withClient { client in
                let started = try await client.post(
                    client.inNamespace("rollout"), request, as: AppliedMessage.self)
                guard let changed = started.message.changes.first(where: { $0.action != "unchanged" }) else {
                    return AppliedReport.print(started, output)
                }
                let report = RolloutReport(client, output, namespace: changed.namespace)
                for warning in started.message.warnings { StandardError.print(ConfigError.printable(warning.text)) }
                if watch { try await report.watch() } else { try await report.show() }
            }
        }

        /// Whole seconds.
        private static func seconds(_ text: String, _ option: String) throws -> Int {
            switch ConfigScalar<Duration>.duration(in: .seconds(1) ... .seconds(604_800)).parse(text) {
            case .success(let duration): return Int(clamping: duration.components.seconds)
            case .failure(let problem): throw CommandFailure.usage("\(option): \(problem.message)")
            }
        }
    }

    struct Status: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show the rollout that is under way, or the last one.")

        @OptionGroup var server: ServerOptions

        @Flag(help: "Again each second, until it is over. Exits 1 unless all proxies have got the change.")
        var watch = false

        @Option(name: .shortAndLong, help: "table, json or yaml.")
        var output = OutputFormat.table

        func run() async throws {
            try await server.withClient { client in
                let report = RolloutReport(client, output)
                if watch { try await report.watch() } else { try await report.show() }
            }
        }
    }

    struct Promote: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Go on to the next stage now; from the last one to all proxies.")

        @OptionGroup var server: ServerOptions

        @Flag(help: "Past the stages that are left.")
        var all = false

        @Option(name: .shortAndLong, help: "table, json or yaml.")
        var output = OutputFormat.table

        func run() async throws {
            try await server.withClient { client in
                let path = client.inNamespace("rollout", "promote")
                // What is meant is the stage that it is in now, and not one that it goes on to meanwhile.
                let present = try await client.get(client.inNamespace("rollout"), as: RolloutMessage.self).message
                let request = PromoteRequest(all: all, stage: present.stage)
                _ = try await client.post(path, request, as: AppliedMessage.self)
                try await RolloutReport(client, output).show()
            }
        }
    }

    struct Abort: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take the change back from the proxies that have it.")

        @OptionGroup var server: ServerOptions

        @Option(name: .shortAndLong, help: "Why, for the history.")
        var message: String?

        @Option(name: .shortAndLong, help: "table, json or yaml.")
        var output = OutputFormat.table

        func run() async throws {
            try await server.withClient { client in
                let path = client.inNamespace("rollout", "abort")
                _ = try await client.post(path, AbortRequest(message: message), as: AppliedMessage.self)
                try await RolloutReport(client, output).show()
            }
        }
    }
}
