internal import MartletXDS

/// Listeners, their chains and routes.
extension MeshGenerator {
    private func text(_ text: String) -> Document { .scalar(text, plain: false) }
    private func plain(_ text: String) -> Document { .scalar(text, plain: true) }
    private func plain(_ number: Int) -> Document { plain("\(number)") }
    private mutating func truth() -> Document { plain(chance(50) ? "true" : "false") }
    private mutating func cluster() -> (String, Document) {
        ("cluster", word(pick(["api", "web", "cache/blue", "db"])))
    }

    private mutating func target() -> (String, Document) {
        if chance(60) { return cluster() }
        let parts = some(["api", "web", "cache/blue", "db"], least: 1).map { name in
            mapping([("cluster", word(name))], [("weight", plain(number(1...100)))])
        }
        return ("split", .list(parts))
    }

    mutating func listener(_ index: Int) -> Document {
        let required = [
            ("name", word(pick(["edge", "in/bound", "out bound"]) + "\(index)")),
            ("address", text("127.0.0.1:\(8000 + index)")),
        ]
        return chance(30) ? tcpListener(required) : httpListener(required)
    }

    private mutating func proxyProtocol() -> Document {
        if chance(60) { return truth() }
        return mapping([], [("required", truth()), ("trusted", .list([word("10.0.0.0/8")])), ("timeout", word("2s"))])
    }

    private mutating func tls(isHTTP: Bool) -> Document {
        func pair(_ name: String) -> [(String, Document)] {
            [("certificate", text("\(name).pem")), ("private_key", text("\(name).key"))]
        }
        let staple = [("ocsp_staple", text("staple.der"))]
        var required =
            chance(50)
            ? pair("a") + (chance(30) ? staple : [])
            : [("certificates", .list(some(["a", "b"], least: 1).map { mapping(pair($0), staple) }))]
        var optional: [(String, Document)] = [
            ("min_version", text("1.2")), ("max_version", word("1.3")), ("curves", .list([word("P-384")])),
            ("alpn", .list(isHTTP ? [word(pick(["h2", "http/1.1"]))] : [word("x"), word("y")])),
            ("handshake_timeout", word("5s")), ("max_handshakes", plain(9)), ("optional", truth()),
            (
                "session_tickets",
                pick([
                    word("on"), word("off"), mapping([("rotation", word("6h"))]),
                    mapping([("keys", .list([text("t1.key")]))]),
                ])
            ),
        ]
        if chance(50) {
            required.append(("client_ca", text("ca.pem")))
            optional += [
                ("require_client_certificate", truth()), ("crl", text("crl.pem")),
                (
                    "verify_san",
                    chance(50) ? word("client.example.com") : .list([text("*.example.com"), text("spiffe://m/*")])
                ),
            ]
        }
        return mapping(required, optional)
    }

    private mutating func tcpListener(_ common: [(String, Document)]) -> Document {
        var required = common + [("protocol", word("tcp"))]
        var optional: [(String, Document)] = [
            ("proxy_protocol", proxyProtocol()), ("max_connect_attempts", plain(number(1...3))),
            (
                "limits",
                mapping(
                    [],
                    [
                        ("max_connections", plain(99)), ("idle_timeout", word(pick(["8h", "0"]))),
                        ("max_connection_duration", word(pick(["24h", "0"]))),
                    ])
            ),
        ]
        if chance(50) {
            let hosts = [["a.example.com", "*.b.example.com"], ["c.example.com"], ["*"]]
            required.append(
                (
                    "sni",
                    .list(
                        some(hosts, least: 1).map { hosts in
                            mapping([("hosts", .list(hosts.map { text($0) })), target()])
                        })
                ))
            if chance(50) { required.append(target()) }
        } else {
            required.append(target())
            optional.append(("tls", tls(isHTTP: false)))
        }
        return mapping(required, optional)
    }

