internal import MartletConfig
internal import MartletCore
internal import Testing

private let smallest = """
    listeners:
    - name: public
      address: 0.0.0.0:8080
      filters: [router]
      routes: [{ match: {}, cluster: api }]
    clusters:
    - name: api
      endpoints: ["10.0.0.1:80"]
    """

@Suite struct ProxyConfigTests {
    @Test func defaultsAreSafe() throws {
        let config = try #require(Decoded(smallest).config)
        #expect(config.admin == nil)
        #expect(config.workers == nil)
        #expect(config.drain.deadline == .seconds(30))
        #expect(config.accessLogs.isEmpty)
        let listener = try #require(config.listeners.first)
        #expect(listener.limits.maxConnections == 10_000)
        #expect(listener.limits.requestHeaders == .kibibytes(64))
        #expect(listener.limits.headerCount == 100)
        #expect(listener.limits.requestHeadersTimeout == .seconds(10))
        #expect(listener.limits.idleTimeout == .seconds(3600))
        #expect(listener.limits.streamIdleTimeout == .seconds(300))
        #expect(listener.forwarding.useRemoteAddress)
        #expect(listener.forwarding.trustedHops == 0)
        #expect(listener.forwarding.via == nil)
        #expect(listener.forwarding.generateRequestID)
        #expect(!listener.forwarding.preserveExternalRequestID)
        #expect(listener.upgrades == ["websocket"])
        #expect(!listener.allowsConnect)
        #expect(listener.path.normalize)
        #expect(listener.path.mergeSlashes)
        #expect(listener.path.escapedSlashes == .keep)
        let route = try #require(listener.routes.first)
        #expect(route.timeout == .seconds(15))
        #expect(route.idleTimeout == nil)
        #expect(route.match.isCaseSensitive)
        let cluster = try #require(config.clusters.first)
        #expect(cluster.loadBalancing == .roundRobin)
        #expect(cluster.connectTimeout == .seconds(5))
        #expect(cluster.idleTimeout == .seconds(60))
        #expect(cluster.circuitBreaker.maxConnections == 1024)
        #expect(cluster.circuitBreaker.maxPendingRequests == 1024)
        #expect(cluster.circuitBreaker.maxRequests == 1024)
        #expect(cluster.circuitBreaker.maxRetries == 3)
        #expect(cluster.limits.responseHeaders == .kibibytes(64))
    }

    @Test func zeroIsNoTimeout() throws {
        let text = Around.listener(
            """
            limits: { idle_timeout: 0, stream_idle_timeout: 0, request_headers_timeout: 0 }
            filters: [router]
            routes: [{ match: {}, cluster: api, timeout: 0, idle_timeout: 0 }]
            """)
        let listener = try #require(Decoded(text).config?.listeners.first)
        #expect(listener.limits.idleTimeout == nil)
        #expect(listener.limits.streamIdleTimeout == nil)
        #expect(listener.limits.requestHeadersTimeout == nil)
        #expect(listener.routes.first?.timeout == .none)
        #expect(listener.routes.first?.idleTimeout == .some(.zero))
    }

    @Test(
        arguments: [
            ("upgrades: off", []), ("upgrades: [connect, websocket]", ["websocket"]), ("upgrades: []", []),
            ("upgrades: [WebSocket, custom]", ["websocket", "custom"]),
        ] as [(String, [String])])
    func upgradesAreWhatIsListed(_ line: String, _ names: [String]) throws {
        let text = Around.listener("\(line)\nfilters: [router]\nroutes: [{ match: {}, cluster: api }]")
        let listener = try #require(Decoded(text).config?.listeners.first)
        #expect(listener.upgrades == names)
        #expect(listener.allowsConnect == line.contains("connect"))
    }

