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
        let all = [
            ("fault", fault()), ("rbac", rbac()), ("jwt", jwt()), ("ext_authz", authz()), ("rate_limit", limit()),
            ("headers", edits()), ("buffer", buffer()), ("grpc_web", pick([.null, mapping([])])),
            ("compress", compress()),
        ]
        return all.filter { _ in chance(40) }
    }

    /// What a route changes about one of them.
    mutating func envoysChange(_ filter: String) -> Document {
        if chance(30) { return word("off") }
        switch filter {
        case "fault": return fault()
        case "rbac": return rbac()
        case "headers": return edits()
        case "buffer": return buffer()
        case "compress": return mapping([("remove_accept_encoding_header", truth())])
        case "jwt": return chance(60) ? word("off") : mapping([("require", plain("false"))])
        case "ext_authz": return mapping([("context", mapping([("x-area", word("shop"))]))])
        default: return word("off")
        }
    }

    // MARK: Others

    private mutating func jwt() -> Document {
        if chance(50) { return provider() }
        let names = some(["people", "a", "robots"], least: 1)
        return mapping(
            [("providers", mapping(names.map { ($0, provider()) }))],
            [("require", plain(pick(["any", "all", "false"]))), ("allow_missing", truth())])
    }

    private mutating func provider() -> Document {
        let keys = pick([
            mapping([("inline", text("{\"keys\":[]}"))]),
            mapping(
                [("url", text("https://id/keys")), ("cluster", word("api"))],
                [("cache", word(pick(["10m", "600s", "1h"]))), ("timeout", word("5s"))]),
        ])
        // One is what Envoy takes tokens away from.
        let headers =
            chance(70) ? [word("x-t")] : [word("x-t"), mapping([("name", word("x-s")), ("prefix", text("T "))])]
        let claims = ("claim_to_headers", mapping([("x-user", word("sub")), ("x-city", word("address.city"))]))
        let rare: [(String, Document)] = [
            ("algorithms", .list([word("RS256")])), ("max_lifetime", word("1h")), ("cache_size", plain(9)),
            ("clock_skew", word(pick(["0s", "5s"]))),
        ]
        return mapping(
            [
                ("issuer", word(pick(["any", "https://id"]))), ("audiences", oneOrMore(["shop", "all"])),
                ("jwks", keys),
            ]
                + (chance(20) ? [pick(rare)] : []) + (chance(10) ? [claims] : [])
                + (chance(20) ? [("from_params", .list([word("t")]))] : []),
            [
                ("forward", truth()), ("require_expiration", truth()), ("from_headers", .list(headers)),
                ("subjects", word("me")),
            ])
    }

    private mutating func authz() -> Document {
        let isGRPC = chance(40)
        let body = mapping([("max_bytes", word(pick(["8KiB", "8192B"])))], [("allow_partial", truth())])
        let kind: [(String, Document)] =
            isGRPC
            ? [("protocol", word("grpc"))] + (chance(30) ? [("authority", word("authz.internal"))] : [])
            : some([
                ("protocol", word("http")), ("path_prefix", text("/check")),
                ("context", mapping([("x-m", text("50%")), ("x-a", word("b"))])),
                ("client_headers", .list([word("set-cookie"), word("www-authenticate"), word("location")])),
            ])
        let rare: [(String, Document)] = [
            ("upstream_headers", .list([word("x-user-*")])), ("max_response_body", word("1KiB")),
            ("allowed_headers", .list([word("cookie")])),
        ]
        return mapping(
            [("cluster", word("api"))] + kind + (chance(15) ? [pick(rare)] : []),
            [
                ("timeout", word(pick(["200ms", "0.2s", "1s"]))), ("on_error", plain(pick(["deny", "allow"]))),
                ("status_on_error", plain(pick([403, 503]))), ("with_request_body", body),
            ])
    }

    private mutating func limit() -> Document {
        let key: [(String, Document)] =
            chance(70)
            ? [("key", oneOrMore(["none"])), ("headers", plain("off"))] : [("key", oneOrMore(["client_ip", "route"]))]
        return mapping(
            [("requests", plain(number(1...100)))] + key,
            [
                ("per", word(pick(["1s", "1000ms", "1m"]))), ("burst", plain(number(1...9))),
                ("status", plain(pick([429, 503]))), ("mode", plain(pick(["enforce", "shadow"]))),
                ("name", word("edge")),
            ])
    }

    private mutating func edits() -> Document {
        let direction = { (generator: inout MeshGenerator) -> Document in
            let value = generator.pick(["1", "", "100%%", "1", "a b", "%REQ(x-a)%"])
            return generator.mapping(
                generator.chance(15)
                    ? [("cookies", generator.mapping([("remove", .list([.scalar("a", plain: true)]))]))] : [],
                [
                    (
                        "set",
                        generator.mapping([("x-b", .scalar(value, plain: false)), ("x-a", .scalar("2", plain: false))])
                    ),
                    (
                        "add",
                        generator.mapping([("x-c", .list([.scalar("1", plain: false), .scalar("2", plain: false)]))])
                    ),
                    ("add_if_absent", generator.mapping([("x-d", .scalar("1", plain: false))])),
                    ("remove", generator.oneOrMore(["x-e", "x-f"])),
                ])
        }
        return mapping([("request", direction(&self))], [("response", direction(&self))])
    }

    private mutating func buffer() -> Document {
        mapping([("max_request_bytes", word(pick(["1MiB", "1024KiB", "8GiB"])))])
    }

    private mutating func compress() -> Document {
        let types = chance(80) ? [("content_types", oneOrMore(["text/css", "text/html", "application/json"]))] : []
        let rare: [(String, Document)] = [
            ("flush", plain(pick(["auto", "always"]))), ("max_active", plain(pick([256, 9]))),
            ("zstd", mapping([("window", word(pick(["512KiB", "1MiB"])))])),
        ]
        return mapping(
            types + (chance(20) ? [pick(rare)] : []),
            [
                ("algorithms", oneOrMore(["gzip", "br", "zstd"])),
                ("min_size", word(pick(["0B", "1024B", "1KiB", "3KiB"]))),
                ("gzip", mapping([], [("level", plain(number(1...9))), ("window", word(pick(["32KiB", "512B"])))])),
                ("br", mapping([], [("level", plain(number(0...6))), ("window", word(pick(["256KiB", "1KiB"])))])),
                ("remove_accept_encoding_header", truth()),
            ])
    }

    // MARK: fault

    private mutating func fault() -> Document {
        let kinds = some(
            [
                ("delay", mapping([("percent", share())], [("duration", word(pick(["50ms", "1.5s", "1h"])))])),
                ("abort", mapping([("percent", share())], [("status", plain(number(200...599)))])),
                (
                    "response_rate",
                    mapping([("rate", word(pick(["64KiB", "1MiB", "2MiB", "4KiB", "1500B"]))), ("percent", share())])
                ),
            ], least: 1)
        let asked = [("from_headers", truth()), ("max_header_delay", word(pick(["1h", "2s"])))]
        return mapping(
            kinds + (chance(10) ? asked : []),
            [
                ("headers", .list(some(headerTests(), least: 1))), ("max_active", plain(pick([1, 1024, 10_000_000]))),
            ])
    }

    // MARK: rbac

    private mutating func rbac() -> Document {
        let action = pick(["allow", "deny", "log"])
        let names = chance(60) ? ["admins"] : some(["admins", "ns[default]-policy[x]", "readers", "ünï"], least: 1)
        let isShadow = chance(15) && action != "log"
        let rules = names.map { name in
            // Most sets are of one action, as Envoy's are.
            let action = chance(95) ? action : pick(["allow", "deny"])
            return mapping(
                [
                    ("name", word(name)), ("action", plain(action)),
                    ("when", chance(60) ? plainCondition() : condition(depth: 0)),
                ]
                    + (isShadow ? [("shadow", plain("true"))] : []))
        }
        let isOpen = action != "allow" || isShadow
        return mapping(
            [("rules", .list(rules))] + (isOpen ? [("default", plain("allow"))] : [])
                + (isShadow && action == "allow" ? [("shadow_default", plain("deny"))] : []))
    }

    /// One that Envoy has words for.
    private mutating func plainCondition() -> Document {
        mapping(
            [("path", mapping([("prefix", text("/api/"))]))],
            [("methods", oneOrMore(["GET", "PATCH"])), ("source", source())])
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
        if chance(5) { required.append(("hosts", .list([word("*.example.com")]))) }
        guard depth < 2 else { return mapping(required, optional) }
        for key in ["and", "or"] where chance(20) {
            optional.append((key, .list((0..<number(1...3)).map { _ in condition(depth: depth + 1) })))
        }
        if chance(20) { optional.append(("not", condition(depth: depth + 1))) }
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
