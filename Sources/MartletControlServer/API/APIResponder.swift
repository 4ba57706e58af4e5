internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import Logging
internal import MartletControl
internal import NIOCore

/// Where a request came from.
struct APIContext: InitializableFromSource {
    let address: String
    let logger: Logger

    init(source: ApplicationRequestContextSource) {
        let remote = source.channel.remoteAddress
        address = remote?.ipAddress ?? "unix"
        logger = source.logger
    }
}

/// Answers each request: who asks, whether they may, what they ask, and a line of it in the audit log.
struct APIResponder: HTTPResponder {
    let desk: APIDesk
    let access: Access
    /// Bytes of a body.
    let bodyLimit: Int

    func respond(to request: Request, context: APIContext) async throws -> Response {
        var visit = Visit(from: context.address)
        let answer: APIAnswer
        do {
            answer = try await self.answer(request, &visit)
            desk.counters.count(visit.route?.action, answer.status)
            return response(answer.status, answer.type, answer.body)
        } catch {
            let failure = APIFailure(error)
            if failure.status == 500 { context.logger.error("a request failed: \(error)") }
            note(failure, visit)
            desk.counters.count(visit.route?.action, failure.status)
            var response = response(
                failure.status, "application/json",
                (try? APICoding.encoder.encode(FailureMessage(failure))).map { Array($0) } ?? [])
            if failure.status == 401 { response.headers[.wwwAuthenticate] = "Bearer" }
            if failure.status == 405, let allowed = visit.allowed { response.headers[.allow] = allowed }
            // What is left of the body is not worth reading.
            if failure.status == 413 { response.headers[.connection] = "close" }
            return response
        }
    }

    /// What is known of a request so far.
    private struct Visit {
        let from: String
        var caller: Caller?
        var route: APIRoute?
        var path: [String: String] = [:]
        var isDryRun = false
        var allowed: String?

        init(from: String) { self.from = from }

        func entry(_ result: AuditEntry.Result) -> AuditEntry {
            // Strangers choose these, as long as they like.
            let path = path.mapValues { String($0.prefix(DocumentKey.limit)) }
            var entry = AuditEntry(
                who: caller?.name, from: from, action: route?.action, namespace: path["namespace"], result: result)
            if let namespace = path["namespace"], let kind = path["kind"], let name = path["name"] {
                entry.documents = ["\(namespace)/\(kind)/\(name)"]
            }
            return entry
        }
    }

    private func answer(_ request: Request, _ visit: inout Visit) async throws -> APIAnswer {
        let target = request.head.path ?? "/"
        let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let segments = try self.segments(parts.first ?? "/")
        let found = APIRoute.all.compactMap { route in route.match(segments).map { (route, $0) } }
        if let (route, path) = found.first(where: { $0.0.method == request.method }) {
            (visit.route, visit.path) = (route, path)
        }
        let caller = try identify(request, &visit)
        guard let route = visit.route else {
            guard !found.isEmpty else {
                throw APIFailure.notFound("there is no such path; /openapi.json has those there are")
            }
            visit.allowed = Set(found.map { $0.0.method.rawValue }).sorted().joined(separator: ", ")
            throw APIFailure(405, "method_not_allowed", "this path takes \(visit.allowed ?? "")")
        }
        if let role = route.role {
            guard caller.role >= role else {
                throw APIFailure.forbidden(
                    "this needs the role \(role.rawValue); the token \"\(caller.name)\" has \(caller.role.rawValue)")
            }
            if let namespace = visit.path["namespace"], !caller.sees(namespace) {
                throw APIFailure.forbidden(
                    "the token \"\(caller.name)\" is not for namespace \"\(namespace.prefix(100))\"")
            }
        }
        let query = try APICall.query(parts.count == 2 ? parts[1] : "", of: route)
        visit.isDryRun = query["dry_run"] == "true"
        let call = APICall(
            caller: caller, path: visit.path, query: query, body: try await body(of: request, for: route))
        guard route.changes, !visit.isDryRun else { return try await route.answer(desk, call) }
        if desk.audit.isRequired, !desk.audit.write(visit.entry(.started)) {
            throw APIFailure(503, "unavailable", "the audit log cannot be written, and nothing may be done without it")
        }
        let answer = try await route.answer(desk, call)
        var entry = visit.entry(.done)
        (entry.documents, entry.revision, entry.status) = (answer.documents, answer.revision, answer.status)
        desk.audit.write(entry)
        return answer
    }

    private func segments(_ path: Substring) throws -> [String] {
        try path.split(separator: "/").map { segment in
            guard let decoded = segment.removingPercentEncoding else {
                throw APIFailure.badRequest("the path cannot be decoded")
            }
            return decoded
        }
    }

    private func identify(_ request: Request, _ visit: inout Visit) throws -> Caller {
        if let reason = access.suspicion(
            host: request.head.authority, origin: request.headers[.origin],
            site: request.headers[Self.fetchSite])
        {
            throw APIFailure.forbidden(reason)
        }
        if let route = visit.route, route.role == nil { return .local }
        guard let caller = access.caller(request.headers[.authorization]) else {
            desk.counters.countFailedAuthentication()
            throw APIFailure.unauthorized
        }
        visit.caller = caller
        return caller
    }

    private static let fetchSite = HTTPField.Name("sec-fetch-site") ?? .origin

    private func body(of request: Request, for route: APIRoute) async throws -> [UInt8] {
        guard route.body != nil else { return [] }
        let type = request.headers[.contentType]?.split(separator: ";").first?.lowercased()
        guard type?.trimmingCharacters(in: .whitespaces) == "application/json", request.headers[.contentEncoding] == nil
        else { throw APIFailure.unsupported }
        if let length = request.headers[.contentLength].flatMap({ Int($0) }), length > bodyLimit {
            throw APIFailure.tooLarge(bodyLimit)
        }
        do {
            let buffer = try await request.body.collect(upTo: bodyLimit)
            return Array(buffer.readableBytesView)
        } catch is NIOTooManyBytesError {
            throw APIFailure.tooLarge(bodyLimit)
        }
    }

    /// Every change that was tried, and every refusal of somebody who may not.
    private func note(_ failure: APIFailure, _ visit: Visit) {
        let isChange = visit.route?.changes == true && !visit.isDryRun
        guard isChange || [401, 403, 422].contains(failure.status) else { return }
        var entry = visit.entry(.refused)
        (entry.status, entry.reason) = (failure.status, failure.message)
        desk.audit.write(entry)
    }

    private func response(_ status: Int, _ type: String, _ body: [UInt8]) -> Response {
        var headers = HTTPFields()
        headers[.contentType] = type
        headers[.cacheControl] = "no-store"
        if let name = HTTPField.Name("x-content-type-options") { headers[name] = "nosniff" }
        return Response(
            status: HTTPResponse.Status(code: status), headers: headers,
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: body)))
    }
}