    private mutating func httpListener(_ common: [(String, Document)]) -> Document {
        var filters: [Document] = some([
            mapping([
                (
                    "headers",
                    mapping([("response", mapping([("add", mapping([("x-b", text("1")), ("x-a", plain(2))]))]))])
                )
            ]),
            mapping([
                (
                    "lua",
                    mapping(
                        [("policy", text("stamp"))], [("config", mapping([("n", text("1")), ("b", plain("true"))]))])
                )
            ]),
            mapping([("rate_limit", mapping([("requests", plain(100)), ("per", word("1s"))]))]),
            mapping([("lua", mapping([("policy", text("guard"))]))]), word("cors"),
            mapping([("headers", mapping([("request", mapping([("remove", .list([word("x-i")]))]))]))]),
        ])
        for (name, settings) in envoysFilters() {
            let filter = mapping([(name, settings)])
            filters.insert(filter, at: number(0...filters.count))
            // Twice, and then a route's change is for both.
            if name != "compress", chance(20) { filters.insert(filter, at: 0) }
        }
        let names = filters.compactMap { $0 == .scalar("cors", plain: true) ? "cors" : $0.entry }
        filters.append(chance(50) ? word("router") : mapping([("router", .null)]))
        let routes = (0..<number(1...6)).map { route($0, chain: names, filters) }
        let mode = pick(["sanitize", "forward_only", "append_forward", "sanitize_set", "always_forward_only"])
        var optional: [(String, Document)] = [
            ("protocol", word("http")), ("proxy_protocol", proxyProtocol()), ("limits", limits()),
            ("use_remote_address", truth()), ("xff_num_trusted_hops", plain(number(0...2))), ("via", word("edge-1")),
            ("generate_request_id", truth()), ("preserve_external_request_id", truth()),
            ("forward_client_cert", word(mode)),
            ("upgrades", pick([word("off"), .list([word("websocket")]), .list([word("connect"), word("x")])])),
            ("normalize_path", truth()), ("merge_slashes", truth()),
            ("escaped_slashes", word(pick(["keep", "reject", "unescape"]))),
            (
                "access_log",
                mapping([("format", mapping([("json", mapping([("z", text("%PROTOCOL%")), ("a", plain(1))]))]))])
            ),
            ("other", mapping([target()], [("max_connect_attempts", plain(2))])),
        ]
        var required = common + [("filters", .list(filters)), ("routes", .list(routes))]
        if chance(30) {
            required.append(("server_header", word(pick(["overwrite", "append_if_absent"]))))
            optional.append(("server_name", word(pick(["edge", "martlet", "envoy"]))))
        }
        if mode == "sanitize_set" || mode == "append_forward" {
            required.append(("forward_client_cert", word(mode)))
            optional.removeAll { $0.0 == "forward_client_cert" }
            optional.append(
                (
                    "client_cert_details",
                    .list(some(["chain", "subject", "uri", "dns", "cert"], least: 1).map { word($0) })
                ))
        }
        if chance(40) { required.append(("tls", tls(isHTTP: true))) }
        return mapping(required, optional)
    }

    private mutating func limits() -> Document {
        mapping(
            [],
            [
                ("max_connections", plain(99)), ("request_headers", word(pick(["64KiB", "1500B"]))),
                ("header_count", plain(10)),
                ("request_headers_timeout", word(pick(["10s", "10000ms", "0", "1s"]))),
                ("idle_timeout", word(pick(["0", "1h"]))),
                ("stream_idle_timeout", word(pick(["0", "5m"]))), ("stream_buffer", word("128KiB")),
                ("filter_buffer", plain(0)),
            ])
    }

    // MARK: Routes

    private mutating func route(_ index: Int, chain: [String], _ filters: [Document]) -> Document {
        let path = pick([
            mapping([("exact", text("/a"))]), mapping([("prefix", text("/"))]), mapping([("prefix", text("/api/"))]),
            mapping([("path_separated_prefix", text(pick(["/", "/docs"])))]),
            mapping([("regex", text("/v[0-9]+/(x|y)"))]),
        ])
        let patterns = ["a.example.com", "*.example.com", "*.b.example.com", "www.*", "www.a.*", "*", "Up.example.org"]
        var match: [(String, Document)] = [
            ("hosts", chance(20) ? word("a.example.com") : .list(some(patterns, least: 1).map { text($0) })),
            ("methods", pick([word("GET"), .list([word("GET"), word("PATCH")]), .list([word("M+N")])])),
            ("headers", .list(some(headerTests(), least: 1))), ("query", .list(some(queryTests(), least: 1))),
            ("tls", mapping([("presented", plain("true"))], [("validated", truth())])),
        ]
        var required: [(String, Document)] = []
        if chance(70) {
            required.append(("path", path))
            match.append(("case_sensitive", truth()))
        }
        var route: [(String, Document)] = [("match", mapping(required, match))]
        var optional: [(String, Document)] = [("name", word("route \(index)"))]
        if let overrides = overrides(chain, filters) { optional.append(("filters", overrides)) }
        switch number(0...9) {
        case 0: route.append(("respond", response()))
        case 1: route.append(("redirect", redirect()))
        default:
            route.append(target())
            optional += [
                ("timeout", word(pick(["2s", "0", "15s"]))), ("idle_timeout", word(pick(["1s", "0"]))),
                (
                    "rewrite",
                    mapping([], [("host", word("api.internal:80"))]).orElse(mapping([("host", word("api.internal"))]))
                ),
                (
                    "mirror",
                    chance(50)
                        ? mapping([cluster()], [("percent", word(pick(["5%", "0.1%", "0.00001%"])))])
                        : .list([mapping([cluster()]), mapping([cluster()])])
                ), ("hash", .list(some(hashes(), least: 1))),
            ]
        }
        return mapping(route, optional)
    }

