internal import ArgumentParser
internal import Foundation
internal import MartletConfig
internal import MartletControl
internal import MartletControlServer

struct Get: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show documents: all, those of a kind, or one.",
        discussion: "One is shown as YAML that apply takes, several as a table, unless -o says otherwise.")

    @OptionGroup var server: ServerOptions

    @Argument(help: "listeners, clusters, policies or services; listener and so on mean the same.")
    var kind: String?

    @Argument(help: "A document's name.")
    var name: String?

    @Option(help: "As it was after this revision.")
    var revision: Int64?

    @Option(name: .shortAndLong, help: "table, json or yaml.")
    var output: OutputFormat?

    func run() async throws {
        let kind = try kind.map { try MeshKind(argument: $0) }
        if revision != nil, name == nil { throw CommandFailure.usage("--revision is of one document: get KIND NAME") }
        try await server.withClient { client in
            if let kind, let name {
                let query = revision.map { [("revision", "\($0)")] } ?? []
                let answer = try await client.get(
                    client.inNamespace(kind.rawValue, name), query: query, as: DocumentMessage.self)
                switch output ?? .yaml {
                case .yaml: Printout.document(answer.message.text)
                case .json: Printout.json(answer.data)
                case .table: table([answer.message])
                }
                return
            }
            var documents: [DocumentMessage] = []
            for kind in kind.map({ [$0] }) ?? MeshKind.allCases {
                let answer = try await client.get(client.inNamespace(kind.rawValue), as: DocumentList.self)
                if output == .json, self.kind != nil { return Printout.json(answer.data) }
                documents += answer.message.documents
            }
            switch output ?? .table {
            case .table: table(documents)
            case .yaml: Printout.document(joined(documents))
            case .json: Printout.json(try APICoding.encoder.encode(documents))
            }
        }
    }

    /// As one file that apply takes.
    private func joined(_ documents: [DocumentMessage]) -> String {
        var merged: ConfigNode?
        for document in documents {
            let diagnostics = ConfigDiagnostics()
            guard
                let root = YAMLDocument.read(Array(document.text.utf8), file: document.name, diagnostics: diagnostics),
                case .mapping(let entries) = root.content
            else { continue }
            guard case .mapping(var known)? = merged?.content else {
                merged = root
                continue
            }
            for entry in entries {
                guard let index = known.firstIndex(where: { $0.key == entry.key }) else {
                    known.append(entry)
                    continue
                }
                guard case .list(let items) = known[index].value.content, let more = entry.value.items else { continue }
                known[index].value.content = .list(items + more)
            }
            merged?.content = .mapping(known)
        }
        return merged.map { YAMLWriter.text($0) } ?? ""
    }

    private func table(_ documents: [DocumentMessage]) {
        Printout.table(
            ["KIND", "NAME", "REVISION", "CREATED"],
            documents.map { [$0.kind, $0.name, "\($0.revision)", "\($0.created)"] })
    }
}

extension MeshKind {
    init(argument: String) throws {
        if let kind = MeshKind(word: argument) {
            self = kind
            return
        }
        let hint = NearestName.hint(argument, in: Self.allCases.map(\.rawValue), what: "kinds")
        throw CommandFailure.usage("there is no kind \"\(argument)\"" + (hint.map { " (\($0))" } ?? ""))
    }
}
