extension ClusterConfig {
    init(_ section: ConfigSection) {
        place = section.place
        name = section.value(required: "name", .label) ?? ""
        section.oneOf(["endpoints", "discovery"], required: true)
        let endpoints = Self.endpoints(section)
        let dns = section.section("discovery").flatMap { DNSConfig($0) }
        source = dns.map { .dns($0) } ?? .endpoints(endpoints)
        loadBalancing = section.choice("load_balancing", default: .roundRobin)
        balancing = BalancingConfig(section, loadBalancing)
        healthCheck = section.section("health_check").flatMap { HealthCheckConfig($0) }
        outlierDetection = section.section("outlier_detection").map { OutlierConfig($0) }
        `protocol` = section.choice("protocol", default: .http1)
        tls = section.section("tls").map { ClusterTLSConfig($0, host: dns?.host) }
        proxyProtocol = section.choice("proxy_protocol")
        http2 = section.section("http2").map { ClusterHTTP2Config($0) } ?? ClusterHTTP2Config()
        if `protocol` == .auto, !section.has("tls") {
            section.error(
                at: "protocol", "auto asks by TLS which protocol to speak, and there is no \"tls\"",
                hint: "write http1 or http2, or add tls")
        }
        if `protocol` == .http1, healthCheck?.kind.isGRPC == true {
            section.error(
                at: "health_check", "by gRPC asks endpoints that speak HTTP/2",
                hint: "add protocol: http2 to the cluster")
        }
        if `protocol` == .http1, section.has("http2") {
            section.error(at: "http2", "is not used", hint: "add protocol: http2, or auto with tls")
        }
        connectTimeout = section.duration(
            "connect_timeout", default: .seconds(5), in: .milliseconds(1) ... .seconds(3600))
        idleTimeout = section.timeout("idle_timeout", default: .seconds(60))
        limits = section.section("limits").map { ClusterLimits($0) } ?? ClusterLimits()
        circuitBreaker = section.section("circuit_breaker").map { CircuitBreakerConfig($0) } ?? CircuitBreakerConfig()
        if loadBalancing == .maglev, endpoints.count > balancing.maglevTableSize {
            section.error(
                at: "endpoints", "are more than the maglev table has slots",
                hint: "raise maglev.table_size, or use ring_hash")
        }
    }

    /// What stands under `endpoints`; empty when that is not there.
    package static func endpoints(_ section: ConfigSection) -> [EndpointConfig] {
        let items = section.list("endpoints")
        if section.raw("endpoints")?.items?.isEmpty == true, !section.diagnostics.isDiscovered {
            section.error(
                at: "endpoints", "a cluster needs at least one endpoint", hint: "endpoints: [\"10.0.0.1:8080\"]")
        }
        var seen: Set<ConfigAddress> = []
        return items.compactMap { item in
            guard let endpoint = EndpointConfig(item, in: section) else { return nil }
            if !seen.insert(endpoint.address).inserted {
                section.diagnostics.error(
                    at: item.place, "duplicate endpoint \(endpoint.address)", hint: "give one of them a weight")
            }
            return endpoint
        }
    }
}

extension EndpointConfig {
    /// Reads `"10.0.0.1:8080"` and `{ address: ..., weight: ..., zone: ... }`. Nil after reporting what is wrong.
    init?(_ item: ConfigNode, in section: ConfigSection) {
        weight = 1
        if case .scalar = item.content {
            guard let address = section.read(item, Self.scalar) else { return nil }
            self.address = address
            return
        }
        let endpoint = section.section(of: item)
        weight = endpoint.int("weight", default: 1, in: 1...128)
        zone = endpoint.value("zone", .label)
        guard let address = endpoint.value(required: "address", Self.scalar) else { return nil }
        self.address = address
    }

    /// An address one can connect to. A name gets the way to write it as its hint.
    private static var scalar: ConfigScalar<ConfigAddress> {
        let kind = ConfigAddress.scalar(ports: 1...65535)
        return ConfigScalar(expected: kind.expected) { text in
            switch kind.parse(text) {
            case .success(let address) where address.isWildcard:
                return .failure(.init("\(address) is no address to connect to"))
            case .failure(var problem) where problem.hint == ConfigAddress.nameHint:
                problem.hint = "for a name write discovery: { dns: \(text.prefix(80)) } instead of endpoints"
                return .failure(problem)
            case let result: return result
            }
        }
    }
}

extension DNSConfig {
    /// Nil after reporting what is wrong.
    init?(_ section: ConfigSection) {
        refresh = section.duration("refresh", default: .seconds(5), in: .milliseconds(100) ... .seconds(3600))
        for key in ["service", "file"] where section.has(key) {
            for key in ["dns", "service", "file"] { _ = section.raw(key) }
            section.error(
                at: key, "is what a control plane knows, and not a proxy",
                hint: "hand it to one with martlet apply, or write endpoints, or discovery: { dns: api.internal:8080 }")
            return nil
        }
        guard let (host, port) = section.value(required: "dns", Self.scalar) else { return nil }
        self.host = host
        self.port = port
    }

    private static var scalar: ConfigScalar<(String, UInt16)> {
        let expected = "a name and a port, such as api.internal:8080"
        return ConfigScalar(expected: expected) { text in
            guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), port > 0
            else { return .failure(.init("\"\(text.prefix(80))\" has no valid port", hint: "expected \(expected)")) }
            let host = text[..<colon].lowercased()
            if IPText.ipv4(host[...]) != nil || host.hasPrefix("[") {
                return .failure(.init("\"\(host)\" is an address, not a name", hint: "write it under endpoints"))
            }
            if let problem = ConfigScalar<String>.hostProblem(host) {
                return .failure(.init(problem.message, hint: problem.hint))
            }
            return .success((host, port))
        }
    }
}