    mutating func headerTests() -> [Document] {
        let tests = ["exact", "prefix", "suffix", "contains", "regex"].map { kind in
            mapping([("name", word("x-\(kind)")), (kind, word("1"))], [("invert", truth())])
        }
        return tests + [mapping([("name", word("x-p"))], [("present", truth()), ("invert", truth())])]
    }

    private mutating func queryTests() -> [Document] {
        [
            mapping([("name", word("a")), ("exact", text(""))]),
            mapping([("name", word("b")), ("regex", word("[0-9]+"))]),
            mapping([("name", word("c"))], [("present", truth())]),
        ]
    }

    private mutating func hashes() -> [Document] {
        [
            word("client_ip"), mapping([("client_ip", plain("true"))], [("terminal", truth())]),
            mapping([("header", word("x-user"))], [("terminal", truth())]), mapping([("query", word("user"))]),
            mapping([("cookie", word("sid"))]),
            mapping([
                ("cookie", mapping([("name", word("sid"))], [("ttl", word(pick(["0", "1h"]))), ("path", word("/"))]))
            ]),
        ]
    }

    private mutating func response() -> Document {
        let headers = mapping(
            [("x-team", .list([text("a"), text("100%")])), ("content-type", word("text/plain"))], [("x-e", text(""))])
        return mapping([("status", plain(200))], [("body", text("ok\n")), ("headers", headers)])
    }

    private mutating func redirect() -> Document {
        mapping(
            [pick([("path", text("/new?a=b")), ("host", text("shop.example.com"))])],
            [
                ("scheme", word(pick(["http", "https"]))), ("port", plain(8443)),
                ("status", plain(pick([301, 302, 308]))),
                ("strip_query", truth()),
            ])
    }

    private mutating func overrides(_ chain: [String], _ filters: [Document]) -> Document? {
        var changes: [(String, Document)] = []
        if chain.contains("headers") {
            changes.append(
                (
                    "headers",
                    chance(50) ? word("off") : mapping([("request", mapping([("remove", .list([word("y")]))]))])
                ))
        }
        for name in ["fault", "rbac", "jwt", "ext_authz", "buffer", "rate_limit", "grpc_web", "compress"]
        where chain.contains(name) && chance(50) {
            changes.append((name, envoysChange(name)))
        }
        if chain.contains("cors") { changes.append(("cors", word("off"))) }
        let policies = filters.compactMap(\.policy)
        if !policies.isEmpty {
            let settings = some(policies, least: 1).map { name in
                (name, chance(50) ? plain("off") : mapping([("config", mapping([("z", text("9")), ("a", plain(9))]))]))
            }
            changes.append(("lua", chance(20) ? word("off") : mapping(settings)))
        }
        return changes.isEmpty ? nil : mapping(changes)
    }
}

extension Document {
    /// The key of a mapping with one.
    fileprivate var entry: String? {
        if case .section(let section) = self { return section.entries.first?.key }
        return nil
    }

    fileprivate var policy: String? {
        guard case .section(let section) = self, case .section(let settings)? = section["lua"],
            case .scalar(let name, _)? = settings["policy"]
        else { return nil }
        return name
    }

    /// The other one when there is nothing in this.
    fileprivate func orElse(_ other: Document) -> Document {
        if case .section(let section) = self, section.isEmpty { return other }
        return self
    }
}
