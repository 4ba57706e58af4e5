internal import Foundation
internal import MartletConfig
internal import MartletXDS
internal import MartletXDSMessages
internal import SwiftProtobuf
internal import Testing

@Suite("Filters that Envoy has as well")
struct EnvoyFilterTests {
    /// A message of Envoy's, and the settings that it comes to.
    static let read: [(String, String, String)] =
        FaultCases.read + RBACCases.read + JWTCases.read + ExtAuthzCases.read + RateLimitCases.read + HeaderCases.read
        + BodyCases.read + CodingCases.read + CredentialCases.read

    @Test("Envoy's messages are settings", arguments: read)
    func reading(type: String, fields: String, wanted: String) throws {
        let foreign = try ForeignFilters([("one", ForeignFilters.any(type, fields))])
        #expect(foreign.errors == [])
        #expect(foreign.chain == [wanted])
    }

    /// A message, and the error that names what of it Martlet has no words for.
    static let refused: [(String, String, String)] =
        FaultCases.refused + RBACCases.refused + JWTCases.refused + ExtAuthzCases.refused + RateLimitCases.refused
        + HeaderCases.refused + CodingCases.refused + CredentialCases.refused

    @Test("What Martlet has no words for is refused by name", arguments: refused)
    func refusing(type: String, fields: String, wanted: String) throws {
        let foreign = try ForeignFilters([("one", ForeignFilters.any(type, fields))])
        #expect(foreign.errors.contains { $0.contains(wanted) }, "\(foreign.errors)")
    }

    /// Settings, and whether they travel in Envoy's words.
    static let written: [(String, Bool)] =
        FaultCases.written + RBACCases.written + JWTCases.written + ExtAuthzCases.written + RateLimitCases.written
        + HeaderCases.written + BodyCases.written + CodingCases.written + CredentialCases.written

    @Test("Settings travel in Envoy's words where those say all of it, and come back the same", arguments: written)
    func writing(settings: String, isEnvoys: Bool) throws {
        let trip = try Self.trip([settings])
        let filter = try #require(trip.resources.chains.first?.first)
        #expect(filter.typedConfig.isA(Martlet_Config_V1_Filter.self) != isEnvoys, "\(filter.typedConfig.typeURL)")
        #expect(trip.errors == [])
        #expect(trip.after.json == trip.expected.json)
    }

    static func trip(_ filters: [String], route: String = "{}", extra: String = "") throws -> RoundTrip {
        let text = """
            listeners:
            - name: a
              address: "127.0.0.1:80"
              filters: [\(filters.map { "{ \($0) }" }.joined(separator: ", ")), router]
              routes: [{ match: {}, respond: { status: 200 }, filters: \(route) }]
            """
        return try RoundTrip(try .read(text + extra), files: [:])
    }

    // MARK: Routes

    private static let fault = ("fault", ForeignFilters.any("fault.v3.HTTPFault"))
    private static func abort(_ status: Int) -> String {
        ForeignFilters.any("fault.v3.HTTPFault", "abort: { http_status: \(status), percentage: { numerator: 100 } }")
    }
    private static func inner(_ any: String) -> String {
        ForeignFilters.any("envoy.config.route.v3.FilterConfig", "config: \(any)")
    }
    private static let off = ForeignFilters.any("envoy.config.route.v3.FilterConfig", "disabled: true")
    private static func changed(_ status: Int) -> [String] {
        ["fault: { abort: { status: \(status), percent: 100% }, max_active: 10000000 }"]
    }

    @Test("A route's change counts, and otherwise that of its host")
    func routes() throws {
        let host = try ForeignFilters([Self.fault], host: [("fault", Self.abort(500))])
        #expect(host.errors == [] && host.changes == Self.changed(500))
        let both = try ForeignFilters(
            [Self.fault], host: [("fault", Self.abort(500))], route: [("fault", Self.inner(Self.abort(501)))])
        #expect(both.errors == [] && both.changes == Self.changed(501))
        let off = try ForeignFilters([("x", Self.fault.1)], route: [("x", Self.off)])
        #expect(off.errors == [] && off.changes == ["fault: off"])
        let open = try ForeignFilters(
            [("x", ForeignFilters.any("rbac.v3.RBAC", "rules: {}"))],
            route: [("x", ForeignFilters.any("rbac.v3.RBACPerRoute"))])
        #expect(open.errors == [] && open.changes == ["rbac: off"])
    }

