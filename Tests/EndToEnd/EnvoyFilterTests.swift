import Foundation
import MartletTesting
import Testing

/// Filters that Envoy has as well, from one file in both.
@Suite("Martlet with the filters of Envoy's files", .serialized)
struct EnvoyFilterTests {
    /// Envoy and Martlet, each with the file and a port of its own.
    final class Both {
        private let folder: URL
        private let envoy: RealEnvoy
        private let proxy: TalkingTool
        private let ports: (envoy: UInt16, martlet: UInt16)

        /// - Parameter file: for a port.
        init(_ file: (UInt16) -> String) throws {
            folder = try PeerEnvironment.folder("filters")
            ports = (try TCPListener.freePort(), try TCPListener.freePort())
            let path = folder.appendingPathComponent("envoy.yaml")
            try file(ports.martlet).write(to: path, atomically: true, encoding: .utf8)
            envoy = try RealEnvoy(file(ports.envoy))
            proxy = try TalkingTool(Tool.martlet.path, ["run", "--workers", "1", "--envoy-config", path.path])
            for port in [ports.envoy, ports.martlet] {
                let isReady = eventually { !["refused", "nothing"].contains(Self.answer(port, "GET /", [], nil)) }
                try #require(isReady, "\(envoy.logged) \(proxy.said)")
            }
        }

        deinit { try? FileManager.default.removeItem(at: folder) }

        /// Where each answers.
        var doors: [(name: String, port: UInt16)] { [("Envoy", ports.envoy), ("Martlet", ports.martlet)] }

        /// Both answer so at once: the status, or a header's name and its value, or that it is absent.
        func expect(
            _ request: String, _ wanted: String, with headers: [String] = [], header: String? = nil,
            _ place: SourceLocation = #_sourceLocation
        ) {
            for (name, port) in doors {
                let answer = Self.answer(port, request, headers, header)
                #expect(
                    answer == wanted, "\(name) \(request) \(headers): \(answer); \(envoy.logged) \(proxy.said)",
                    sourceLocation: place)
            }
        }

