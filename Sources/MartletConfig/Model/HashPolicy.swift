package import MartletCore

/// What of a request decides, with others, which endpoint of a `ring_hash` or `maglev` cluster it goes to.
package struct HashPolicy: Sendable {
    package enum Source: Sendable {
        /// The first field of that name.
        case header(HeaderName)
        case cookie(HashCookie)
        /// The client's address, trusted proxies taken off.
        case clientIP
        /// The first parameter of that name in the query, as it was sent.
        case query(String)
    }

    package var source: Source
    /// When this one has a value, those behind it are not looked at. Default false.
    package var isTerminal = false
}

/// A cookie by which clients are recognised.
package struct HashCookie: Sendable {
    package var name: String
    /// Written: a client that has no such cookie is given one for this long; 0 is until it closes. Nil: it is not given one.
    package var ttl: Duration?
    /// Where the client sends it back. Default `/`.
    package var path = "/"
}

extension HashPolicy {
    private static let kinds = ["header", "cookie", "client_ip", "query"]

    /// Reads `client_ip` and `{ header: x-user, terminal: true }`. Nil after reporting what is wrong.
    init?(_ node: ConfigNode, in section: ConfigSection) {
        if let text = node.text {
            guard text == "client_ip" else {
                section.diagnostics.error(
                    at: node.place, "\"\(text.prefix(60))\" is not a hash policy",
                    hint: "write client_ip, or { header: \(text.prefix(60)) }")
                return nil
            }
            source = .clientIP
            return
        }
        let policy = section.section(of: node)
        policy.oneOf(Self.kinds, required: true)
        for kind in Self.kinds { _ = policy.raw(kind) }
        isTerminal = policy.bool("terminal", default: false)
        if policy.has("header") {
            guard let name = policy.headerName("header") else { return nil }
            source = .header(name)
        } else if policy.has("query") {
            guard let name = policy.value("query", .name) else { return nil }
            source = .query(name)
        } else if policy.has("client_ip") {
            guard let isMeant = policy.bool("client_ip") else { return nil }
            if !isMeant { policy.error(at: "client_ip", "can only be true", hint: "remove the policy") }
            source = .clientIP
        } else {
            guard let cookie = HashCookie(policy) else { return nil }
            source = .cookie(cookie)
        }
    }
}

extension HashCookie {
    init?(_ policy: ConfigSection) {
        guard let node = policy.raw("cookie") else { return nil }
        if case .scalar = node.content {
            guard let name = policy.read(node, Self.name) else { return nil }
            self.name = name
            return
        }
        let cookie = policy.section(of: node)
        ttl = cookie.duration("ttl", in: .zero ... .seconds(400 * 86_400))
        path = cookie.value("path", Self.path) ?? path
        guard let name = cookie.value(required: "name", Self.name) else { return nil }
        self.name = name
    }

    /// RFC 6265 section 4.1.1: a token.
    private static var name: ConfigScalar<String> {
        ConfigScalar(expected: "a cookie's name") { text in
            HeaderName(text) == nil ? .failure(.init("\"\(text.prefix(60))\" is not a cookie's name")) : .success(text)
        }
    }

    private static var path: ConfigScalar<String> {
        ConfigScalar<String>.path.checked { text in
            text.contains(";") ? .init("a cookie's path holds no \";\"") : nil
        }
    }
}

extension HashPolicy {
    var json: ConfigJSON {
        var members: [(String, ConfigJSON?)] = []
        switch source {
        case .header(let name): members.append(("header", .string(name.description)))
        case .clientIP: members.append(("client_ip", .bool(true)))
        case .query(let name): members.append(("query", .string(name)))
        case .cookie(let cookie):
            members.append(
                (
                    "cookie",
                    .object([
                        ("name", .string(cookie.name)),
                        ("ttl", cookie.ttl.map { .string(ConfigText.duration($0)) }),
                        ("path", .string(cookie.path)),
                    ])
                ))
        }
        return .object(members + [("terminal", .bool(isTerminal))])
    }
}
