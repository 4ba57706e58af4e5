internal import MartletConfig
internal import MartletXDSMessages
internal import SwiftProtobuf

typealias RouteTableMessage = Envoy_Config_Route_V3_RouteConfiguration

// A listener's `routes` to the resource of RDS and back. What Martlet has written bears the position of every route and gives
// the very list again; what others have written becomes a list that answers as theirs does.

extension RouteTableMessage {
    /// - Parameter name: the listener's.
    init(_ name: String, _ routes: [Document], _ chain: ChainNames, _ secrets: inout SecretWriter) {
        self.init()
        self.name = name
        // Ports are no part of a host in Martlet.
        ignorePortInHostMatching = true
        let sections = routes.map { $0.section ?? DocumentSection() }
        let messages = sections.enumerated().map { RouteMessage($1, position: $0, chain, &secrets) }
        let hosts = sections.map { $0.section("match")?.texts("hosts") ?? [] }
        virtualHosts = HostIndex(hosts).virtualHosts().map { domains, members in
            .with { host in
                host.name = domains.first ?? ""
                host.domains = domains
                host.routes = members.map { member in
                    var route = messages[member.position]
                    if let start = member.start { route.match.headers.append(.authority(beginsWith: start)) }
                    return route
                }
            }
        }
    }

    func routes(_ reading: ResourceReading) -> [Document] {
        var own: [UInt32: DocumentSection] = [:]
        var ownReading = reading
        ownReading.isOwn = true
        var foreign = 0
        for route in virtualHosts.flatMap(\.routes) {
            guard let mark = route.ownMark(reading) else {
                foreign += 1
                continue
            }
            guard own[mark.position] == nil else { continue }
            var section = route.withoutAuthority.document(ownReading)
            section.put(over: mark.rest)
            own[mark.position] = section
        }
        if own.isEmpty { return foreignRoutes(reading) }
        if foreign > 0 { reading.error("some routes have a position and \(foreign) have none") }
        return own.sorted { $0.key < $1.key }.map { .section($0.value) }
    }

    // MARK: From others

    /// Domains of one virtual host that are equally specific.
    private struct Group {
        var host: Envoy_Config_Route_V3_VirtualHost
        var domains: [String]
        /// The more specific comes first.
        var rank: (kind: Int, length: Int)
    }

    private func foreignRoutes(_ reading: ResourceReading) -> [Document] {
        var names: Set<String> = []
        var routes: [Document] = []
        let groups = groups(reading)
        checkLimits(of: groups.map(\.host), reading)
        for (index, group) in groups.enumerated() {
            for message in group.host.routes {
                let inherited = message.inheriting(group.host.typedPerFilterConfig, reading)
                var route = inherited.inheriting(typedPerFilterConfig, reading).document(reading)
                // Names are there for logs, and each counts once.
                if let name = route.text("name"), !names.insert(name).inserted { route["name"] = nil }
                routes.append(.section(route.meeting(group.domains)))
            }
            // Who has come to a virtual host goes to no other.
            if index < groups.count - 1, !(group.host.routes.last?.takesAll ?? false) {
                let refusal = DocumentSection([
                    ("match", .section(DocumentSection())), ("respond", .object(("status", .int(404)))),
                ])
                routes.append(.section(refusal.meeting(group.domains)))
            }
        }
        return routes
    }

    private func groups(_ reading: ResourceReading) -> [Group] {
        var groups: [Group] = []
        for host in virtualHosts {
            var ranked: [String: Group] = [:]
            for domain in host.domains {
                let (domain, kind) = Self.pattern(domain)
                // Exact names do not compete with each other; patterns do, by their length.
                let rank = (kind: kind, length: kind == 0 || kind == 3 ? 0 : -domain.utf8.count)
                let key = "\(rank)"
                if ranked[key]?.domains.contains(domain) ?? false { continue }
                ranked[key, default: Group(host: host, domains: [], rank: rank)].domains.append(domain)
            }
            groups += ranked.values
        }
        return groups.sorted {
            ($0.rank.kind, $0.rank.length, $0.host.name) < ($1.rank.kind, $1.rank.length, $1.host.name)
        }
    }

    /// A domain without its port, for ports are no part of a host here; and 0 for a name, 1 for `*.x`, 2 for `x.*`, 3 for `*`.
    private static func pattern(_ domain: String) -> (String, Int) {
        var domain = domain
        if let colon = domain.lastIndex(of: ":"), !domain.hasSuffix("]"),
            domain[colon...].dropFirst().allSatisfy(\.isNumber),
            domain.first == "[" || domain.firstIndex(of: ":") == colon
        {
            domain = String(domain[..<colon])
        }
        return (domain, domain == "*" ? 3 : domain.hasPrefix("*") ? 1 : domain.hasSuffix("*") ? 2 : 0)
    }
}

extension DocumentSection {
    /// The route, for these hosts alone.
    fileprivate func meeting(_ domains: [String]) -> DocumentSection {
        guard domains != ["*"] else { return self }
        var route = self
        var match = route.section("match") ?? DocumentSection()
        match["hosts"] = .texts(domains)
        route["match"] = .section(match)
        return route
    }
}

extension RouteMessage {
    fileprivate func ownMark(_ reading: ResourceReading) -> Martlet_Config_V1_Route? {
        hasMetadata ? metadata.own(Martlet_Config_V1_Route.self, reading) : nil
    }

    fileprivate var withoutAuthority: RouteMessage {
        var route = self
        route.match.headers.removeAll { $0.name == RouteMatchMessage.authority }
        return route
    }

    /// Whether nobody passes it.
    fileprivate var takesAll: Bool { match.takesAll }
}

extension RouteMatchMessage {
    var takesAll: Bool {
        let isWhole = ["", "/"].contains { pathSpecifier == .prefix($0) }
        return isWhole && headers.isEmpty && queryParameters.isEmpty && !hasTlsContext
    }
}

extension Envoy_Config_Route_V3_HeaderMatcher {
    fileprivate static func authority(beginsWith start: String) -> Self {
        .with {
            $0.name = RouteMatchMessage.authority
            $0.stringMatch.prefix = start
        }
    }
}
