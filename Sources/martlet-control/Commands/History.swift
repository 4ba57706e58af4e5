internal import ArgumentParser
internal import MartletControl
internal import MartletControlServer

struct History: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show the versions of a document, newest first.")

    @OptionGroup var server: ServerOptions

    @Argument(help: "listener, cluster, policy or service.")
    var kind: String

    @Argument(help: "The document's name.")
    var name: String

    @Option(help: "How many at most.")
    var limit = 50

    @Option(name: .shortAndLong, help: "table, json or yaml.")
    var output = OutputFormat.table

    func run() async throws {
        let kind = try MeshKind(argument: kind)
        try await server.withClient { client in
            let answer = try await client.get(
                client.inNamespace(kind.rawValue, name, "history"), query: [("limit", "\(limit)")],
                as: HistoryMessage.self)
            guard output == .table else { return Printout.answer(answer.data, output) }
            Printout.table(
                ["REVISION", "TIME", "AUTHOR", "CHANGE", "MESSAGE"],
                answer.message.versions.map {
                    ["\($0.revision)", $0.time, $0.author, $0.deleted ? "deleted" : "written", $0.message]
                })
        }
    }
}

struct Log: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show the changes of a namespace, newest first.")

    @OptionGroup var server: ServerOptions

    @Option(help: "How many at most.")
    var limit = 50

    @Option(name: .shortAndLong, help: "table, json or yaml.")
    var output = OutputFormat.table

    func run() async throws {
        try await server.withClient { client in
            let answer = try await client.get(
                client.inNamespace("log"), query: [("limit", "\(limit)")], as: LogMessage.self)
            guard output == .table else { return Printout.answer(answer.data, output) }
            Printout.table(
                ["REVISION", "TIME", "AUTHOR", "DOCUMENTS", "MESSAGE"],
                answer.message.transactions.map { transaction in
                    [
                        "\(transaction.revision)", transaction.time, transaction.author,
                        transaction.changes.map { "\($0.deleted ? "-" : "")\($0.kind)/\($0.name)" }
                            .joined(separator: " "), transaction.message,
                    ]
                })
        }
    }
}

struct Audit: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show who changed what, and what was refused, newest first.",
        discussion: "Needs the role admin. Shows what has been since the control plane's start; its file has the rest.")

    @OptionGroup var server: ServerOptions

    @Option(help: "How many at most.")
    var limit = 50

    @Option(name: .shortAndLong, help: "table, json or yaml.")
    var output = OutputFormat.table

    func run() async throws {
        try await server.withClient { client in
            let answer = try await client.get(
                ["v1", "audit"], query: [("limit", "\(limit)")], as: AuditList.self)
            guard output == .table else { return Printout.answer(answer.data, output) }
            Printout.table(
                ["TIME", "WHO", "FROM", "ACTION", "NAMESPACE", "RESULT", "STATUS", "DOCUMENTS", "REASON"],
                answer.message.entries.map { entry in
                    [
                        entry.time, entry.who ?? "", entry.from, entry.action ?? "", entry.namespace ?? "",
                        entry.result.rawValue, entry.status.map { "\($0)" } ?? "",
                        entry.documents.joined(separator: " "), entry.reason ?? "",
                    ]
                })
        }
    }
}
