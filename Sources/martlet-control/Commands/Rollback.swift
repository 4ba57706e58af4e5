internal import ArgumentParser
internal import MartletControl
internal import MartletControlServer

struct Rollback: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make a document, or all of a namespace, what it was after a revision.",
        discussion: "It is a change like others: checked, with a revision of its own, and can be rolled back.")

    @OptionGroup var server: ServerOptions

    @Argument(help: "listener, cluster, policy or service.")
    var kind: String?

    @Argument(help: "The document's name.")
    var name: String?

    @Flag(help: "All documents of the namespace.")
    var all = false

    @Option(help: "The revision: history and log show them.")
    var to: Int64

    @Option(name: .shortAndLong, help: "Why, for the history.")
    var message: String?

    @Option(name: .shortAndLong, help: "table or json.")
    var output = OutputFormat.table

    func run() async throws {
        let request = RollbackRequest(revision: to, message: message)
        try await server.withClient { client in
            let path: [String]
            switch (kind, name, all) {
            case (let kind?, let name?, false):
                path = client.inNamespace(try MeshKind(argument: kind).rawValue, name, "rollback")
            case (nil, nil, true): path = client.inNamespace("rollback")
            default: throw CommandFailure.usage("a kind and a name, or --all")
            }
            AppliedReport.print(try await client.post(path, request, as: AppliedMessage.self), output)
        }
    }
}