    @Test("A change that is not for all filters of a kind is refused, and one for none is told of")
    func severalFilters() throws {
        let chain = [("one", Self.fault.1), ("two", Self.fault.1)]
        let all = try ForeignFilters(chain, route: [("one", Self.off), ("two", Self.off)])
        #expect(all.errors == [] && all.changes == ["fault: off"])
        let some = try ForeignFilters(chain, route: [("one", Self.off)])
        #expect(some.errors == ["typed_per_filter_config: a change of 1 of 2 fault filters is not supported"])
        let unlike = try ForeignFilters(chain, route: [("one", Self.off), ("two", Self.abort(500))])
        #expect(unlike.errors == ["typed_per_filter_config two: another change of fault is not supported"])
        let none = try ForeignFilters([Self.fault], route: [("other", Self.abort(500))])
        #expect(none.errors == [] && none.changes == [])
        #expect(
            none.warnings.contains(
                "typed_per_filter_config other: the chain has no filter of this name; it is ignored"))
        let wrong = try ForeignFilters([("x", ForeignFilters.any("rbac.v3.RBAC"))], route: [("x", Self.abort(500))])
        #expect(wrong.errors.contains { $0.contains("for another filter is not supported") }, "\(wrong.errors)")
        #expect(wrong.changes == [])
    }

    @Test("A filter that waits for routes to say what is off on those that say nothing")
    func idleFilters() throws {
        let cors = ("cors", ForeignFilters.any("cors.v3.Cors"))
        let policy = ForeignFilters.any(
            "cors.v3.CorsPolicy",
            "allow_origin_string_match: [{ exact: \"https://a.example\" }, { suffix: .b.example }], allow_methods: \"GET, PUT\", max_age: \"60\", allow_credentials: true"
        )
        let said = try ForeignFilters([cors], host: [("cors", policy)])
        #expect(said.errors == [])
        #expect(
            said.changes == [
                "cors: { allow_origins: [https://a.example, regex:.*\\.b\\.example], allow_methods: [GET, PUT], max_age: 1m, allow_credentials: true }"
            ])
        #expect(try ForeignFilters([cors]).changes == ["cors: off"])
        let both = try ForeignFilters([cors], host: [("cors", policy)], route: [("cors", policy)])
        #expect(both.errors == ["typed_per_filter_config cors: one of a host beside one of its route is not supported"])
        // A star within is none of Envoy's.
        let star = ForeignFilters.any("cors.v3.CorsPolicy", "allow_origin_string_match: [{ exact: \"https://*.a\" }]")
        let wide = try ForeignFilters([cors], route: [("cors", star)])
        #expect(wide.errors.contains { $0.contains("\"https://*.a\" is not supported") }, "\(wide.errors)")
        let limit = ForeignFilters.any("local_ratelimit.v3.LocalRateLimit", "stat_prefix: a")
        let bucket = "token_bucket: { max_tokens: 1, fill_interval: 1s }"
        let full =
            "filter_enabled: { default_value: { numerator: 100 } }, filter_enforced: { default_value: { numerator: 100 } }"
        let own = ForeignFilters.any("local_ratelimit.v3.LocalRateLimit", "stat_prefix: a, \(bucket), \(full)")
        #expect(try ForeignFilters([("l", limit)]).changes == ["rate_limit: off"])
        #expect(
            try ForeignFilters([("l", limit)], route: [("l", own)]).changes == [
                "rate_limit: { requests: 1, per: 1s, key: none, status: 429, mode: enforce, scope: process, missing: limit, rate_limited_as_resource_exhausted: false }"
            ])
        // One that works beside one that waits: off would be both.
        let mixed = try ForeignFilters([("l", limit), ("m", own)])
        #expect(mixed.errors == [] && mixed.changes == [])
    }

    @Test("A filter is off in Envoy's words only if nothing of it is left in Martlet")
    func off() throws {
        let keys = "issuer: x, audiences: s, jwks: { inline: K }"
        for (settings, isEnvoys) in [
            ("jwt: { \(keys) }", true), ("jwt: { \(keys), claim_to_headers: { x-u: sub } }", false),
            ("buffer: { max_request_bytes: 1MiB }", true),
            ("ext_authz: { cluster: a, upstream_headers: [x-u] }", false),
        ] {
            let name = String(settings.prefix { $0 != ":" })
            let trip = try Self.trip([settings], route: "{ \(name): off }")
            #expect(trip.errors == [] && trip.after.json == trip.expected.json)
            let change = try #require(trip.resources.changes.first?.1)
            let config = try Envoy_Config_Route_V3_FilterConfig(unpackingAny: change)
            #expect(config.disabled && config.hasConfig != isEnvoys, "\(settings)")
        }
    }

    @Test("What routes change travels in Envoy's words where their filters do")
    func changesWritten() throws {
        let fault = "fault: { abort: { status: 503, percent: 1% } }"
        let once = try Self.trip([fault], route: "{ fault: { abort: { status: 500, percent: 50% } } }")
        #expect(once.after.json == once.expected.json)
        #expect(once.resources.changes.map(\.0) == ["fault"])
        #expect(once.resources.changes.allSatisfy { $0.1.typeURL.hasSuffix(".HTTPFault") })
        let twice = try Self.trip([fault, fault], route: "{ fault: off }")
        #expect(twice.after.json == twice.expected.json)
        #expect(twice.resources.changes.map(\.0) == ["fault", "fault.2"])
        // Who does not know the filter must not run the chain without it: Martlet's word stays beside the route's.
        let own = try Self.trip(["fault: { abort: { percent: 1% }, from_headers: true }"], route: "{ fault: off }")
        #expect(own.after.json == own.expected.json && own.resources.changes.map(\.0) == ["fault"])
    }

    @Test("A limit that comes to several routes is refused, for it would be several limits")
    func sharedLimits() throws {
        let limit = ForeignFilters.any(
            "local_ratelimit.v3.LocalRateLimit", "stat_prefix: a, token_bucket: { max_tokens: 1, fill_interval: 1s }")
        let chain = [("l", ForeignFilters.any("local_ratelimit.v3.LocalRateLimit", "stat_prefix: a"))]
        #expect(try ForeignFilters(chain, host: [("l", limit)]).errors == [])
        #expect(
            try ForeignFilters(chain, host: [("l", limit)], more: [[]]).errors == [
                "typed_per_filter_config l, of virtual host \"all\": one LocalRateLimit for 2 routes is not supported"
            ])
        #expect(try ForeignFilters(chain, host: [("l", Self.inner(limit))], more: [[]]).errors.count == 1)
        // The other route says something of its own.
        for own in [limit, Self.off] {
            #expect(try ForeignFilters(chain, host: [("l", limit)], more: [[("l", own)]]).errors == [])
        }
        #expect(
            try ForeignFilters(chain, table: [("l", limit)], more: [[]]).errors == [
                "typed_per_filter_config l, of route table: one LocalRateLimit for 2 routes is not supported"
            ])
        // A route stands here once for each kind of domain.
        #expect(
            try ForeignFilters(chain, route: [("l", limit)], domains: "[a.example, \"*.a.example\"]").errors == [
                "typed_per_filter_config l, of route 1 of virtual host \"all\": one LocalRateLimit for 2 routes is not supported"
            ])
        #expect(try ForeignFilters(chain, route: [("l", limit)], domains: "[a.example, b.example]").errors == [])
    }

    @Test("What is not done as in Envoy is told of")
    func told() throws {
        for (type, fields, warning) in [
            (
                "fault.v3.HTTPFault", "delay: { header_delay: {}, percentage: { numerator: 100 } }",
                "here only trusted proxies may ask for a fault by a header"
            ),
            (
                "fault.v3.HTTPFault", "abort: { header_abort: {}, percentage: { numerator: 100 } }",
                "here only trusted proxies may ask for a fault by a header"
            ),
            (
                "rbac.v3.RBAC",
                "shadow_rules: { action: LOG, policies: { a: { permissions: [{ any: true }], principals: [{ any: true }] } } }",
                "shadow_rules: with the action LOG they are ignored"
            ),
        ] {
            let foreign = try ForeignFilters([("one", ForeignFilters.any(type, fields))])
            #expect(foreign.errors == [])
            #expect(foreign.warnings.contains { $0.contains(warning) }, "\(foreign.warnings)")
        }
    }

    @Test("Routes have inverted tests again that Envoy's fields cannot hold")
    func invertedRoutes() throws {
        let tests =
            #"{ name: a, exact: "", invert: true }, { name: b, regex: "x*", invert: true }, { name: c, exact: d, invert: true }"#
        let text = """
            listeners:
            - name: a
              address: "127.0.0.1:80"
              filters: [router]
              routes: [{ match: { headers: [\(tests)] }, respond: { status: 200 } }]
            """
        let trip = try RoundTrip(try .read(text), files: [:])
        #expect(trip.errors == [])
        #expect(trip.after.json == trip.before.json)
    }

    // MARK: Bytes

    @Test("Of two entries whose keys Swift holds equal none is lost in silence")
    func equalKeys() throws {
        let policy = Envoy_Config_Rbac_V3_Policy.with {
            $0.permissions = [.with { $0.any = true }]
            $0.principals = [.with { $0.any = true }]
        }
        // The sign for kelvin is a K of another number.
        for keys in [["\u{E9}", "e\u{301}"], ["K", "\u{212A}"], ["a", "a"]] {
            var filter = Envoy_Extensions_Filters_Http_Rbac_V3_RBAC()
            filter.rules.action = .deny
            var bytes: [UInt8] = try filter.serializedBytes()
            for key in keys {
                var one = Envoy_Extensions_Filters_Http_Rbac_V3_RBAC()
                one.rules.policies[key] = policy
                bytes += try one.serializedBytes() as [UInt8]
            }
            var foreign = try Foreign(hosts: Foreign.all())
            let any = Google_Protobuf_Any.with {
                ($0.typeURL, $0.value) = ("type.googleapis.com/\(type(of: filter).protoMessageName)", .init(bytes))
            }
            try foreign.insert(any, named: "rbac")
            let (_, errors, _) = foreign.decoded()
            #expect(
                errors.count == 1
                    && errors[0].contains("envoy.config.rbac.v3.RBAC.policies: an entry twice is not supported"),
                "\(keys): \(errors)")
        }
    }

    @Test("Nor is it within a resource")
    func equalKeysOfRoutes() throws {
        let change = try Google_Protobuf_Any(message: Envoy_Extensions_Filters_Http_Fault_V3_HTTPFault())
        let table = { (key: String) throws -> [UInt8] in
            try Envoy_Config_Route_V3_RouteConfiguration.with {
                $0.virtualHosts = [.with { $0.typedPerFilterConfig[key] = change }]
            }.serializedBytes()
        }
        let (one, other) = (try table("\u{E9}"), try table("e\u{301}"))
        // The second host's entry, in the first one.
        let host = Array(one.dropFirst(2)) + Array(other.dropFirst(2))
        for (bytes, isLost) in [(one + other, false), ([0x12] + Self.varint(host.count) + host, true)] {
            let diagnostics = ConfigDiagnostics()
            var resources = MeshResources()
            resources.add(
                .with { ($0.typeURL, $0.value) = (ResourceType.routes.typeURL, .init(bytes)) }, diagnostics: diagnostics
            )
            #expect(resources.routes.count == 1)
            #expect(
                diagnostics.errors.map(\.message)
                    == (isLost
                        ? ["envoy.config.route.v3.VirtualHost.typed_per_filter_config: an entry twice is not supported"]
                        : []))
        }
    }

    private static func varint(_ value: Int) -> [UInt8] {
        value < 0x80 ? [UInt8(value)] : [UInt8(value & 0x7F | 0x80)] + varint(value >> 7)
    }

    @Test("Fields that ours leave out are found within maps, where a condition more would be a guard less")
    func withinMaps() throws {
        var foreign = try Foreign(hosts: Foreign.all())
        // Policy.condition, an empty message.
        let policy = try Envoy_Config_Rbac_V3_Policy(serializedBytes: [0x0A, 2, 0x18, 1, 0x12, 2, 0x18, 1, 0x1A, 0])
        let filter = Envoy_Extensions_Filters_Http_Rbac_V3_RBAC.with { $0.rules.policies["a"] = policy }
        try foreign.insert(filter, named: "rbac")
        let (_, errors, _) = foreign.decoded()
        #expect(errors == ["Listener in:1:1: error: envoy.config.rbac.v3.Policy.condition is not supported"])
    }

    @Test("The same settings are the same bytes")
    func deterministic() throws {
        let rules = (0..<9).map { "{ name: r\($0), action: deny, when: { path: { prefix: /\($0) } } }" }
        let settings = "rbac: { rules: [\(rules.joined(separator: ", "))], default: allow }"
        let packed = try (0..<8).map { _ in try Self.trip([settings]).resources.packed(.listener) }
        #expect(Set(packed.map { $0.map(\.resource.value) }).count == 1)
    }
}

