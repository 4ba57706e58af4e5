internal import ArgumentParser
internal import Foundation
internal import MartletConfig
internal import MartletControlServer

struct Diff: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what apply would change: documents, proxies, connections that would drain.",
        discussion: "Exits 0 when nothing would change, 1 when something would, or the files have mistakes.")

    @OptionGroup var server: ServerOptions

    @Option(name: .shortAndLong, parsing: .upToNextOption, help: "As of apply.")
    var file: [String]

    @Option(name: .shortAndLong, help: "table or json.")
    var output = OutputFormat.table

    func run() async throws {
        guard !file.isEmpty else { throw CommandFailure.usage("-f needs a file") }
        let request = try Gathering(file).request(message: nil, expected: nil)
        let plan = try await server.withClient { client in
            try await client.post(
                client.inNamespace("apply"), query: [("dry_run", "true")], request, as: PlanMessage.self)
        }
        PlanReport(plan.message).print(plan.data, output)
        guard plan.message.changes.allSatisfy({ $0.action == "unchanged" }) else { throw CommandFailure.silent }
    }
}

/// What a change would do.
struct PlanReport {
    private let plan: PlanMessage

    init(_ plan: PlanMessage) { self.plan = plan }

    func print(_ data: Data, _ output: OutputFormat) {
        guard output == .table else { return Printout.answer(data, output) }
        for warning in plan.warnings { Swift.print(ConfigError.printable(warning.text)) }
        let changes = plan.changes.filter { $0.action != "unchanged" }
        for change in changes {
            let name = "\(change.namespace)/\(change.kind)/\(change.name)"
            Printout.text(String(UnifiedDiff(name, before: change.before, after: change.after).text.dropLast()))
        }
        guard !changes.isEmpty else { return Swift.print("nothing would change") }
        Swift.print("")
        guard !plan.proxies.isEmpty else { return Swift.print("No connected proxy would be told anything else.") }
        for proxy in plan.proxies {
            Swift.print(ConfigError.printable("proxy \(proxy.id), namespace \(proxy.namespace):"))
            for resource in proxy.resources {
                Swift.print(ConfigError.printable("  \(resource.action) \(resource.type) \(resource.name)"))
            }
            for listener in proxy.drains {
                Swift.print(ConfigError.printable("  connections of listener \(listener) would drain"))
            }
        }
    }
}
