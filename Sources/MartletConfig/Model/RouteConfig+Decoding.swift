extension RouteConfig {
    init(_ section: ConfigSection) {
        place = section.place
        name = section.value("name", .label)
        let match = section.section("match").map { RouteMatch($0) } ?? RouteMatch()
        self.match = match
        if !section.has("match") {
            section.missing("match", hint: "for every request write match: { path: { prefix: / } }")
        }
        action = RouteAction(section)
        timeout = section.timeout("timeout", default: Self.defaultTimeout)
        hasOwnTimeout = section.has("timeout")
        idleTimeout = section.duration("idle_timeout")
        rewrite = section.section("rewrite").map { RewriteConfig($0, match: match) }
        mirrors = Self.mirrors(section)
        hash = section.list("hash").compactMap { HashPolicy($0, in: section) }
        overrides = (section.section("filters")?.allEntries() ?? []).map { FilterOverride($0) }
        checkAction(section)
        if let timeout, let idleTimeout, idleTimeout != .zero, idleTimeout > timeout, section.has("timeout") {
            section.warning(
                at: "idle_timeout",
                "never fires: it is longer than the route's timeout of \(ConfigText.duration(timeout))")
        }
    }

    /// One mirror, or a list of them.
    private static func mirrors(_ section: ConfigSection) -> [MirrorConfig] {
        guard let node = section.raw("mirror") else { return [] }
        if node.items != nil { return section.sections("mirror").compactMap { MirrorConfig($0) } }
        return MirrorConfig(section.section(of: node)).map { [$0] } ?? []
    }

    /// Keys that have no meaning for an action that asks no upstream.
    private func checkAction(_ section: ConfigSection) {
        switch action {
        case .cluster, .split: return
        case .redirect(let redirect):
            if case .prefix = redirect.path, match.prefix == nil {
                section.error(
                    at: "redirect", "\"prefix\" replaces the prefix of a match that has none",
                    hint: "use \"path\", or match by prefix")
            }
        case .respond: break
        }
        for key in ["timeout", "idle_timeout", "rewrite", "mirror", "hash"] where section.has(key) {
            section.error(at: key, "has no meaning for a route that asks no cluster", hint: "remove it")
        }
    }
}

extension MirrorConfig {
    init?(_ section: ConfigSection) {
        fraction = section.percent("percent", default: 1)
        guard let cluster = ClusterReference(required: "cluster", section) else { return nil }
        self.cluster = cluster
    }
}

extension ClusterReference {
    /// Nil after reporting that there is none.
    init?(required key: String, _ section: ConfigSection) {
        guard let name = section.value(required: key, .label) else { return nil }
        self.init(name: name, place: section.place(of: key))
    }
}

extension RewriteConfig {
    init(_ section: ConfigSection, match: RouteMatch) {
        host = section.value("host", .authority)
        if let text = section.value("prefix", .path) {
            path = .prefix(text)
            if match.prefix == nil {
                section.error(
                    at: "prefix", "replaces the prefix of a match that has none",
                    hint: "match by prefix or exact path, or rewrite with regex and to")
            }
        }
        if let (regex, to) = section.replacement(excluding: ["prefix"]) { path = .regex(regex, to: to) }
        if !["host", "prefix", "regex", "to"].contains(where: section.has) {
            section.error("a rewrite needs \"prefix\", \"regex\" or \"host\"")
        }
    }
}

extension RouteMatch {
    init() {
        hosts = []
        path = nil
        methods = []
        headers = []
        query = []
    }

    /// What a prefix rewrite replaces; nil when the match has nothing of the kind.
    var prefix: String? {
        switch path {
        case .prefix(let text), .segments(let text), .exact(let text): text
        case .regex, nil: nil
        }
    }

