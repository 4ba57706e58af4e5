import MartletConfig
import MartletCore
import MartletFilter
import MartletHTTP
import Testing

@Suite("Finding a route")
struct RouteIndexTests {
    static func index(_ routes: String) throws -> RouteIndex {
        let text = """
            listeners:
              - name: l
                address: 127.0.0.1:0
                filters: [router]
                routes:
            \(routes)
            clusters: [{ name: c, endpoints: ["127.0.0.1:1"] }]
            """
        let diagnostics = ConfigDiagnostics()
        let config = try #require(
            ProxyConfig.parse(text: text, file: "t.yaml", filters: ["router"], diagnostics: diagnostics),
            "\(diagnostics.errors)")
        return try #require(
            RouteIndex.build(
                config.listeners[0], clusterIndex: { _ in 0 }, overrides: [], diagnostics: diagnostics),
            "\(diagnostics.errors)")
    }

    static func request(_ method: String, _ host: String, _ target: String, _ fields: [(String, String)] = [])
        -> RequestHead
    {
        let head = RequestHead()
        head.setMethod(method.utf8Span.span)
        head.setTarget(target.utf8Span.span)
        head.setAuthority(host.utf8Span.span)
        for (name, value) in fields { head.headers.append(named: name.utf8Span.span, value.utf8Span.span) }
        return head
    }

    @Test("A route may ask for the client's certificate")
    func certificates() throws {
        let index = try Self.index(
            """
                  - { match: { tls: { validated: true } }, cluster: c }
                  - { match: { path: { prefix: /a }, tls: { presented: true, validated: false } }, cluster: c }
                  - { match: { path: { prefix: /a }, tls: { presented: false } }, cluster: c }
            """)
        func position(_ path: String, _ certificate: RequestHead.ClientCertificate) throws -> Int? {
            let request = Self.request("GET", "a", path)
            request.clientCertificate = certificate
            return try index.match(request)?.position
        }
        #expect(try position("/", .validated) == 0)
        #expect(try position("/a", .validated) == 0)
        #expect(try position("/a", .presented) == 1)
        #expect(try position("/a", .none) == 2)
        #expect(try position("/", .none) == nil)
        #expect(try position("/", .presented) == nil)
    }

    @Test("First match in order wins, over hosts, paths and conditions")
    func table() throws {
        let index = try Self.index(
            """
                  - { match: { hosts: [shop.example.com, "*.shop.example.com"], path: { prefix: /api/ }, headers: [{ name: x-canary, exact: "1" }] }, cluster: c }
                  - { match: { path: { prefix: /api/ }, methods: [GET, POST], query: [{ name: beta, present: true }] }, cluster: c }
                  - { match: { path: { exact: /old } }, cluster: c }
                  - { match: { path: { regex: "^/v[0-9]+/health$" } }, cluster: c }
                  - { match: { path: { path_separated_prefix: /seg } }, cluster: c }
                  - { match: { path: { prefix: /Case }, case_sensitive: false }, cluster: c }
                  - { match: { hosts: ["www.*"], path: { prefix: / } }, cluster: c }
                  - { match: { path: { prefix: /api }, headers: [{ name: x-no, present: true, invert: true }] }, cluster: c }
            """)
        func position(_ request: RequestHead) throws -> Int? { try index.match(request)?.position }
        #expect(try position(Self.request("GET", "shop.example.com:8080", "/api/x", [("X-Canary", "1")])) == 0)
        #expect(try position(Self.request("GET", "A.SHOP.example.com", "/api/x", [("x-canary", "1")])) == 0)
        #expect(try position(Self.request("GET", "shop.example.com", "/api/x?beta=1")) == 1)
        #expect(try position(Self.request("GET", "a", "/api/x?alpha&beta")) == 1)
        #expect(try position(Self.request("PUT", "a", "/api/x?beta")) == 7)
        #expect(try position(Self.request("PUT", "a", "/api/x?beta", [("X-No", "")])) == nil)
        #expect(try position(Self.request("GET", "a", "/old?x")) == 2)
        #expect(try position(Self.request("GET", "a", "/older")) == nil)
        #expect(try position(Self.request("GET", "a", "/v12/health")) == 3)
        #expect(try position(Self.request("GET", "a", "/v12/healthy")) == nil)
        #expect(try position(Self.request("GET", "a", "/seg")) == 4)
        #expect(try position(Self.request("GET", "a", "/seg/x")) == 4)
        #expect(try position(Self.request("GET", "a", "/segment")) == nil)
        #expect(try position(Self.request("GET", "a", "/cASEd")) == 5)
        #expect(try position(Self.request("GET", "www.any", "/zzz")) == 6)
        #expect(try position(Self.request("GET", "www.any", "/old")) == 2)
    }

    @Test(
        "Of several fields of a name each is looked at by itself: none hides another",
        arguments: [
            ("exact: admin", false, ["user", "admin"], true), ("exact: admin", false, ["admin", "user"], true),
            ("exact: admin", false, ["user", "guest"], false),
            ("exact: \"user,admin\"", false, ["user", "admin"], false),
            ("exact: admin", true, ["user", "admin"], false), ("exact: admin", true, ["user", "guest"], true),
            ("regex: \"[a-z]+-[0-9]\"", false, ["gold", "gold-1"], true), ("suffix: -1", false, ["gold-1", "x"], true),
            ("present: false", false, ["a", "b"], false), ("present: true", true, ["a", "b"], false),
        ] as [(String, Bool, [String], Bool)])
    func severalFields(test: String, isInverted: Bool, values: [String], matches: Bool) throws {
        let index = try Self.index(
            "      - { match: { headers: [{ name: x-role, \(test), invert: \(isInverted) }] }, cluster: c }")
        let request = Self.request("GET", "a", "/", values.map { ("X-Role", $0) })
        #expect((try index.match(request) != nil) == matches)
    }

    @Test("What an expression matches may be replaced by nothing")
    func emptyReplacement() throws {
        let index = try Self.index(
            "      - { match: {}, cluster: c, rewrite: { regex: ^/api, to: \"\" } }")
        #expect(try index.match(Self.request("GET", "a", "/api/x")) != nil)
    }

    @Test("Hundreds of generated tables, beside a matcher that tries every route in turn")
    func differential() throws {
        var random = Generator(state: 99)
        let hosts = ["a.com", "b.com", "x.a.com", "*.a.com", "*.com", "a.*", "x.*", "*"]
        let paths = ["/", "/a", "/a/", "/a/b", "/ab", "/a/b/c", "/b", "/A"]
        for _ in 0..<300 {
            var rows: [(host: String?, kind: String, path: String, method: String?)] = []
            for _ in 0..<(1 + random.next(12)) {
                rows.append(
                    (
                        random.next(3) == 0 ? nil : hosts[random.next(hosts.count)],
                        ["exact", "prefix", "path_separated_prefix"][random.next(3)], paths[random.next(paths.count)],
                        random.next(4) == 0 ? "POST" : nil
                    ))
                let row = rows.count - 1
                // The configuration wants it without the slash.
                if rows[row].kind == "path_separated_prefix", rows[row].path == "/a/" { rows[row].path = "/a" }
            }
            let index = try Self.index(
                rows.map { row in
                    let host = row.host.map { "hosts: [\"\($0)\"], " } ?? ""
                    let method = row.method.map { ", methods: [\($0)]" } ?? ""
                    return "      - { match: { \(host)path: { \(row.kind): \"\(row.path)\" }\(method) }, cluster: c }"
                }.joined(separator: "\n"))
            for _ in 0..<30 {
                let host = ["a.com", "b.com", "x.a.com", "y.x.a.com", "x.org", "A.COM"][random.next(6)]
                let path = ["/", "/a", "/a/", "/a/b", "/ab", "/a/b/c/d", "/b/c", "/A", "/zz"][random.next(9)]
                let method = ["GET", "POST"][random.next(2)]
                let expected = rows.firstIndex { row in
                    (row.host.map { Self.hostMatches($0, host.lowercased()) } ?? true)
                        && Self.pathMatches(row.kind, row.path, path) && (row.method ?? method) == method
                }
                #expect(
                    try index.match(Self.request(method, host, path))?.position == expected,
                    "\(method) \(host) \(path) in \(rows)")
            }
        }
    }

    private static func hostMatches(_ pattern: String, _ host: String) -> Bool {
        if pattern == "*" { return true }
        if pattern.hasPrefix("*.") { return host.hasSuffix(pattern.dropFirst()) && host.count > pattern.count - 1 }
        if pattern.hasSuffix(".*") { return host.hasPrefix(pattern.dropLast()) && host.count > pattern.count - 1 }
        return pattern == host
    }

    private static func pathMatches(_ kind: String, _ pattern: String, _ path: String) -> Bool {
        switch kind {
        case "exact": return path == pattern
        case "prefix": return path.hasPrefix(pattern)
        default:
            var prefix = pattern
            if prefix.count > 1 && prefix.hasSuffix("/") { prefix.removeLast() }
            return prefix == "/" || path == prefix || path.hasPrefix(prefix + "/")
        }
    }

    struct Generator {
        var state: UInt64
        mutating func next(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int((state >> 33) % UInt64(bound))
        }
    }
}
