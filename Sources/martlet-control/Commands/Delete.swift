internal import ArgumentParser
internal import MartletConfig
internal import MartletControl
internal import MartletControlServer

struct Delete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Delete documents, by name or by the files that describe them.",
        discussion: "All at once or none. Refused while something else needs one of them.")

    @OptionGroup var server: ServerOptions

    @Argument(help: "A kind and names: cluster api web.")
    var documents: [String] = []

    @Option(name: .shortAndLong, parsing: .upToNextOption, help: "Files that name the documents, as of apply.")
    var file: [String] = []

    @Option(name: .shortAndLong, help: "Why, for the history.")
    var message: String?

    @Flag(help: "Change nothing, and show what would change.")
    var dryRun = false

    @Option(name: .shortAndLong, help: "table or json.")
    var output = OutputFormat.table

    func run() async throws {
        let request = DeleteRequest(documents: try named(), message: message)
        try await server.withClient { client in
            if dryRun {
                let plan = try await client.post(
                    client.inNamespace("delete"), query: [("dry_run", "true")], request, as: PlanMessage.self)
                return PlanReport(plan.message).print(plan.data, output)
            }
            AppliedReport.print(
                try await client.post(client.inNamespace("delete"), request, as: AppliedMessage.self), output)
        }
    }

    private func named() throws -> [DeleteRequest.Document] {
        guard documents.isEmpty != file.isEmpty else { throw CommandFailure.usage("a kind and names, or -f FILE") }
        if let kind = documents.first {
            let kind = try MeshKind(argument: kind)
            guard documents.count > 1 else { throw CommandFailure.usage("which \(kind.rawValue)?") }
            return documents.dropFirst().map { .init(kind: kind.rawValue, name: $0) }
        }
        var found: [DeleteRequest.Document] = []
        let gathering = Gathering(file)
        // What the files name may be gone already; they themselves may not.
        guard gathering.unread.isEmpty else {
            for error in gathering.unread { print(error) }
            throw CommandFailure.silent
        }
        for file in gathering.files {
            let diagnostics = ConfigDiagnostics()
            let root = YAMLDocument.read(Array(file.text.utf8), file: file.name, diagnostics: diagnostics)
            guard let root, root.entries != nil else {
                for error in diagnostics.errors { print(error) }
                throw CommandFailure.refused("\(file.name) describes nothing")
            }
            if let own = root["namespace"]?.text, own != server.namespace {
                throw CommandFailure.usage("\(file.name) is of namespace \"\(own)\": say -n \(own)")
            }
            for kind in MeshKind.allCases {
                for item in root[kind.rawValue]?.items ?? [] {
                    if let name = item["name"]?.text { found.append(.init(kind: kind.rawValue, name: name)) }
                }
            }
        }
        guard !found.isEmpty else { throw CommandFailure.refused("the files name no documents") }
        return found
    }
}
