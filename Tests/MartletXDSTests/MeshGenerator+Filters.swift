internal import MartletXDS

/// Settings of filters that Envoy has as well: some that it has words for, and some that it has none for.
extension MeshGenerator {
    private func text(_ text: String) -> Document { .scalar(text, plain: false) }
    private func plain(_ text: String) -> Document { .scalar(text, plain: true) }
    private func plain(_ number: Int) -> Document { plain("\(number)") }
    private mutating func truth() -> Document { plain(chance(50) ? "true" : "false") }
    private mutating func share() -> Document { word(pick(["0%", "1%", "33.5%", "100%", "0.1%", "50%", "0.00001%"])) }
    private mutating func oneOrMore(_ items: [String]) -> Document {
        chance(30) ? word(items[0]) : .list(some(items, least: 1).map { word($0) })
    }

    /// By name, for a chain.
    mutating func envoysFilters() -> [(String, Document)] {
        [("fault", fault()), ("rbac", rbac())].filter { _ in chance(50) }
    }

    /// What a route changes about one of them.
    mutating func envoysChange(_ filter: String) -> Document {
        if chance(30) { return word("off") }
        switch filter {
        case "fault": return fault()
        default: return rbac()
        }
    }

    // MARK: fault

    private mutating func fault() -> Document {
        let kinds = some(
            [
                ("delay", mapping([("percent", share())], [("duration", word(pick(["50ms", "1.5s", "1h"])))])),
                ("abort", mapping([("percent", share())], [("status", plain(number(200...599)))])),
                ("response_rate", mapping([("rate", word(pick(["64KiB", "1MiB", "1500B"]))), ("percent", share())])),
            ], least: 1)
        let asked = [("from_headers", truth()), ("max_header_delay", word(pick(["1h", "2s"])))]
        return mapping(
            kinds + (chance(20) ? asked : []),
            [
                ("headers", .list(some(headerTests(), least: 1))), ("max_active", plain(pick([1, 1024, 10_000_000]))),
            ])
    }

    // MARK: rbac

    private mutating func rbac() -> Document {
        let action = pick(["allow", "deny", "log"])
        let names = some(["admins", "ns[default]-policy[x]", "readers", "ünï"], least: 1)
        let isShadow = chance(15) && action != "log"
        let rules = names.map { name in
            // Most sets are of one action, as Envoy's are.
            let action = chance(95) ? action : pick(["allow", "deny"])
            return mapping(
                [("name", word(name)), ("action", plain(action)), ("when", condition(depth: 0))]
                    + (isShadow ? [("shadow", plain("true"))] : []))
        }
        let isOpen = action != "allow" || isShadow
        return mapping(
            [("rules", .list(rules))] + (isOpen ? [("default", plain("allow"))] : [])
                + (isShadow && action == "allow" ? [("shadow_default", plain("deny"))] : []))
    }

    private mutating func condition(depth: Int) -> Document {
        let path = pick([
            mapping([("exact", text("/a"))]), mapping([("prefix", text("/api/"))]),
            mapping([("regex", text("/v[0-9]+"))]),
            mapping([("path_separated_prefix", text("/docs"))]),
        ])
        var optional: [(String, Document)] = [
            ("methods", oneOrMore(["GET", "PATCH"])), ("source", source()), ("principal", principal()),
        ]
        var required: [(String, Document)] = []
        if chance(50) {
            required.append(("path", path))
            if chance(20) { required.append(("case_sensitive", truth())) }
        }
        if chance(20) { required.append(("headers", .list(some(headerTests(), least: 1)))) }
        if chance(10) { required.append(("hosts", .list([word("*.example.com")]))) }
        guard depth < 2 else { return mapping(required, optional) }
        for key in ["and", "or"] where chance(30) {
            optional.append((key, .list((0..<number(1...3)).map { _ in condition(depth: depth + 1) })))
        }
        if chance(30) { optional.append(("not", condition(depth: depth + 1))) }
        return mapping(required, optional)
    }

    private mutating func source() -> Document {
        let prefixes = ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "192.0.2.7/32"]
        return pick([
            mapping([("client", oneOrMore(prefixes))]), mapping([("direct", oneOrMore(prefixes))]),
            mapping([("client", oneOrMore(prefixes)), ("direct", oneOrMore(prefixes))]),
        ])
    }

    private mutating func principal() -> Document {
        pick([
            mapping([("tls", mapping([]))]), mapping([("tls", mapping([("name", word("spiffe://mesh/sa/a"))]))]),
            mapping([("tls", mapping([("name", mapping([("prefix", word("spiffe://mesh/"))]))]))]),
            mapping([("tls", mapping([("name", .list([word("a"), word("b")]))]))]),
            mapping([("jwt_claim", mapping([("role", word("admin"))]))]),
        ])
    }
}
