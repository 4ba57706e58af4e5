internal import MartletCore

extension RouteConfig {
    init?(_ section: ConfigSection) {
        place = section.place
        name = section.string("name")
        match = RouteMatch(section.section("match") ?? ConfigSection(ConfigNode(.null, mark: section.place.mark, path: section.place.path), diagnostics: section.diagnostics))
        if !section.has("match") { section.missing("match", hint: "match: { path: { prefix: / } } takes every request") }
        section.oneOf(["cluster", "split", "redirect", "respond"], required: true)
        timeout = section.timeout("timeout", default: Self.defaultTimeout)
        idleTimeout = section.duration("idle_timeout")
        rewrite = section.section("rewrite").flatMap { RewriteConfig($0) }
        if let node = section.raw("mirror") {
            let entries = node.items ?? [node]
            mirrors = entries.map { MirrorConfig(section.section(of: $0)) }
        } else {
            mirrors = []
        }
        if let filters = section.section("filters") {
            overrides = filters.allEntries().map { FilterOverride($0) }
        } else {
            overrides = []
        }
        guard let action = RouteAction(section) else { return nil }
        self.action = action
        switch action {
        case .cluster, .split: break
        case .redirect, .respond:
            for key in ["rewrite", "mirror", "timeout", "idle_timeout"] where section.has(key) {
                section.error(at: key, "has no effect here: the route forwards nothing", hint: "remove it")
            }
        }
    }
}

extension RouteAction {
    init?(_ section: ConfigSection) {
        if let reference = ClusterReference(section, "cluster") {
            self = .cluster(reference)
        } else if section.has("split") {
            let parts = section.sections("split").map { part in
                WeightedCluster(
                    cluster: ClusterReference(required: part), weight: part.int("weight", default: 1, in: 0...1_000_000))
            }
            if parts.reduce(0, { $0 + $1.weight }) <= 0 {
                section.error(at: "split", "the weights add up to nothing", hint: "give one cluster a weight above 0")
            }
            self = .split(parts)
        } else if let redirect = section.section("redirect") {
            self = .redirect(RedirectConfig(redirect))
        } else if let respond = section.section("respond") {
            self = .respond(RespondConfig(respond))
        } else {
            return nil
        }
    }
}

extension ClusterReference {
    init?(_ section: ConfigSection, _ key: String) {
        guard let name = section.value(key, .name) else { return nil }
        self.init(name: name, place: section.place(of: key))
    }

    init(required section: ConfigSection) {
        self.init(name: section.string(required: "cluster"), place: section.place(of: "cluster"))
    }
}

extension RedirectConfig {
    private enum Scheme: String, CaseIterable { case http, https }

    init(_ section: ConfigSection) {
        let scheme: Scheme? = section.choice("scheme")
        self.scheme = scheme?.rawValue
        host = section.value("host", .headerValue)
        port = section.int("port", in: 1...65535)
        status = section.int("status", default: 301, in: 301...308)
        if ![301, 302, 303, 307, 308].contains(status) {
            section.error(at: "status", "\(status) is not a redirect", hint: "expected 301, 302, 303, 307 or 308")
        }
        stripQuery = section.bool("strip_query", default: false)
        section.oneOf(["path", "prefix", "regex"])
        if let path = section.value("path", .headerValue) {
            self.path = .full(path)
        } else if let prefix = section.value("prefix", .headerValue) {
            path = .prefix(prefix)
        } else if let regex = section.regex("regex") {
            path = .regex(regex, to: section.string(required: "to"))
        } else {
            path = nil
        }
        if scheme == nil && host == nil && port == nil && path == nil {
            section.error("redirects to where the request came from", hint: "write path, prefix, host, scheme or port")
        }
    }
}

extension RespondConfig {
    init(_ section: ConfigSection) {
        status = section.int(required: "status", in: 200...599)
        body = section.string("body", default: "")
        if body.utf8.count > 1 << 20 { section.error(at: "body", "larger than 1 MiB") }
        headers = section.headers("headers")
    }
}

extension RewriteConfig {
    init?(_ section: ConfigSection) {
        section.oneOf(["prefix", "regex"])
        host = section.value("host", .headerValue)
        if let prefix = section.value("prefix", .headerValue) {
            path = .prefix(prefix)
            if !prefix.hasPrefix("/") { section.error(at: "prefix", "does not begin with /", hint: "write /\(prefix)") }
        } else if let regex = section.regex("regex") {
            path = .regex(regex, to: section.string(required: "to"))
        } else {
            path = nil
            if host == nil { section.error("changes nothing", hint: "write prefix, regex with to, or host") }
        }
        if section.has("to") && !section.has("regex") { section.error(at: "to", "goes with regex") }
    }
}

extension MirrorConfig {
    init(_ section: ConfigSection) {
        cluster = ClusterReference(required: section)
        fraction = section.percent("percent", default: 1)
    }
}

