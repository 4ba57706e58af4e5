internal import ArgumentParser
internal import MartletConfig
internal import MartletControlServer

struct Apply: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check files and make the mesh what they say.",
        discussion: """
            A file is in the configuration language: listeners, clusters, policies, services. What it names is taken along. \
            Nothing is changed when anything is wrong.
            """)

    @OptionGroup var server: ServerOptions

    @Option(
        name: .shortAndLong, parsing: .upToNextOption,
        help: "Files, folders of them, Lua files, folders with a policy.lua; - is standard input.")
    var file: [String]

    @Option(name: .shortAndLong, help: "Why, for the history.")
    var message: String?

    @Option(help: "Change nothing if the namespace has changed since this revision.")
    var expected: Int64?

    @Flag(help: "Change nothing, and show what would change, as diff does.")
    var dryRun = false

    @Option(name: .shortAndLong, help: "table or json.")
    var output = OutputFormat.table

    func run() async throws {
        guard !file.isEmpty else { throw CommandFailure.usage("-f needs a file") }
        let request = try Gathering(file).request(message: message, expected: expected)
        try await server.withClient { client in
            if dryRun {
                let plan = try await client.post(
                    client.inNamespace("apply"), query: [("dry_run", "true")], request, as: PlanMessage.self)
                return PlanReport(plan.message).print(plan.data, output)
            }
            let applied = try await client.post(client.inNamespace("apply"), request, as: AppliedMessage.self)
            AppliedReport.print(applied, output)
        }
    }
}

/// What has changed, a line a document.
enum AppliedReport {
    private static let words = ["create": "created", "update": "updated", "delete": "deleted"]

    static func print(_ applied: ControlClient.Answer<AppliedMessage>, _ output: OutputFormat) {
        guard output == .table else { return Printout.answer(applied.data, output) }
        for warning in applied.message.warnings { Swift.print(ConfigError.printable(warning.text)) }
        for change in applied.message.changes {
            Swift.print(ConfigError.printable("\(change.kind)/\(change.name) \(words[change.action] ?? change.action)"))
        }
        Swift.print("revision \(applied.message.revision)")
    }
}
