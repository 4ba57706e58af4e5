internal import Foundation
internal import MartletConfig
internal import MartletControl
internal import MartletCore

/// A request whose route and caller are known, read strictly: what is not understood is told, never passed over.
struct APICall: Sendable {
    let caller: Caller
    /// The values of the path's parameters.
    let path: [String: String]
    let query: [String: String]
    let body: [UInt8]

    static let maxLimit = 1000
    private static let standardLimit = 50

    var namespace: String { path["namespace"] ?? "" }
    var isDryRun: Bool { query["dry_run"] == "true" }
    var message: String { query["message"] ?? "" }
    /// Bytes of a change's message.
    static let maxMessage = 1024

    func kind() throws(APIFailure) -> MeshKind {
        let word = path["kind"] ?? ""
        if let kind = MeshKind(rawValue: word) { return kind }
        let kinds = MeshKind.allCases.map(\.rawValue)
        let hint = NearestName.hint(word, in: kinds, what: "kinds") ?? ""
        throw .notFound("there is no kind \"\(word.prefix(60))\"\(hint.isEmpty ? "" : " (\(hint))")")
    }

    func key() throws -> DocumentKey { try DocumentKey(namespace, try kind().rawValue, path["name"] ?? "") }

    func limit() throws(APIFailure) -> Int {
        guard let text = query["limit"] else { return Self.standardLimit }
        guard let limit = Int(text), (1...Self.maxLimit).contains(limit) else {
            throw .badRequest("limit is a number from 1 to \(Self.maxLimit), not \"\(text.prefix(40))\"")
        }
        return limit
    }

    func revision() throws(APIFailure) -> Revision? {
        guard let text = query["revision"] else { return nil }
        guard let revision = Revision(text), revision > 0 else {
            throw .badRequest("revision is a number from 1, not \"\(text.prefix(40))\"")
        }
        return revision
    }

    // MARK: Queries

    /// The parameters of a query, each one that the route has and none of them twice.
    static func query(_ text: Substring, of route: APIRoute) throws(APIFailure) -> [String: String] {
        var values: [String: String] = [:]
        for pair in text.split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = decoded(parts[0]), let value = parts.count == 2 ? decoded(parts[1]) : "" else {
                throw .badRequest("the query cannot be decoded")
            }
            guard let parameter = route.query.first(where: { $0.name == name }) else {
                let hint = NearestName.hint(name, in: route.query.map(\.name), what: "parameters")
                throw .badRequest(
                    "unknown parameter \"\(name.prefix(60))\"" + (hint.map { " (\($0))" } ?? ": it takes none"))
            }
            if parameter.kind == .truth, value != "true", value != "false" {
                throw .badRequest("\(name) is true or false, not \"\(value.prefix(40))\"")
            }
            guard values.updateValue(value, forKey: name) == nil else {
                throw .badRequest("parameter \"\(name)\" is there twice")
            }
        }
        guard (values["message"] ?? "").utf8.count <= maxMessage else { throw messageTooLong }
        return values
    }

    private static func decoded(_ text: Substring) -> String? {
        text.replacing("+", with: " ").removingPercentEncoding
    }

    static let messageTooLong = APIFailure.badRequest("the message has more than \(maxMessage) bytes")

    // MARK: Bodies

    /// What its caller hands in, to see and change what is the caller's.
    func submission(_ request: ApplyRequest) throws(APIFailure) -> Submission {
        guard (request.message ?? "").utf8.count <= Self.maxMessage else { throw Self.messageTooLong }
        var submission = Submission(
            namespace: namespace, files: request.files.map { .init(name: $0.name, bytes: Array($0.text.utf8)) },
            attachments: (request.attachments ?? [:]).mapValues { Array($0) })
        submission.message = request.message ?? ""
        submission.expected = request.expectedRevision
        submission.within = caller.namespaces
        return submission
    }

    /// - Parameter keys: those that the body may have, at each of these places; `files[]` stands for any item.
    func decode<Message: Decodable>(_ type: Message.Type, keys: [String: [String]]) throws(APIFailure) -> Message {
        let value: JSONValue
        do throws(JSONFault) {
            value = try JSONReader.read(body.span)
        } catch {
            throw .badRequest("the body is no JSON: \(error)")
        }
        guard value.members != nil else { throw .badRequest("the body must be a JSON object") }
        try Self.check(value, at: "", keys)
        do {
            return try APICoding.decoder.decode(type, from: Data(body))
        } catch {
            throw .badRequest(Self.words(for: error))
        }
    }

    private static func check(_ value: JSONValue, at place: String, _ keys: [String: [String]]) throws(APIFailure) {
        if let items = value.items {
            for item in items { try check(item, at: place + "[]", keys) }
        }
        guard let members = value.members, let known = keys[place] else { return }
        for member in members {
            guard known.contains(member.name) else {
                let hint = NearestName.hint(member.name, in: known, what: "valid keys") ?? ""
                throw .badRequest(
                    "unknown key \"\(member.name.prefix(60))\"\(place.isEmpty ? "" : " in \(place)") (\(hint))")
            }
            try check(member.value, at: place.isEmpty ? member.name : "\(place).\(member.name)", keys)
        }
    }

    private static func words(for error: any Error) -> String {
        func place(_ path: [any CodingKey], _ last: (any CodingKey)? = nil) -> String {
            var text = ""
            for key in path + (last.map { [$0] } ?? []) {
                text += key.intValue.map { "[\($0)]" } ?? (text.isEmpty ? "" : ".") + key.stringValue
            }
            return text
        }
        switch error {
        case DecodingError.keyNotFound(let key, let context): return "\(place(context.codingPath, key)) is required"
        case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
            return "\(place(context.codingPath)) has a value of the wrong kind"
        case DecodingError.dataCorrupted(let context):
            return "\(place(context.codingPath)) cannot be read: \(context.debugDescription.prefix(100))"
        default: return "the body cannot be read"
        }
    }
}
