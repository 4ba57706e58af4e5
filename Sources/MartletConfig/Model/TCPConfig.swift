/// What a `protocol: tcp` listener does with a connection: bytes go to a cluster and back, whatever they say.
package struct TCPConfig: Sendable {
    /// Where a connection goes by the name that its TLS handshake asks for, which passes through untouched. The most specific
    /// pattern wins; `*` takes those that name nothing as well. Empty: names are not looked at.
    package var sni: [SNIRoute]
    /// Where it goes when no entry of `sni` takes it. Nil: it is closed.
    package var target: TCPTarget?
    /// From the connection's opening to the end of the handshake's first message, where `sni` needs it.
    package static let clientHelloTimeout = Duration.seconds(10)
    /// Endpoints dialled for one connection at most. Default 1, 1 to 100.
    package var maxConnectAttempts: Int

    /// Every cluster a connection may go to.
    package var clusters: [ClusterReference] { sni.flatMap(\.target.clusters) + (target?.clusters ?? []) }
}

/// One or several clusters for a connection.
package enum TCPTarget: Sendable {
    case cluster(ClusterReference)
    /// One of several, by weight.
    case split([WeightedCluster])

    package var clusters: [ClusterReference] {
        switch self {
        case .cluster(let cluster): [cluster]
        case .split(let parts): parts.map(\.cluster)
        }
    }
}

package struct SNIRoute: Sendable {
    /// At least one. Names with a `*` at the end are not among them.
    package var hosts: [HostPattern]
    package var target: TCPTarget
}

/// Where connections to an http listener go that are neither HTTP nor TLS.
package struct OtherProtocolConfig: Sendable {
    package var target: TCPTarget
    /// Default 1, 1 to 100.
    package var maxConnectAttempts: Int
}

extension TCPTarget {
    /// `cluster` or `split`. Nil when neither is written, and after reporting what is wrong.
    init?(_ section: ConfigSection, required: Bool) {
        section.oneOf(["cluster", "split"], required: required)
        let cluster = section.has("cluster") ? ClusterReference(required: "cluster", section) : nil
        let split = section.has("split") ? RouteAction.split(section) : nil
        for key in ["cluster", "split"] { _ = section.raw(key) }
        if let cluster {
            self = .cluster(cluster)
        } else if let split {
            self = .split(split)
        } else {
            return nil
        }
    }

    var member: (String, ConfigJSON?) {
        switch self {
        case .cluster(let cluster): ("cluster", .string(cluster.name))
        case .split(let parts): ("split", .split(parts))
        }
    }
}

extension ConfigJSON {
    static func split(_ parts: [WeightedCluster]) -> ConfigJSON {
        list(parts) { .object([("cluster", .string($0.cluster.name)), ("weight", .number($0.weight))]) }
    }
}

extension TCPConfig {
    init(_ section: ConfigSection) {
        sni = SNIRoute.list(section)
        if section.has("sni") {
            target = TCPTarget(section, required: false)
            if section.has("tls") {
                section.error(
                    at: "sni", "chooses by a handshake that passes through, and \"tls\" ends it here", hint: "keep one")
            }
        } else {
            if !section.has("cluster"), !section.has("split") {
                section.missing("cluster", hint: "a tcp listener needs \"cluster\", \"split\" or \"sni\"")
            }
            target = TCPTarget(section, required: false)
        }
        maxConnectAttempts = section.int("max_connect_attempts", default: 1, in: 1...100)
    }

    var members: [(String, ConfigJSON?)] {
        [
            (
                "sni",
                sni.isEmpty
                    ? nil : .list(sni) { .object([("hosts", .strings($0.hosts.map(\.text))), $0.target.member]) }
            ),
            target?.member ?? ("cluster", nil),
            ("max_connect_attempts", .number(maxConnectAttempts)),
        ]
    }
}

extension SNIRoute {
    fileprivate static func list(_ section: ConfigSection) -> [SNIRoute] {
        if section.raw("sni")?.items?.isEmpty == true {
            section.error(
                at: "sni", "an empty list takes no connection",
                hint: "sni: [{ hosts: [shop.example.com], cluster: shop }]")
        }
        var first: [HostPattern: Int] = [:]
        return section.sections("sni").compactMap { item in
            if !item.has("hosts") {
                item.missing("hosts", hint: "expected a list such as [shop.example.com, \"*.example.com\"]")
            }
            let node = item.raw("hosts")
            if node?.items?.isEmpty == true {
                item.error(at: "hosts", "an empty list matches nothing", hint: "write [\"*\"] for all")
            }
            var hosts: [HostPattern] = []
            for name in node?.items ?? (node.map { [$0] } ?? []) {
                guard let host = item.read(name, .serverNamePattern) else { continue }
                if let line = first[host] {
                    section.diagnostics.error(
                        at: name.place, "\"\(host.text.prefix(60))\" twice in one listener",
                        hint: "first on line \(line)")
                } else {
                    first[host] = name.mark.line
                    hosts.append(host)
                }
            }
            return TCPTarget(item, required: true).map { SNIRoute(hosts: hosts, target: $0) }
        }
    }
}

extension ConfigScalar where Value == HostPattern {
    fileprivate static var serverNamePattern: ConfigScalar {
        HostPattern.scalar.checked { pattern in
            switch pattern {
            case .prefix(let prefix):
                return Problem(
                    "\"\(prefix.prefix(60))*\" is no pattern for server names",
                    hint: "write *.example.com, or the whole name")
            case .exact(let name) where IPText.ipv4(name[...]) != nil || name.hasPrefix("["):
                return Problem(
                    "\"\(name.prefix(60))\" is an address: server names are not", hint: "choose by a listener's address"
                )
            case .exact, .suffix, .any: return nil
            }
        }
    }
}

extension OtherProtocolConfig {
    /// Nil after reporting what is wrong.
    init?(_ section: ConfigSection) {
        maxConnectAttempts = section.int("max_connect_attempts", default: 1, in: 1...100)
        guard let target = TCPTarget(section, required: true) else { return nil }
        self.target = target
    }

    var json: ConfigJSON {
        .object([target.member, ("max_connect_attempts", .number(maxConnectAttempts))])
    }
}