    package init(_ section: ConfigSection) {
        hosts = section.oneOrMore("hosts", HostPattern.scalar)
        path = Self.path(section)
        isCaseSensitive = section.bool("case_sensitive", default: true)
        methods = section.oneOrMore("methods", .method)
        headers = section.sections("headers").compactMap { HeaderMatch($0) }
        query = section.sections("query").compactMap { QueryMatch($0) }
        tls = section.section("tls").map { CertificateMatch($0) }
        if section.has("case_sensitive") && !section.has("path") {
            section.error(at: "case_sensitive", "has no meaning without \"path\"")
        }
        for (key, items) in [("hosts", hosts.isEmpty), ("methods", methods.isEmpty)]
        where items && section.raw(key)?.items?.isEmpty == true {
            section.error(at: key, "an empty list matches nothing", hint: "remove it to match all")
        }
    }
}

extension CertificateMatch {
    init(_ section: ConfigSection) {
        presented = section.bool("presented")
        validated = section.bool("validated")
        if !section.has("presented"), !section.has("validated"), !section.isMalformed {
            section.error("matches everything", hint: "write presented, validated or both")
        } else if presented == false, validated == true {
            section.error(at: "validated", "what is not presented is not validated", hint: "keep one")
        }
    }
}

extension RouteMatch {
    static func path(_ section: ConfigSection) -> PathMatch? {
        if let node = section.raw("path"), let text = node.text {
            section.error(
                at: "path", "expected how to compare the path, found \(node.kind)",
                hint: "write { prefix: \(text.prefix(60)) } or { exact: \(text.prefix(60)) }")
            return nil
        }
        return section.section("path").flatMap { PathMatch($0) }
    }
}

extension PathMatch {
    /// Nil after reporting what is wrong.
    init?(_ section: ConfigSection) {
        section.oneOf(["exact", "prefix", "path_separated_prefix", "regex"], required: true)
        if let text = section.value("exact", .path) {
            self = .exact(text)
        } else if let text = section.value("prefix", .path) {
            self = .prefix(text)
        } else if let text = section.value("path_separated_prefix", .path) {
            if text != "/" && text.hasSuffix("/") {
                section.error(
                    at: "path_separated_prefix", "must not end with a slash", hint: "write: \(text.dropLast())")
            }
            self = .segments(text)
        } else if let regex = section.regex("regex") {
            self = .regex(regex)
        } else {
            // All four are known, whichever was written.
            return nil
        }
        for key in ["exact", "prefix", "path_separated_prefix", "regex"] { _ = section.raw(key) }
    }
}

extension HeaderMatch {
    package init?(_ section: ConfigSection) {
        isInverted = section.bool("invert", default: false)
        let test = TextMatch(section, ["exact", "prefix", "suffix", "contains", "regex", "present"])
        guard let name = section.headerName(required: "name"), let test else { return nil }
        self.name = name
        self.test = test
    }
}

extension QueryMatch {
    init?(_ section: ConfigSection) {
        let test = TextMatch(section, ["exact", "regex", "present"])
        guard let name = section.value(required: "name", .name), let test else { return nil }
        self.name = name
        self.test = test
    }
}

extension TextMatch {
    /// One test of those in `kinds`; none is `present: true`.
    package init?(_ section: ConfigSection, _ kinds: [String]) {
        for kind in kinds { _ = section.raw(kind) }
        section.oneOf(kinds)
        guard let kind = kinds.first(where: section.has) else {
            self = .present(true)
            return
        }
        if kind == "present" {
            guard let isPresent = section.bool("present") else { return nil }
            self = .present(isPresent)
            return
        }
        if kind == "regex" {
            guard let regex = section.regex("regex") else { return nil }
            self = .regex(regex)
            return
        }
        guard let text = section.string(kind) else { return nil }
        if text.isEmpty && kind != "exact" {
            section.error(at: kind, "an empty text is in every value", hint: "write present: true")
            return nil
        }
        switch kind {
        case "prefix": self = .prefix(text)
        case "suffix": self = .suffix(text)
        case "contains": self = .contains(text)
        default: self = .exact(text)
        }
    }
}
