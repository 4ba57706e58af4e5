internal import MartletCore

extension RouteConfig {
    var json: ConfigJSON {
        var members: [(String, ConfigJSON?)] = [("name", name.map { .string($0) }), ("match", match.json)]
        switch action {
        case .cluster(let cluster): members.append(("cluster", .string(cluster.name)))
        case .split(let parts):
            members.append(("split", .split(parts)))
        case .redirect(let redirect): members.append(("redirect", redirect.json))
        case .respond(let respond): members.append(("respond", respond.json))
        }
        if !clusters.isEmpty {
            members += [
                ("timeout", .timeout(timeout)), ("idle_timeout", idleTimeout.map { .timeout($0) }),
                ("rewrite", rewrite?.json), ("mirror", mirrors.isEmpty ? nil : .list(mirrors, \.json)),
                ("hash", hash.isEmpty ? nil : .list(hash, \.json)),
            ]
        }
        if !overrides.isEmpty {
            members.append(("filters", .object(overrides.map { ($0.filter, $0.json) })))
        }
        return .object(members)
    }
}

extension FilterOverride {
    fileprivate var json: ConfigJSON {
        switch change {
        case .off: .string("off")
        case .settings(let node): .settings(node, of: filter)
        }
    }
}

extension RouteMatch {
    var json: ConfigJSON {
        .object([
            ("hosts", hosts.isEmpty ? nil : .strings(hosts.map(\.text))),
            ("path", path?.json),
            ("case_sensitive", path == nil ? nil : .bool(isCaseSensitive)),
            ("methods", methods.isEmpty ? nil : .strings(methods)),
            (
                "headers",
                headers.isEmpty
                    ? nil
                    : .list(headers) {
                        .object([
                            ("name", .string($0.name.description)), $0.test.json, ("invert", .bool($0.isInverted)),
                        ])
                    }
            ),
            ("query", query.isEmpty ? nil : .list(query) { .object([("name", .string($0.name)), $0.test.json]) }),
            (
                "tls",
                tls.map { tls in
                    .object([
                        ("presented", tls.presented.map { .bool($0) }), ("validated", tls.validated.map { .bool($0) }),
                    ])
                }
            ),
        ])
    }
}

extension HostPattern {
    /// As it is written.
    package var text: String {
        switch self {
        case .exact(let host): host
        case .suffix(let rest): "*" + rest
        case .prefix(let start): start + "*"
        case .any: "*"
        }
    }
}

extension PathMatch {
    fileprivate var json: ConfigJSON {
        switch self {
        case .exact(let text): .object([("exact", .string(text))])
        case .prefix(let text): .object([("prefix", .string(text))])
        case .segments(let text): .object([("path_separated_prefix", .string(text))])
        case .regex(let regex): .object([("regex", .string(regex.pattern))])
        }
    }
}

extension TextMatch {
    fileprivate var json: (String, ConfigJSON?) {
        switch self {
        case .exact(let text): ("exact", .string(text))
        case .prefix(let text): ("prefix", .string(text))
        case .suffix(let text): ("suffix", .string(text))
        case .contains(let text): ("contains", .string(text))
        case .regex(let regex): ("regex", .string(regex.pattern))
        case .present(let isPresent): ("present", .bool(isPresent))
        }
    }
}

extension RedirectConfig {
    fileprivate var json: ConfigJSON {
        var members: [(String, ConfigJSON?)] = [
            ("scheme", scheme.map { .string($0) }), ("host", host.map { .string($0) }),
            ("port", port.map { .number($0) }),
        ]
        switch path {
        case .full(let text): members.append(("path", .string(text)))
        case .prefix(let text): members.append(("prefix", .string(text)))
        case .regex(let regex, let to): members += [("regex", .string(regex.pattern)), ("to", .string(to))]
        case nil: break
        }
        return .object(members + [("status", .number(status)), ("strip_query", .bool(stripQuery))])
    }
}

extension RespondConfig {
    fileprivate var json: ConfigJSON {
        .object([
            ("status", .number(status)),
            ("body", .string(body)),
            ("headers", .object(headersJSON)),
        ])
    }

    /// One member a name; several fields of one name are a list.
    private var headersJSON: [(String, ConfigJSON?)] {
        var members: [(String, ConfigJSON?)] = []
        for (name, value) in headers {
            let text = name.description
            let shown = ConfigJSON.isSecret(text) ? .redacted : ConfigJSON.string(value)
            if let last = members.last, last.0 == text {
                if case .list(let items) = last.1 {
                    members[members.count - 1].1 = .list(items + [shown])
                } else {
                    members[members.count - 1].1 = .list([last.1 ?? .null, shown])
                }
            } else {
                members.append((text, shown))
            }
        }
        return members
    }
}

extension RewriteConfig {
    fileprivate var json: ConfigJSON {
        var members: [(String, ConfigJSON?)] = []
        switch path {
        case .prefix(let text): members.append(("prefix", .string(text)))
        case .regex(let regex, let to): members += [("regex", .string(regex.pattern)), ("to", .string(to))]
        case nil: break
        }
        return .object(members + [("host", host.map { .string($0) })])
    }
}

extension MirrorConfig {
    fileprivate var json: ConfigJSON {
        .object([("cluster", .string(cluster.name)), ("percent", .string(ConfigText.percent(fraction)))])
    }
}
