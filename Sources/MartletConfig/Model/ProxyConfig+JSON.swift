internal import MartletCore

extension ProxyConfig {
    /// The effective configuration as JSON: defaults filled in, keys in a fixed order. Filters' own sections are shown as
    /// written, except values under keys that look like secrets.
    package var json: String {
        Self.object([
            ("workers", workers.map(String.init) ?? "null"),
            ("admin", admin.map { Self.object([("address", Self.text($0.address.description))]) } ?? "null"),
            ("access_log", Self.json(accessLog)),
            ("drain", Self.object([("deadline", Self.text(ConfigText.duration(drain.deadline)))])),
            ("listeners", Self.array(listeners.map(Self.json))),
            ("clusters", Self.array(clusters.map(Self.json))),
            ("policies", Self.array(policies.map(Self.json))),
        ])
    }

    private static func json(_ log: AccessLogConfig) -> String {
        guard case .file(let path) = log.target else { return text("off") }
        if case .json = log.format { return object([("path", text(path)), ("format", text("json"))]) }
        return object([("path", text(path)), ("format", text("text"))])
    }

    private static func json(_ listener: ListenerConfig) -> String {
        let limits = listener.limits
        func duration(_ value: Duration?) -> String { text(value.map(ConfigText.duration) ?? "0") }
        return object([
            ("name", text(listener.name)), ("address", text(listener.address.description)),
            (
                "limits",
                object([
                    ("max_connections", "\(limits.maxConnections)"),
                    ("request_headers", text(ConfigText.size(limits.requestHeaders))),
                    ("header_count", "\(limits.headerCount)"),
                    ("request_headers_timeout", duration(limits.requestHeadersTimeout)),
                    ("idle_timeout", duration(limits.idleTimeout)),
                    ("stream_idle_timeout", duration(limits.streamIdleTimeout)),
                ])
            ),
            ("use_remote_address", "\(listener.forwarding.useRemoteAddress)"),
            ("xff_num_trusted_hops", "\(listener.forwarding.trustedHops)"),
            ("via", listener.forwarding.via.map(text) ?? "null"),
            ("upgrades", array(listener.upgrades.map(text))),
            ("filters", array(listener.filters.map { object([($0.name, json($0.node, key: ""))]) })),
            ("routes", array(listener.routes.enumerated().map { json($0.element, $0.offset) })),
        ])
    }

    private static func json(_ route: RouteConfig, _ position: Int) -> String {
        var fields = [("name", text(route.name ?? "route-\(position)"))]
        if !route.match.hosts.isEmpty { fields.append(("hosts", array(route.match.hosts.map { text("\($0)") }))) }
        if let path = route.match.path { fields.append(("path", text("\(path)"))) }
        if !route.match.methods.isEmpty { fields.append(("methods", array(route.match.methods.map(text)))) }
        switch route.action {
        case .cluster(let reference): fields.append(("cluster", text(reference.name)))
        case .split(let parts):
            fields.append(
                ("split", array(parts.map { object([("cluster", text($0.cluster.name)), ("weight", "\($0.weight)")]) })))
        case .redirect(let redirect): fields.append(("redirect", object([("status", "\(redirect.status)")])))
        case .respond(let respond): fields.append(("respond", object([("status", "\(respond.status)")])))
        }
        fields.append(("timeout", text(route.timeout.map(ConfigText.duration) ?? "0")))
        return object(fields)
    }

    private static func json(_ cluster: ClusterConfig) -> String {
        var fields = [("name", text(cluster.name))]
        switch cluster.source {
        case .endpoints(let endpoints):
            fields.append(
                (
                    "endpoints",
                    array(endpoints.map { object([("address", text($0.address.description)), ("weight", "\($0.weight)")]) })
                ))
        case .dns(let dns):
            fields.append(
                ("discovery", object([("dns", text("\(dns.host):\(dns.port)")), ("refresh", text(ConfigText.duration(dns.refresh)))])))
        }
        fields += [
            ("load_balancing", text(cluster.loadBalancing.rawValue)),
            ("connect_timeout", text(ConfigText.duration(cluster.connectTimeout))),
            ("idle_timeout", text(cluster.idleTimeout.map(ConfigText.duration) ?? "0")),
            (
                "circuit_breaker",
                object([
                    ("max_connections", "\(cluster.circuitBreaker.maxConnections)"),
                    ("max_pending_requests", "\(cluster.circuitBreaker.maxPendingRequests)"),
                    ("max_requests", "\(cluster.circuitBreaker.maxRequests)"),
                    ("max_retries", "\(cluster.circuitBreaker.maxRetries)"),
                ])
            ),
        ]
        return object(fields)
    }

    private static func json(_ policy: PolicyConfig) -> String {
        var fields = [("name", text(policy.name))]
        if case .file(let path) = policy.source { fields.append(("file", text(path))) } else { fields.append(("inline", "true")) }
        fields += [
            ("on_error", text(policy.onError.rawValue)), ("mode", text(policy.mode.rawValue)),
            (
                "budget",
                object([
                    ("instructions", "\(policy.budget.instructions)"), ("memory", text(ConfigText.size(policy.budget.memory))),
                    ("time", text(ConfigText.duration(policy.budget.time))),
                ])
            ),
        ]
        return object(fields)
    }

    // MARK: Sections as written

    private static let secretWords = ["secret", "password", "token", "key", "credential", "authorization", "cookie"]

    private static func json(_ node: ConfigNode, key: String) -> String {
        switch node.content {
        case .null: return "null"
        case .scalar(let value, _):
            let lower = key.lowercased()
            return secretWords.contains { lower.contains($0) } ? text("[redacted]") : text(value)
        case .list(let items): return array(items.map { json($0, key: key) })
        case .mapping(let entries): return object(entries.map { ($0.key, json($0.value, key: $0.key)) })
        }
    }

    // MARK: Text

    private static func object(_ fields: [(String, String)]) -> String {
        "{" + fields.map { "\(text($0.0)):\($0.1)" }.joined(separator: ",") + "}"
    }

    private static func array(_ items: [String]) -> String { "[" + items.joined(separator: ",") + "]" }

    private static func text(_ value: String) -> String {
        var out = "\""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\"": out += "\\\""
            case "\\": out += "\\\\"
            case "\n": out += "\\n"
            case "\r": out += "\\r"
            case "\t": out += "\\t"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                out += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out + "\""
    }
}
