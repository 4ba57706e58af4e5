package import MartletConfig
internal import MartletCore
internal import MartletGRPC
internal import MartletHTTP

/// How a listener's refusals and failures are told: what `local_replies` says, compiled. What a route answers with
/// `respond` or `redirect` is none of them.
package final class LocalReplies: Sendable {
    fileprivate struct Entry: Sendable {
        let statuses: [ClosedRange<Int>]
        let flags: [ResponseFlag]
        let reasons: [String]
        let request: RequestCondition?
        let status: UInt16?
        let headers: [(name: HeaderName, value: Format)]
        let text: Format?
        let json: Format?
        let contentType: String
    }

    private let entries: [Entry]

    package static let standard = LocalReplies(entries: [])

    private init(entries: [Entry]) { self.entries = entries }

    package init(_ configs: [LocalReplyConfig], diagnostics: ConfigDiagnostics) {
        entries = configs.map { config in
            Entry(
                statuses: config.statuses,
                flags: ResponseFlag.named(config.flags, at: config.place, diagnostics), reasons: config.reasons,
                request: config.request.flatMap { RequestCondition($0, diagnostics: diagnostics) },
                status: config.status.map { UInt16($0) },
                headers: config.headers.map { ($0.name, Format($0.value)) }, text: config.textBody.map { Format($0) },
                json: config.jsonBody.map { Format($0) }, contentType: config.contentType ?? "text/plain")
        }
    }

    /// The response holds the head of `reply`. Changes it as the first entry that matches says; the body to be sent with
    /// it, nil for the reply's own.
    func shape(_ reply: Reply, in exchange: Exchange) -> [UInt8]? {
        guard let reason = reply.reason else { return nil }
        guard let entry = entries.first(where: { $0.matches(exchange, reason) }) else {
            return Self.standardBody(reply, reason, exchange)
        }
        if let status = entry.status { exchange.response.setStatus(status) }
        // Rare enough to make a writer for.
        var writer = FormatWriter()
        let scene = FormatWriter.Scene(
            duration: exchange.now - exchange.started, isOver: false, replyBody: reply.body)
        let headers = exchange.response.headers
        for field in entry.headers {
            let value = writer.render(field.value, of: exchange, scene, as: .field)
            if value.isEmpty { headers.remove(field.name) } else { headers.set(field.name, value.span) }
        }
        let wantsJSON = entry.json != nil && (entry.text == nil || Accept.prefersJSON(exchange.request.headers))
        guard let format = wantsJSON ? entry.json : entry.text else { return nil }
        headers.set(.contentType, wantsJSON ? "application/json" : entry.contentType)
        if entry.json != nil && entry.text != nil { headers.append(.vary, "accept") }
        var body = LineBuffer()
        if wantsJSON {
            writer.append(format, of: exchange, scene, to: &body)
            body.append(0x0A)
        } else {
            body.append(bytes: writer.render(format, of: exchange, scene, as: .raw).span)
        }
        return body.bytes
    }

    /// A plain refusal says the same in JSON to those who would rather have that. A body that a filter has written
    /// otherwise is its own affair.
    private static func standardBody(_ reply: Reply, _ reason: String, _ exchange: Exchange) -> [UInt8]? {
        guard reply.body.count == reason.utf8.count + 1, Accept.prefersJSON(exchange.request.headers),
            !GRPCContentType.isGRPC(exchange.request.headers), reply.body.starts(with: reason.utf8)
        else { return nil }
        var body = LineBuffer()
        body.append("{\"error\":\"")
        body.append(json: reason.utf8Span.span)
        body.append("\",\"status\":")
        body.append(number: UInt64(reply.status))
        body.append("}\n")
        let headers = exchange.response.headers
        headers.set(.contentType, "application/json")
        headers.append(.vary, "accept")
        return body.bytes
    }
}

extension LocalReplies.Entry {
    fileprivate func matches(_ exchange: Exchange, _ reason: String) -> Bool {
        let status = Int(exchange.response.status)
        return (statuses.isEmpty || statuses.contains { $0.contains(status) })
            && (flags.isEmpty || flags.contains { exchange.flags.contains($0) })
            && (reasons.isEmpty || reasons.contains(reason))
            && request?.holds(exchange.request) != false
    }
}