extension MeshResources {
    /// The filters of each listener of HTTP, but for the router.
    var chains: [[Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_HttpFilter]] {
        listeners.compactMap { listener in
            let any = listener.filterChains.first?.filters.first?.typedConfig
            let manager = any.flatMap { try? ForeignManager(unpackingAny: $0) }
            return manager.map { $0.httpFilters.filter { !$0.name.hasSuffix("router") } }
        }
    }

    /// What routes say of filters, by name.
    var changes: [(String, Google_Protobuf_Any)] {
        routes.flatMap(\.virtualHosts).flatMap(\.routes).flatMap { $0.typedPerFilterConfig.sorted { $0.key < $1.key } }
    }
}

private typealias ForeignManager = Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_HttpConnectionManager

extension Foreign {
    /// As the first filter of the chain.
    mutating func insert(_ message: some Message, named name: String) throws {
        try insert(try Google_Protobuf_Any(message: message), named: name)
    }

    mutating func insert(_ any: Google_Protobuf_Any, named name: String) throws {
        var listener = resources.listeners[0]
        var manager = try ForeignManager(unpackingAny: listener.filterChains[0].filters[0].typedConfig)
        manager.httpFilters.insert(.with { ($0.name, $0.typedConfig) = (name, any) }, at: 0)
        listener.filterChains[0].filters[0].typedConfig = try .init(message: manager)
        resources.listeners = [listener]
    }
}