    @Test func filtersHaveThreeForms() throws {
        let text = Around.listener(
            """
            filters:
            - cors:
            - headers: { request: { set: { a: b } } }
            - lua:
                policy: stamp
            - router
            routes:
            - match: {}
              cluster: api
              filters: { cors: off, headers: { a: 1 }, lua: { stamp: off } }
            """)
        let listener = try #require(Decoded(text).config?.listeners.first)
        #expect(listener.filters.map(\.name) == ["cors", "headers", "lua", "router"])
        #expect(listener.filters.map(\.node.isNull) == [true, false, false, true])
        #expect(listener.filters[2].policy == "stamp")
        #expect(listener.filters[1].place.mark.line == 6)
        let changes = try #require(listener.routes.first?.overrides)
        #expect(changes.map(\.filter) == ["cors", "headers", "lua"])
        #expect(
            changes.map {
                if case .off = $0.change { true } else { false }
            } == [true, false, false])
    }

    @Test func hostPatternsAreToldApart() throws {
        let text = Around.route(
            "- match: { hosts: [Shop.Example, '*.Example', 'www.*', '*', '[::1]'] }\n  cluster: api")
        let hosts = try #require(Decoded(text).config?.listeners.first?.routes.first?.match.hosts)
        #expect(hosts == [.exact("shop.example"), .suffix(".example"), .prefix("www."), .any, .exact("[::1]")])
    }

    @Test func textFormatsAreSplitAtTheirOperators() throws {
        let text = Around.document(
            "access_log: { path: logs/a.log, format: '%% %REQ(X-A?:PATH):10% [%PROTOCOL%]%BYTES_SENT%' }")
        let log = try #require(Decoded(text, file: "/etc/martlet/m.yaml").config?.accessLogs.first)
        guard log.path == "/etc/martlet/logs/a.log", case .text(let parts) = log.format else {
            Issue.record("\(log)")
            return
        }
        #expect(
            parts == [
                .literal("% "), .value(.request, argument: "x-a", alternative: ":path", limit: 10), .literal(" ["),
                .value(.protocol, argument: nil, alternative: nil, limit: nil), .literal("]"),
                .value(.bytesSent, argument: nil, alternative: nil, limit: nil),
            ])
    }

    @Test func theUsualTextFormatIsValid() throws {
        let config = try #require(Decoded(Around.document("access_log: { path: /dev/stdout, format: text }")).config)
        guard case .text(let parts) = config.accessLogs.first?.format else { throw Documents.Missing() }
        #expect(parts.count > 20)
    }

    @Test func anOpenAdminAPIIsWarnedOf() {
        let decoded = Decoded(Around.document("admin: { address: 0.0.0.0:9901 }"))
        #expect(decoded.config != nil)
        #expect(
            decoded.warnings == [
                "m.yaml:1:19: warning: admin.address: the admin API has no authentication and can be reached from other"
                    + " machines (write 127.0.0.1:9901)"
            ])
    }

    @Test func aMissingFileIsAnError() {
        let diagnostics = ConfigDiagnostics()
        #expect(ProxyConfig.load(file: "/none/m.yaml", filters: [], diagnostics: diagnostics) == nil)
        #expect(
            diagnostics.errors.map(\.description) == [
                "/none/m.yaml:1:1: error: cannot read the file: No such file or directory"
            ])
        _ = ProxyConfig.load(file: "/", filters: [], diagnostics: diagnostics)
        #expect(diagnostics.errors.last?.message == "cannot read the file: No such file or directory")
        #expect(diagnostics.errors.first?.message == "cannot read the file: Is a directory")
    }

    @Test func aPartIsDecodedInSpiteOfErrors() throws {
        let diagnostics = ConfigDiagnostics()
        let text = smallest + "\nworkers: none"
        let config = try #require(
            ProxyConfig.decode(bytes: Array(text.utf8), file: "m", filters: knownFilters, diagnostics: diagnostics))
        #expect(diagnostics.hasErrors)
        #expect(config.listeners.count == 1)
    }
}

@Suite struct JSONTests {
    @Test func whatIsPrintedIsWhatWasRead() throws {
        let config = try #require(Decoded(try Documents.complete()).config)
        let again = Decoded(config.json)
        #expect(again.errors == [])
        #expect(again.config?.json == config.json)
    }

    @Test func defaultsAreFilledIn() throws {
        let json = try #require(Decoded(smallest).config).json
        #expect(json.contains(#""max_connections": 10000"#))
        #expect(json.contains(#""timeout": "15s""#))
        #expect(json.contains(#""load_balancing": "round_robin""#))
    }

    @Test(arguments: [
        "headers: { request: { set: { Authorization: hunter2, x-api-key: hunter2, x-team-token: hunter2 } } }",
        "jwt: { secret: hunter2, keys: { private_key: hunter2 } }",
        "jwt: { jwks: { url: 'https://me:hunter2@id.example/jwks' } }",
        "lua: { inline: 'local p = \"hunter2\"' }",
        "jwt: { credentials: [{ a: hunter2 }, hunter2] }",
    ])
    func secretsAreNotShown(_ filter: String) throws {
        let text = Around.listener(
            """
            filters:
            - \(filter)
            - router
            routes:
            - match: {}
              respond: { status: 200, headers: { set-cookie: [hunter2, hunter2] } }
            - match: {}
              cluster: api
              filters: { \(filter.prefix { $0 != ":" }): { \(filter.hasPrefix("lua") ? "" : "password: hunter2") } }
            """)
        let config = try #require(Decoded(text).config, "\(Decoded(text).errors)")
        #expect(!config.json.contains("hunter2"))
        #expect(config.json.contains("(redacted)"))
    }

    @Test func whatIsNoSecretIsShown() throws {
        let text = Around.listener(
            """
            filters:
            - rate_limit: { requests: 5, key: client_ip }
            - router
            routes: [{ match: {}, cluster: api }]
            """)
        let json = try #require(Decoded(text).config).json
        #expect(json.contains(#""key": "client_ip""#))
        #expect(json.contains(#""requests": 5"#))
    }
}
