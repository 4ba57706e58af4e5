internal import Foundation
internal import HTTPTypes

/// One thing that the API does. The table of them is what is served and what is described: neither can be without the other.
struct APIRoute: Sendable {
    struct Parameter: Sendable {
        enum Kind: String, Sendable {
            case text = "string"
            case number = "integer"
            case truth = "boolean"
        }

        let name: String
        let kind: Kind
        let summary: String
    }

    /// What a body is, or an answer.
    enum Content: Sendable {
        /// JSON, by the name of its schema.
        case json(String)
        /// Of a media type.
        case text(String)
    }

    /// Unique; in the description, the metrics and the audit log.
    let action: String
    let method: HTTPRequest.Method
    /// `/v1/namespaces/{namespace}/log`.
    let path: String
    let summary: String
    /// Nil: open to everybody, without a token.
    var role: Role?
    /// Changes something, unless it is a dry run.
    var changes = false
    var query: [Parameter] = []
    /// The name of the body's schema; nil: none is taken.
    var body: String?
    let content: Content
    /// The schema of the answer to `?dry_run=true`.
    var dryRun: String?
    /// Statuses of refusals, beside those that every route has.
    var refusals: [Int] = []
    let answer: @Sendable (APIDesk, APICall) async throws -> APIAnswer

    var segments: [Substring] { path.split(separator: "/") }

    /// The values of the path's parameters; nil: the path is another one.
    func match(_ segments: [String]) -> [String: String]? {
        let template = self.segments
        guard template.count == segments.count else { return nil }
        var values: [String: String] = [:]
        for (part, segment) in zip(template, segments) {
            if part.hasPrefix("{") {
                values[String(part.dropFirst().dropLast())] = segment
            } else if part != segment {
                return nil
            }
        }
        return values
    }

    /// The parameters in the path.
    var names: [String] { segments.filter { $0.hasPrefix("{") }.map { String($0.dropFirst().dropLast()) } }
}

/// What a handler answers.
struct APIAnswer: Sendable {
    var status = 200
    var type = "application/json"
    var body: [UInt8]
    /// For the audit log: what has changed, and in which revision.
    var documents: [String] = []
    var revision: Int64?

    init(_ message: some Encodable) throws { body = try Self.json(message) }

    static func json(_ message: some Encodable) throws -> [UInt8] { Array(try APICoding.encoder.encode(message)) }

    init(text: String, type: String = "text/plain; charset=utf-8", status: Int = 200) {
        (body, self.type, self.status) = (Array(text.utf8), type, status)
    }

    /// Of a change that was made.
    init(of applied: AppliedMessage) throws {
        body = try Self.json(applied)
        documents = applied.changes.filter { $0.action != "unchanged" }.map { "\($0.namespace)/\($0.kind)/\($0.name)" }
        revision = applied.revision
    }
}