        private static func answer(_ port: UInt16, _ request: String, _ headers: [String], _ header: String?) -> String
        {
            guard let socket = try? TCPSocket(port: port) else { return "refused" }
            let lines = ["\(request) HTTP/1.1", "Host: localhost", "Connection: close"] + headers
            try? socket.send(lines.joined(separator: "\r\n") + "\r\n\r\n")
            _ = socket.receiveToEnd()
            let text = String(decoding: socket.received, as: UTF8.self)
            let head = text.components(separatedBy: "\r\n\r\n").first?.components(separatedBy: "\r\n") ?? []
            guard let header else {
                return head.first?.split(separator: " ").dropFirst().first.map(String.init) ?? "nothing"
            }
            let fields = head.filter { $0.lowercased().hasPrefix(header + ":") }
            return fields.map { $0.dropFirst(header.count + 1).trimmingCharacters(in: .whitespaces) }.joined(
                separator: "|")
        }
    }

    /// - Parameter filters: name, type within the package of filters, fields.
    /// - Parameter routes: of the one host.
    static func file(
        _ port: UInt16, _ filters: [(String, String, String)], host: String = "", routes: [String],
        clusters: String = "[]"
    ) -> String {
        let chain = (filters + [("router", "router.v3.Router", "")]).map { name, type, fields in
            "{ name: \(name), typed_config: \(any(type, fields)) }"
        }
        return """
            static_resources:
              listeners:
              - name: public
                address: { socket_address: { address: 127.0.0.1, port_value: \(port) } }
                filter_chains:
                - filters:
                  - name: envoy.filters.network.http_connection_manager
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                      stat_prefix: public
                      use_remote_address: true
                      http_filters: [\(chain.joined(separator: ",\n            "))]
                      route_config:
                        name: main
                        virtual_hosts:
                        - name: all
                          domains: ["*"]
                          typed_per_filter_config: { \(host) }
                          routes: [\(routes.joined(separator: ",\n              "))]
              clusters: \(clusters)

            """
    }

    static func any(_ type: String, _ fields: String = "") -> String {
        let name = type.hasPrefix("envoy.") ? type : "envoy.extensions.filters.http.\(type)"
        return "{ \"@type\": type.googleapis.com/\(name)\(fields.isEmpty ? "" : ", " + fields) }"
    }

    static func route(_ path: String, _ status: Int = 200, _ changes: String = "") -> String {
        "{ match: { prefix: \(path) }, direct_response: { status: \(status) }, typed_per_filter_config: { \(changes) } }"
    }

    static let off = any("envoy.config.route.v3.FilterConfig", "disabled: true")

    @Test("Faults and rules are the same, of the listener, a host and a route")
    func faultsAndRules() throws {
        let share = "percentage: { numerator: 100 }"
        let abort = { (status: Int) in "abort: { http_status: \(status), \(share) }" }
        let asked = "headers: [{ name: x-fault, string_match: { exact: \"yes\" } }]"
        let reader = """
            permissions: [{ and_rules: { rules: [{ url_path: { path: { prefix: /a } } }, { header: { name: ":method", string_match: { safe_regex: { regex: "GET|HEAD" } } } }] } }],
            principals: [{ remote_ip: { address_prefix: 127.0.0.0, prefix_len: 8 } }]
            """
        let team = """
            permissions: [{ url_path: { path: { suffix: .html } } }],
            principals: [{ or_ids: { ids: [{ header: { name: x-team, string_match: { prefix: red } } }, { not_id: { header: { name: x-guest, present_match: true } } }] } }]
            """
        let everybody = "{ permissions: [{ any: true }], principals: [{ any: true }] }"
        let foreign =
            "{ permissions: [{ any: true }], principals: [{ direct_remote_ip: { address_prefix: 192.0.2.0, prefix_len: 24 } }] }"
        let rules =
            "rules: { action: ALLOW, policies: { reader: { \(reader) }, team: { \(team) }, foreign: \(foreign) } }"
        let deny = Self.any(
            "rbac.v3.RBACPerRoute", "rbac: { rules: { action: DENY, policies: { all: \(everybody) } } }")
        let both = try Both { port in
            Self.file(
                port,
                [
                    ("my-fault", "fault.v3.HTTPFault", "\(abort(503)), \(asked)"), ("my-rbac", "rbac.v3.RBAC", rules),
                ],
                host: "my-fault: \(Self.any("fault.v3.HTTPFault", "\(abort(418)), \(asked)"))",
                routes: [
                    Self.route("/open", 201, "my-rbac: \(Self.off)"),
                    Self.route("/everybody", 202, "my-rbac: \(Self.any("rbac.v3.RBACPerRoute"))"),
                    Self.route("/nobody", 203, "my-rbac: \(deny)"),
                    Self.route("/calm", 204, "my-fault: \(Self.off), my-rbac: \(Self.off)"),
                    Self.route("/broken", 205, "my-fault: \(Self.any("fault.v3.HTTPFault", abort(501)))"),
                    Self.route("/", 200),
                ])
        }
        both.expect("GET /a", "200")
        both.expect("POST /a", "403")
        both.expect("GET /b", "403")
        both.expect("POST /x/page.html?y=.txt", "200")
        both.expect("POST /page.html", "403", with: ["x-guest: 1"])
        both.expect("POST /page.html", "200", with: ["x-guest: 1", "x-team: red-1"])
        both.expect("GET /open", "201")
        both.expect("GET /everybody", "202")
        both.expect("GET /nobody", "403")
        both.expect("GET /a", "418", with: ["x-fault: yes"])
        both.expect("GET /open", "201", with: ["x-fault: no"])
        both.expect("GET /calm", "204", with: ["x-fault: yes"])
        both.expect("GET /broken", "501")
    }

    @Test("Rules hold for who repeats a header, leaves it out or writes it otherwise")
    func hostileHeaders() throws {
        let header = { (name: String, more: String) in "header: { name: \(name), \(more) }" }
        let inverted = "invert_match: true, treat_missing_header_as_empty: true"
        let policy = { (permission: String) in
            "{ permissions: [{ \(permission) }], principals: [{ any: true }] }"
        }
        let deny = """
            rules: { action: DENY, policies: {
              agent: \(policy(header("user-agent", "string_match: { contains: evil }"))),
              evil: \(policy(header("x-a", "string_match: { contains: evil }"))),
              debug: \(policy(header("x-debug", "present_match: true"))),
              stranger: \(policy("and_rules: { rules: [{ url_path: { path: { prefix: /team } } }, { \(header("x-team", "string_match: { exact: red }, \(inverted)")) }] }")) } }
            """
        let allow = """
            rules: { policies: {
              user: \(policy("and_rules: { rules: [{ url_path: { path: { prefix: /user } } }, { \(header("x-user", "string_match: { exact: \"\" }, \(inverted)")) }] }")),
              rest: \(policy("not_rule: { url_path: { path: { prefix: /USER, ignore_case: true } } }")) } }
            """
        let both = try Both { port in
            Self.file(
                port, [("deny", "rbac.v3.RBAC", deny), ("allow", "rbac.v3.RBAC", allow)], routes: [Self.route("/", 200)]
            )
        }
        both.expect("GET /", "200")
        both.expect("GET /", "200", with: ["X-A: good"])
        both.expect("GET /", "403", with: ["X-A: evil"])
        both.expect("GET /", "403", with: ["X-A: good", "X-A: evil"])
        both.expect("GET /", "403", with: ["X-A: an evil one", "X-A: good"])
        both.expect("GET /", "403", with: ["X-A: \u{E9} evil"])
        both.expect("GET /", "403", with: ["User-Agent: curl", "User-Agent: evil"])
        both.expect("GET /", "403", with: ["X-DEBUG:"])
        both.expect("GET /team", "403")
        both.expect("GET /team", "403", with: ["X-Team: "])
        both.expect("GET /team", "403", with: ["X-Team: Red"])
        both.expect("GET /team", "200", with: ["X-Team: red"])
        both.expect("GET /user", "403")
        both.expect("GET /user", "403", with: ["X-User:"])
        both.expect("GET /user", "200", with: ["X-User: ann"])
        both.expect("GET /User", "403", with: ["X-User: ann"])
    }
}
