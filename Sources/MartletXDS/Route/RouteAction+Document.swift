internal import MartletXDSMessages
internal import SwiftProtobuf

typealias RouteActionMessage = Envoy_Config_Route_V3_RouteAction

// Where a route sends requests: `cluster` or `split`, times, `rewrite`, `mirror`, `hash`.

extension RouteActionMessage {
    init(_ route: DocumentSection) {
        self.init()
        if let parts = route.list("split") {
            weightedClusters.clusters = parts.compactMap { part in
                guard let part = part.section else { return nil }
                return .with {
                    $0.name = part.text("cluster") ?? ""
                    $0.weight = .init(part.int("weight") ?? 1) ?? .init(1)
                }
            }
        } else {
            cluster = route.text("cluster") ?? ""
        }
        if let time = route.duration("timeout") { timeout = .init(time) }
        if let time = route.duration("idle_timeout") { idleTimeout = .init(time) }
        if let rewrite = route.section("rewrite") {
            prefixRewrite = rewrite.text("prefix") ?? ""
            if let host = rewrite.text("host") { hostRewriteLiteral = host }
            if let replacement = Envoy_Type_Matcher_V3_RegexMatchAndSubstitute(rewrite) { regexRewrite = replacement }
        }
        let mirrors = route.list("mirror") ?? route["mirror"].map { [$0] } ?? []
        requestMirrorPolicies = mirrors.compactMap { $0.section.map { .init($0) } }
        hashPolicy = (route.list("hash") ?? []).compactMap { .init($0) }
    }

    func read(_ route: inout DocumentSection, _ reading: ResourceReading) {
        switch clusterSpecifier {
        case .cluster(let name): route["cluster"] = .text(name)
        case .weightedClusters(let weighted):
            route["split"] = .list(
                weighted.clusters.map { part in
                    let weight = part.hasWeight ? part.weight.value : 0
                    return .object(("cluster", .text(part.name)), ("weight", weight == 1 ? nil : .int(weight)))
                })
        case nil: reading.error("route: there is no cluster_specifier that Martlet knows")
        }
        if hasTimeout { route["timeout"] = timeout.document }
        if hasIdleTimeout { route["idle_timeout"] = idleTimeout.document }
        if hasRetryPolicy { route["filters"] = .object(("retry", .section(retryPolicy.document))) }
        var rewrite = DocumentSection()
        if !prefixRewrite.isEmpty { rewrite["prefix"] = .text(prefixRewrite) }
        if hasRegexRewrite { regexRewrite.read(&rewrite) }
        if case .hostRewriteLiteral(let host) = hostRewriteSpecifier { rewrite["host"] = .text(host) }
        route.put("rewrite", rewrite)
        let mirrors = requestMirrorPolicies.map { Document.section($0.document) }
        if mirrors.count == 1 { route["mirror"] = mirrors[0] }
        if mirrors.count > 1 { route["mirror"] = .list(mirrors) }
        let policies = hashPolicy.compactMap { $0.document(reading) }
        if !policies.isEmpty { route["hash"] = .list(policies) }
    }
}

extension Envoy_Type_Matcher_V3_RegexMatchAndSubstitute {
    /// `regex` with `to`.
    init?(_ section: DocumentSection) {
        guard let regex = section.text("regex"), let to = section.text("to") else { return nil }
        self.init()
        pattern.regex = regex
        substitution = to
    }

    func read(_ section: inout DocumentSection) {
        section["regex"] = .text(pattern.regex)
        section["to"] = .text(substitution)
    }
}

extension RouteActionMessage.RequestMirrorPolicy {
    fileprivate init(_ mirror: DocumentSection) {
        self.init()
        cluster = mirror.text("cluster") ?? ""
        if let share = mirror.percent("percent"), share <= 1 {
            runtimeFraction.defaultValue = .init(fraction: share)
        }
    }

    fileprivate var document: DocumentSection {
        var mirror = DocumentSection()
        mirror["cluster"] = .text(cluster)
        if hasRuntimeFraction { mirror["percent"] = runtimeFraction.defaultValue.document }
        return mirror
    }
}

extension RouteActionMessage.HashPolicy {
    /// Nil: it says nothing.
    fileprivate init?(_ item: Document) {
        self.init()
        let policy = item.section ?? DocumentSection()
        terminal = policy.bool("terminal") ?? false
        if item.text == "client_ip" || policy["client_ip"] != nil {
            connectionProperties.sourceIp = true
        } else if let name = policy.text("header") {
            header.headerName = name
        } else if let name = policy.text("query") {
            queryParameter.name = name
        } else if let document = policy["cookie"] {
            let settings = document.section ?? DocumentSection([("name", document)])
            cookie.name = settings.text("name") ?? ""
            cookie.path = settings.text("path") ?? ""
            if let ttl = settings.duration("ttl") { cookie.ttl = .init(ttl) }
        } else {
            return nil
        }
    }

    fileprivate func document(_ reading: ResourceReading) -> Document? {
        let isTerminal: Document? = terminal ? .bool(true) : nil
        switch policySpecifier {
        case .connectionProperties:
            return terminal ? .object(("client_ip", .bool(true)), ("terminal", isTerminal)) : .text("client_ip")
        case .header(let header): return .object(("header", .text(header.headerName)), ("terminal", isTerminal))
        case .queryParameter(let parameter):
            return .object(("query", .text(parameter.name)), ("terminal", isTerminal))
        case .cookie(let cookie):
            let settings = Document.object(
                ("name", .text(cookie.name)), ("ttl", cookie.hasTtl ? cookie.ttl.document : nil),
                ("path", cookie.path.isEmpty ? nil : .text(cookie.path)))
            let isBare = !cookie.hasTtl && cookie.path.isEmpty
            return .object(("cookie", isBare ? .text(cookie.name) : settings), ("terminal", isTerminal))
        case nil:
            reading.error("hash_policy: there is no policy_specifier that Martlet knows")
            return nil
        }
    }
}
