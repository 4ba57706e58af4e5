extension ListenerConfig {
    private enum ListenerProtocol: String, CaseIterable { case http }

    init(_ section: ConfigSection, filters known: Set<String>) {
        place = section.place
        name = section.string(required: "name")
        address =
            section.value(required: "address", ConfigAddress.scalar(ports: 0...65535)) ?? .ipv4(0x7F00_0001, port: 0)
        let _: ListenerProtocol = section.choice("protocol", default: .http)
        if section.bool("proxy_protocol", default: false) {
            section.error(at: "proxy_protocol", "the PROXY protocol is not available in this version")
        }
        limits = section.section("limits").map { ListenerLimits($0) } ?? ListenerLimits()
        accessLog = AccessLogConfig(section, key: "access_log")
        forwarding = ForwardingConfig(section)
        path = PathPolicy(section)
        let written = section.has("upgrades") ? section.strings("upgrades").map { $0.lowercased() } : ["websocket"]
        upgrades = written.filter { $0 != "connect" }
        allowsConnect = false
        if written.contains("connect") {
            section.error(at: "upgrades", "tunnels by CONNECT are not available in this version", hint: "remove connect")
        }
        filters = section.list("filters").compactMap {
            FilterSection($0, known: known, diagnostics: section.diagnostics)
        }
        let chain = filters
        routes = section.sections("routes").compactMap { RouteConfig($0) }
        checkChain(section, chain)
    }

    private func checkChain(_ section: ConfigSection, _ chain: [FilterSection]) {
        let list = section.list("filters")
        guard !list.isEmpty else {
            return section.error(at: "filters", "a listener needs a chain that ends with router", hint: "write filters: [router]")
        }
        guard chain.count == list.count else { return }
        for (index, filter) in chain.enumerated() where filter.name == FilterSection.router && index < chain.count - 1 {
            section.diagnostics.error(
                at: filter.place, "router is not the last filter", hint: "nothing behind it would ever run: move it to the end")
        }
        if let last = chain.last, !chain.contains(where: { $0.name == FilterSection.router }) {
            section.diagnostics.error(
                at: last.place, "the chain does not end with router", hint: "add `- router` at the end")
        }
        var seen: Set<String> = []
        for filter in chain where FilterSection.onlyOnce.contains(filter.name) && !seen.insert(filter.name).inserted {
            if filter.name != FilterSection.router {
                section.diagnostics.error(at: filter.place, "\(filter.name) stands in the chain twice", hint: "keep one")
            }
        }
        if !section.has("routes") {
            section.missing("routes", hint: "without routes every request is answered 404")
        }
    }
}

extension ClusterConfig {
    private enum ClusterProtocol: String, CaseIterable { case http1 }

    init?(_ section: ConfigSection) {
        place = section.place
        name = section.string(required: "name")
        let _: ClusterProtocol = section.choice("protocol", default: .http1)
        loadBalancing = section.choice("load_balancing", default: .roundRobin)
        connectTimeout = section.duration(
            "connect_timeout", default: .seconds(5), in: .milliseconds(1) ... .seconds(3600))
        idleTimeout = section.timeout("idle_timeout", default: .seconds(60))
        limits = section.section("limits").map { ClusterLimits($0) } ?? ClusterLimits()
        circuitBreaker = section.section("circuit_breaker").map { CircuitBreakerConfig($0) } ?? CircuitBreakerConfig()
        section.oneOf(["endpoints", "discovery"], required: true)
        if let discovery = section.section("discovery") {
            guard let dns = DNSConfig(discovery) else { return nil }
            source = .dns(dns)
        } else {
            let list = section.list("endpoints")
            if list.isEmpty && section.has("endpoints") {
                section.error(at: "endpoints", "a cluster needs an endpoint", hint: "write endpoints: [\"10.0.0.1:8080\"]")
            }
            source = .endpoints(list.compactMap { EndpointConfig($0, in: section) })
        }
    }
}

extension EndpointConfig {
    init?(_ node: ConfigNode, in parent: ConfigSection) {
        let kind = ConfigAddress.scalar(ports: 1...65535)
        if case .mapping = node.content {
            let section = parent.section(of: node)
            guard let address = section.value(required: "address", kind) else { return nil }
            self.address = address
            weight = section.int("weight", default: 1, in: 1...128)
            zone = section.string("zone")
        } else {
            guard let address = parent.read(node, kind) else { return nil }
            self.address = address
            weight = 1
        }
    }
}

extension DNSConfig {
    init?(_ section: ConfigSection) {
        refresh = section.duration("refresh", default: .seconds(5), in: .milliseconds(100) ... .seconds(3600))
        let text = section.string(required: "dns")
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), port > 0 else {
            if !text.isEmpty {
                section.error(at: "dns", "\"\(text.prefix(80))\" has no port", hint: "write name:port, as in api.internal:8080")
            }
            return nil
        }
        host = String(text[..<colon])
        self.port = port
        guard !host.isEmpty, host.utf8.count <= 253,
            host.utf8.allSatisfy({ ($0 >= 0x30 && $0 <= 0x39) || (($0 | 0x20) >= 0x61 && ($0 | 0x20) <= 0x7A) || [0x2D, 0x2E, 0x5F].contains($0) })
        else {
            section.error(at: "dns", "\"\(host.prefix(80))\" is not a host name")
            return nil
        }
    }
}

extension PolicyConfig {
    init?(_ section: ConfigSection) {
        place = section.place
        name = section.string(required: "name")
        onError = section.choice("on_error", default: .deny)
        mode = section.choice("mode", default: .enforce)
        budget = section.section("budget").map { PolicyBudget($0) } ?? PolicyBudget()
        section.oneOf(["file", "inline"], required: true)
        if let text = section.string("inline") {
            source = .inline(text)
        } else if let path = section.path("file") {
            source = .file(path: path)
        } else {
            return nil
        }
    }
}
