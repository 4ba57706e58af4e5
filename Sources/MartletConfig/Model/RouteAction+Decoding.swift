internal import MartletCore

extension RouteAction {
    private static let kinds = ["cluster", "split", "redirect", "respond"]

    init(_ section: ConfigSection) {
        section.oneOf(Self.kinds, required: true)
        for kind in Self.kinds { _ = section.raw(kind) }
        // Every one that is written is read, so that a mistake in the second does not wait for its turn.
        var actions: [RouteAction] = []
        if section.has("cluster"), let cluster = ClusterReference(required: "cluster", section) {
            actions.append(.cluster(cluster))
        }
        if section.has("split") { actions.append(.split(Self.split(section))) }
        if let redirect = section.section("redirect") { actions.append(.redirect(RedirectConfig(redirect))) }
        if let respond = section.section("respond") { actions.append(.respond(RespondConfig(respond))) }
        self = actions.first ?? .respond(RespondConfig(status: 500, body: "", headers: []))
    }

    /// The items of `split`.
    static func split(_ section: ConfigSection) -> [WeightedCluster] {
        let items = section.sections("split")
        let split = items.compactMap { item in
            let weight = item.int("weight", default: 1, in: 0...1_000_000)
            return ClusterReference(required: "cluster", item).map { WeightedCluster(cluster: $0, weight: weight) }
        }
        if section.raw("split")?.items?.isEmpty == true {
            section.error(at: "split", "a split needs at least one cluster")
        } else if !split.isEmpty, split.count == items.count, split.allSatisfy({ $0.weight == 0 }) {
            section.error(at: "split", "the weights add up to 0", hint: "give one of them a weight above 0")
        }
        var names: Set<String> = []
        for part in split where !names.insert(part.cluster.name).inserted {
            section.diagnostics.error(
                at: part.cluster.place, "cluster \"\(part.cluster.name.prefix(60))\" twice in one split",
                hint: "add the weights up")
        }
        return split
    }
}

extension RedirectConfig {
    private enum Scheme: String, CaseIterable {
        case http
        case https
    }

    init(_ section: ConfigSection) {
        let wanted: Scheme? = section.choice("scheme")
        scheme = wanted?.rawValue
        host = section.value("host", .host)
        port = section.int("port", in: 1...65535)
        status = section.value("status", .status([301, 302, 303, 307, 308])) ?? 301
        stripQuery = section.bool("strip_query", default: false)
        section.oneOf(["path", "prefix", "regex"])
        if let text = section.value("path", .target) { path = .full(text) }
        if let text = section.value("prefix", .path) { path = .prefix(text) }
        if let (regex, to) = section.replacement(excluding: ["path", "prefix"]) { path = .regex(regex, to: to) }
        if !["scheme", "host", "port", "path", "prefix", "regex", "to"].contains(where: section.has) {
            section.error("a redirect changes nothing", hint: "write scheme, host, port, path, prefix or regex")
        }
    }
}

extension RespondConfig {
    private static let maxBody = 1 << 20

    init(_ section: ConfigSection) {
        status = section.int(required: "status", in: 200...599)
        body = section.string("body", default: "")
        headers = section.headers("headers")
        if body.utf8.count > Self.maxBody {
            section.error(at: "body", "larger than \(Self.maxBody >> 20) MiB")
        }
        // RFC 9110 sections 15.3.5 and 15.4.5: these have no content.
        if !body.isEmpty && [204, 205, 304].contains(status) {
            section.error(at: "body", "a response with status \(status) has no body", hint: "remove it")
        }
        for (name, _) in headers where ["content-length", "transfer-encoding", "connection"].contains(name.description)
        {
            section.error(at: "headers", "\(name) is written by the proxy", hint: "remove it")
        }
    }
}

extension ConfigSection {
    /// `regex` with `to`. Nil when neither is written or one is wrong.
    func replacement(excluding others: [String]) -> (RegexSource, String)? {
        if has("regex") { oneOf(others + ["regex"]) }
        let regex = regex("regex")
        let to = string("to")
        if has("regex") != has("to") {
            error(
                at: has("regex") ? "regex" : "to", "\"regex\" and \"to\" belong together",
                hint: "add \"\(has("regex") ? "to" : "regex")\"")
        }
        guard let regex, let to else { return nil }
        return (regex, to)
    }
}
