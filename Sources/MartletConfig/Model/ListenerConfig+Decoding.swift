extension ListenerConfig {
    init(_ section: ConfigSection, filters known: Set<String>) {
        place = section.place
        name = section.value(required: "name", .label) ?? ""
        address =
            section.value(required: "address", ConfigAddress.scalar(ports: 0...65535)) ?? .ipv4(0, port: 0)
        let kind = section.choice("protocol", default: ListenerProtocol.http)
        `protocol` = kind
        tls = section.section("tls").map { ListenerTLSConfig($0, protocol: kind) }
        proxyProtocol = section.raw("proxy_protocol").flatMap { ProxyProtocolConfig($0, in: section) }
        tcp = kind == .tcp ? TCPConfig(section) : nil
        other = kind == .http ? section.section("other").flatMap { OtherProtocolConfig($0) } : nil
        limits = section.section("limits").map { ListenerLimits($0, protocol: kind) } ?? ListenerLimits()
        accessLogs = section.raw("access_log").map { AccessLogConfig.logs($0, in: section) }
        localReplies = section.has("local_replies") ? LocalReplyConfig.replies(section) : nil
        _ = section.raw("local_replies")
        forwarding = ForwardingConfig(section)
        if forwarding.needsClientCertificate, tls?.clientCA == nil {
            section.warning(
                at: "forward_client_cert", "no client's certificate is validated here, so the header is always removed",
                hint: "add tls.client_ca")
        }
        path = PathPolicy(section)
        (upgrades, allowsConnect) = Self.upgrades(section)
        filters = section.list("filters").compactMap {
            FilterSection($0, known: known, diagnostics: section.diagnostics)
        }
        routes = section.sections("routes").map { RouteConfig($0) }
        if let written = section.node["limits"] { checkUse(of: written, section.diagnostics) }
        // What stands in for a chain that could not be read is judged no further.
        if kind == .tcp {
            checkTCP(section)
            return
        }
        for key in ["cluster", "split", "sni", "max_connect_attempts"] where section.has(key) {
            _ = section.raw(key)
            section.error(at: key, "is for protocol: tcp", hint: Self.httpHint(key))
        }
        let isWhole = ["filters", "routes"].allSatisfy { key in section.node[key].map { $0.items != nil } ?? true }
        guard isWhole, section.list("filters").count == filters.count else { return }
        checkChain(section)
    }

    /// A limit that nothing runs into is a mistake about what the listener does.
    private func checkUse(of limits: ConfigNode, _ diagnostics: ConfigDiagnostics) {
        let detects =
            other != nil || tls?.isOptional == true || tcp.map { !$0.sni.isEmpty && $0.target != nil } ?? false
        if let written = limits["detect_timeout"], !detects {
            diagnostics.error(
                at: written.place, "is not used: there are no protocols to tell apart here",
                hint: "it is for \"other\", tls.optional, and sni with a cluster for the rest")
        }
        guard `protocol` == .http, let tls, !tls.isOptional, !tls.alpn.contains("h2") else { return }
        for key in ["http2", "max_concurrent_streams"] {
            guard let written = limits[key] else { continue }
            diagnostics.error(
                at: written.place, "is not used: \"tls.alpn\" has no h2", hint: "add h2 to alpn, or remove it")
        }
    }

    /// `upgrades: [websocket]`, `off` for none; `connect` in the list is the method, not a protocol.
    private static func upgrades(_ section: ConfigSection) -> (names: [String], connect: Bool) {
        guard let node = section.raw("upgrades") else { return (["websocket"], false) }
        if node.isOff { return ([], false) }
        let names = section.list("upgrades").compactMap { item in
            section.read(item, .upgrade)
        }
        return (names.filter { $0 != "connect" }, names.contains("connect"))
    }

    private static func httpHint(_ key: String) -> String {
        key == "cluster" || key == "split"
            ? "write it in a route: routes: [{ match: {}, cluster: ... }]" : "remove it, or add protocol: tcp"
    }

    private static let ofHTTP = [
        "filters", "routes", "other", "local_replies", "upgrades", "use_remote_address", "xff_num_trusted_hops", "via",
        "generate_request_id", "preserve_external_request_id", "server_header", "server_name", "forward_client_cert",
        "client_cert_details", "normalize_path", "merge_slashes", "escaped_slashes",
    ]

    /// What concerns requests has no meaning where there are none, and is not silently ignored.
    private func checkTCP(_ section: ConfigSection) {
        for key in Self.ofHTTP where section.has(key) {
            _ = section.raw(key)
            let hint = key == "routes" ? "write cluster, split or sni" : "remove it"
            section.error(at: key, "has no meaning for protocol: tcp", hint: hint)
        }
    }

    private func checkChain(_ section: ConfigSection) {
        if !routes.isEmpty || !filters.isEmpty, filters.last?.name != FilterSection.router {
            if let router = filters.first(where: { $0.name == FilterSection.router }) {
                section.diagnostics.error(
                    at: router.place, "\"router\" must be the last filter", hint: "what stands after it never runs")
            } else {
                section.error(
                    at: "filters", "the chain does not end with \"router\"", hint: "add `- router` as the last filter")
            }
        }
        if routes.isEmpty && filters.isEmpty {
            section.error("a listener needs \"filters\" and \"routes\"", hint: "filters: [router]")
        } else if routes.isEmpty && !section.has("routes") {
            section.missing("routes", hint: "without routes every request is answered 404")
        }
        var seen: Set<String> = []
        for filter in filters {
            let identity = filter.policy.map { "lua \($0)" } ?? filter.name
            let isRepeatable = !FilterSection.onlyOnce.contains(filter.name) && filter.policy == nil
            if !seen.insert(identity).inserted, !isRepeatable {
                let what = filter.policy.map { "policy \"\($0)\"" } ?? "filter \"\(filter.name)\""
                section.diagnostics.error(at: filter.place, "\(what) twice in one chain", hint: "keep one")
            }
        }
        for route in routes { check(route, section.diagnostics) }
        var names: Set<String> = []
        for route in routes {
            guard let name = route.name, !names.insert(name).inserted else { continue }
            section.diagnostics.error(at: route.place.key("name"), "duplicate route name \"\(name.prefix(60))\"")
        }
    }

    /// What a route overrides must be in the chain.
    private func check(_ route: RouteConfig, _ diagnostics: ConfigDiagnostics) {
        let names = Set(filters.map(\.name))
        let policies = Set(filters.compactMap(\.policy))
        for override in route.overrides {
            if override.filter == FilterSection.router {
                diagnostics.error(
                    at: override.place, "\"router\" cannot be overridden", hint: "set the route's own keys")
                continue
            }
            guard names.contains(override.filter) else {
                diagnostics.error(
                    at: override.place, "filter \"\(override.filter.prefix(60))\" is not in this listener's chain",
                    hint: NearestName.hint(
                        override.filter, in: names.subtracting([FilterSection.router]), what: "the chain has"))
                continue
            }
            guard override.filter == FilterSection.lua, case .settings(let node) = override.change else { continue }
            for entry in node.entries ?? [] where !policies.contains(entry.key) {
                diagnostics.error(
                    at: ConfigPlace(mark: entry.keyMark, path: entry.value.path),
                    "policy \"\(entry.key.prefix(60))\" is not in this listener's chain",
                    hint: NearestName.hint(entry.key, in: policies, what: "the chain has"))
            }
        }
    }
}

extension ConfigScalar where Value == String {
    /// A name that labels metrics and logs.
    package static var label: ConfigScalar {
        name.checked { $0.utf8.count <= 256 ? nil : Problem("a name has at most 256 bytes") }
    }

    /// A protocol's name, lower case; HTTP/2 in clear text is never one of them.
    static var upgrade: ConfigScalar {
        ConfigScalar(expected: "a protocol's name, such as websocket") { text in
            let name = text.lowercased()
            if name == "h2c" || name == "http/2" || name == "tls" || name.hasPrefix("tls/") {
                return .failure(
                    Problem("\"\(name)\" cannot be allowed", hint: "it would carry requests past the chain"))
            }
            let isToken =
                !name.isEmpty
                && name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !"\"(),:;<=>?@[\\]{}".utf8.contains($0) }
            return isToken ? .success(name) : .failure(Problem("\"\(text.prefix(60))\" is not a protocol's name"))
        }
    }
}