extension RouteMatch {
    init(_ section: ConfigSection) {
        hosts = section.oneOrMore("hosts", .host)
        isCaseSensitive = section.bool("case_sensitive", default: true)
        methods = section.oneOrMore("methods", .method)
        path = section.section("path").flatMap { PathMatch($0) }
        headers = section.sections("headers").compactMap { HeaderMatch($0) }
        query = section.sections("query").compactMap { QueryMatch($0) }
    }
}

extension PathMatch {
    init?(_ section: ConfigSection) {
        section.oneOf(["exact", "prefix", "path_separated_prefix", "regex"], required: true)
        if let exact = section.value("exact", .name) {
            Self.check(exact, "exact", section)
            self = .exact(exact)
        } else if let prefix = section.value("prefix", .name) {
            Self.check(prefix, "prefix", section)
            self = .prefix(prefix)
        } else if let segments = section.value("path_separated_prefix", .name) {
            Self.check(segments, "path_separated_prefix", section)
            self = .segments(segments.count > 1 && segments.hasSuffix("/") ? String(segments.dropLast()) : segments)
        } else if let regex = section.regex("regex") {
            self = .regex(regex)
        } else {
            return nil
        }
    }

    private static func check(_ path: String, _ key: String, _ section: ConfigSection) {
        if !path.hasPrefix("/") {
            section.error(at: key, "a path begins with /", hint: "write /\(path.prefix(60))")
        } else if path.contains("?") || path.contains("#") {
            section.error(at: key, "a path ends before ? and #", hint: "match the query with query: [...]")
        }
    }
}

extension TextMatch {
    private static let tests = ["exact", "prefix", "suffix", "contains", "regex", "present"]

    /// One of the tests that `allowed` names; nil after reporting.
    init?(_ section: ConfigSection, allowed: [String]) {
        section.oneOf(allowed, required: true)
        func text(_ key: String) -> String? { allowed.contains(key) ? section.string(key) : nil }
        if let exact = text("exact") {
            self = .exact(exact)
        } else if let prefix = text("prefix") {
            self = .prefix(prefix)
        } else if let suffix = text("suffix") {
            self = .suffix(suffix)
        } else if let part = text("contains") {
            self = .contains(part)
        } else if allowed.contains("regex"), let regex = section.regex("regex") {
            self = .regex(regex)
        } else if allowed.contains("present"), let present = section.bool("present") {
            self = .present(present)
        } else {
            return nil
        }
    }
}

extension HeaderMatch {
    init?(_ section: ConfigSection) {
        let name = section.headerName(required: "name")
        isInverted = section.bool("invert", default: false)
        guard let test = TextMatch(section, allowed: ["exact", "prefix", "suffix", "contains", "regex", "present"]),
            let name
        else { return nil }
        self.name = name
        self.test = test
    }
}

extension QueryMatch {
    init?(_ section: ConfigSection) {
        name = section.string(required: "name")
        guard let test = TextMatch(section, allowed: ["exact", "regex", "present"]) else { return nil }
        self.test = test
    }
}

extension ConfigScalar where Value == HostPattern {
    static var host: ConfigScalar {
        ConfigScalar(expected: "a host such as shop.example.com, *.example.com or *") { text in
            let lower = text.lowercased()
            if lower == "*" { return .success(.any) }
            if lower.contains(":") && !lower.hasPrefix("[") {
                return .failure(.init("\"\(text.prefix(80))\" has a port", hint: "hosts are matched without the port"))
            }
            let stars = lower.filter { $0 == "*" }.count
            let name = lower.replacingStars
            guard name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != 0x2F }), !name.isEmpty else {
                return .failure(.init("\"\(text.prefix(80))\" is not a host"))
            }
            switch stars {
            case 0: return .success(.exact(lower))
            case 1 where lower.hasPrefix("*."): return .success(.suffix(String(lower.dropFirst())))
            case 1 where lower.hasSuffix(".*"): return .success(.prefix(String(lower.dropLast())))
            default:
                return .failure(
                    .init("\"\(text.prefix(80))\" has a * in a place it cannot stand", hint: "write *.name, name.* or *"))
            }
        }
    }
}

extension ConfigScalar where Value == String {
    static var method: ConfigScalar {
        ConfigScalar(expected: "a method such as GET") { text in
            guard !text.isEmpty, text.utf8.allSatisfy(\.isTokenCharacter) else {
                return .failure(.init("\"\(text.prefix(40))\" is not a method"))
            }
            let upper = text.uppercased()
            let common = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"]
            // Methods are case-sensitive (RFC 9110 section 9.1): `get` would never match.
            guard text == upper || !common.contains(upper) else {
                return .failure(.init("\"\(text)\" never matches: methods are case-sensitive", hint: "write \(upper)"))
            }
            return .success(text)
        }
    }
}

extension String {
    fileprivate var replacingStars: String { filter { $0 != "*" } }
}
