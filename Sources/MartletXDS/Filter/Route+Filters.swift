internal import MartletXDSMessages
internal import SwiftProtobuf

// `typed_per_filter_config`: what a route changes about the filters of the chain, by the names that they have there. In Martlet one
// change is for all filters of a kind.

private typealias FilterConfig = Envoy_Config_Route_V3_FilterConfig

extension RouteTableMessage {
    /// A limit has one bucket there, whatever routes it comes to, and here one for each of them.
    /// - Parameter hosts: one as often as its routes come to be routes here.
    func checkLimits(of hosts: [Envoy_Config_Route_V3_VirtualHost], _ reading: ResourceReading) {
        var routes: [String: Int] = [:]
        for host in hosts {
            for (position, route) in host.routes.enumerated() {
                let levels = [
                    ("route \(position + 1) of virtual host \"\(host.name)\"", route.typedPerFilterConfig),
                    ("virtual host \"\(host.name)\"", host.typedPerFilterConfig),
                    ("route table", typedPerFilterConfig),
                ]
                for name in Set(levels.flatMap(\.1.keys)) where reading.chain.isEmpty || reading.chain[name] != nil {
                    guard let (level, changes) = levels.first(where: { $0.1[name] != nil }),
                        let any = changes[name], any.isLimit
                    else { continue }
                    routes["\(name), of \(level)", default: 0] += 1
                }
            }
        }
        for (place, count) in routes.sorted(by: { $0.key < $1.key }) where count > 1 {
            reading.error(
                "typed_per_filter_config \(place): one LocalRateLimit for \(count) routes is not supported",
                hint: "put it on the listener, or one on each route, with domains of one kind")
        }
    }
}

extension Google_Protobuf_Any {
    /// Whether it gives a route a bucket.
    fileprivate var isLimit: Bool {
        var any = self
        if let config = try? FilterConfig(unpackingAny: self) {
            if config.disabled { return false }
            any = config.config
        }
        return (try? RateLimitMessage(unpackingAny: any))?.hasTokenBucket ?? false
    }
}

extension RouteMessage {
    /// What is said for a host is for all its routes that do not say it themselves.
    func inheriting(_ outer: [String: Google_Protobuf_Any], _ reading: ResourceReading) -> RouteMessage {
        var route = self
        for (name, any) in outer {
            guard let own = typedPerFilterConfig[name] else {
                route.typedPerFilterConfig[name] = any
                continue
            }
            if EnvoyFilters.isMerged(own) || EnvoyFilters.isMerged(any) {
                reading.unsupported("typed_per_filter_config \(name)", "one of a host beside one of its route")
            }
        }
        return route
    }

    /// A change of one filter of the chain.
    private struct Change {
        var filter: String
        var policy = ""
        var settings: Document
        /// Martlet's own words, which are for all filters of that kind.
        var isOwn = false
    }

    func readOverrides(_ route: inout DocumentSection, _ reading: ResourceReading) {
        // `retry` may be there, from Envoy's own field for it.
        var filters = route.section("filters") ?? DocumentSection()
        var policies = DocumentSection()
        var changed: [String: Set<String>] = [:]
        for (name, any) in typedPerFilterConfig.sorted(by: { $0.key < $1.key }) {
            guard let change = change(name, any, reading) else { continue }
            guard change.policy.isEmpty else {
                policies[change.policy] = change.settings
                continue
            }
            if !change.isOwn, !reading.chain.isEmpty {
                if let other = filters[change.filter], other != change.settings {
                    reading.unsupported("typed_per_filter_config \(name)", "another change of \(change.filter)")
                }
                changed[change.filter, default: []].insert(name)
            }
            filters[change.filter] = change.settings
        }
        for (filter, names) in changed.sorted(by: { $0.key < $1.key }) {
            let all = reading.chain.filter { $0.value == filter }
            guard all.count != names.count else { continue }
            reading.unsupported(
                "typed_per_filter_config", "a change of \(names.count) of \(all.count) \(filter) filters")
        }
        for filter in reading.idle.sorted() where filters[filter] == nil { filters[filter] = .word("off") }
        if !policies.isEmpty { filters["lua"] = .section(policies) }
        route.put("filters", filters)
    }

    /// Nil: it changes nothing, or cannot be said, which has been reported.
    private func change(_ name: String, _ any: Google_Protobuf_Any, _ reading: ResourceReading) -> Change? {
        let field = "typed_per_filter_config \(name)"
        let filter = reading.chain[name]
        guard any.isA(FilterConfig.self) else { return settings(name, any, reading) }
        guard let config = reading.unpack(any, as: FilterConfig.self, in: field) else { return nil }
        guard config.disabled else {
            guard config.hasConfig, !config.config.typeURL.isEmpty, !config.config.isA(FilterConfig.self) else {
                reading.unsupported(field, "a FilterConfig that disables nothing")
                return nil
            }
            return settings(name, config.config, reading)
        }
        if config.hasConfig, config.config.isA(FilterMessage.self) {
            guard let inner = reading.unpack(config.config, as: FilterMessage.self, in: field) else { return nil }
            return Change(filter: inner.name, policy: inner.policy, settings: .word("off"), isOwn: true)
        }
        // Without a chain nobody knows better than the name.
        guard filter != nil || reading.chain.isEmpty else { return absent(name, reading) }
        return Change(filter: filter ?? name, settings: .word("off"))
    }

    private func settings(_ name: String, _ any: Google_Protobuf_Any, _ reading: ResourceReading) -> Change? {
        let field = "typed_per_filter_config \(name)"
        guard let filter = EnvoyFilters.filter(ofChange: any) else {
            guard let own = reading.unpack(any, as: FilterMessage.self, in: field) else { return nil }
            for name in own.files { reading.findings.add(name, reading) }
            return Change(filter: own.name, policy: own.policy, settings: Document(own.settings), isOwn: true)
        }
        if !reading.chain.isEmpty, reading.chain[name] != filter {
            if reading.chain[name] == nil { return absent(name, reading) }
            reading.unsupported(field, "\(any.shortName) for another filter")
            return nil
        }
        return EnvoyFilters.change(of: any, reading, in: field).map { Change(filter: filter, settings: $0) }
    }

    private func absent(_ name: String, _ reading: ResourceReading) -> Change? {
        reading.warning("typed_per_filter_config \(name): the chain has no filter of this name; it is ignored")
        return nil
    }
}
