import Foundation
import MartletTesting
import Testing

/// Files that were written for Envoy, in both.
@Suite("Martlet with Envoy's files", .serialized)
struct EnvoyFileTests {
    private func answering(_ text: String) throws -> ScriptedUpstream {
        try ScriptedUpstream.answering { request in
            let words = request.lowercased().contains("x-script: yes") ? text + " scripted" : text
            return "HTTP/1.1 200 OK\r\nContent-Length: \(words.utf8.count)\r\n\r\n\(words)"
        }
    }

    fileprivate static func address(_ port: UInt16) -> String {
        "{ socket_address: { address: 127.0.0.1, port_value: \(port) } }"
    }

    fileprivate static func listener(_ port: UInt16, _ routes: String) -> String {
        """
        "@type": type.googleapis.com/envoy.config.listener.v3.Listener
        name: public
        address: \(address(port))
        filter_chains:
          - filters:
              - name: envoy.filters.network.http_connection_manager
                typed_config:
                  "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                  stat_prefix: public
                  codec_type: AUTO
                  http_filters:
                    - name: envoy.filters.http.lua
                      typed_config:
                        "@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua
                        default_source_code:
                          inline_string: |
                            function envoy_on_request(handle)
                              handle:headers():add("x-script", "yes")
                            end
                    - name: envoy.filters.http.router
                      typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
                  \(routes)
        """
    }

    private static func cluster(_ name: String, _ port: UInt16) -> String {
        """
        "@type": type.googleapis.com/envoy.config.cluster.v3.Cluster
        name: \(name)
        type: STATIC
        connect_timeout: 0.25s
        load_assignment:
          cluster_name: \(name)
          endpoints: [{ lb_endpoints: [{ endpoint: { address: \(address(port)) } }] }]
        """
    }

    /// As an item of a list, without the `@type` when it is not one of many kinds.
    fileprivate static func item(_ text: String, typed: Bool = false, indent: Int) -> String {
        let lines = text.split(separator: "\n").dropFirst(typed ? 0 : 1).map(String.init)
        let space = String(repeating: " ", count: indent)
        return lines.enumerated().map { space + ($0.offset == 0 ? "- " : "  ") + $0.element }.joined(separator: "\n")
    }

    private func bootstrap(_ port: UInt16, _ one: UInt16, second: String = "one") -> String {
        let own = "{ match: { path: /own }, direct_response: { status: 203, body: { inline_string: own } } }"
        let old = "{ match: { path: /old }, redirect: { path_redirect: /new, response_code: FOUND } }"
        let first = "{ match: { prefix: /a }, route: { cluster: one, timeout: 5s } }"
        let test = "headers: [{ name: x-no, present_match: true, invert_match: true }]"
        let retry = "retry_policy: { retry_on: 5xx, num_retries: 1 }"
        let last = "{ match: { prefix: /b, \(test) }, route: { cluster: \(second), \(retry) } }"
        let shop =
            "{ name: shop, domains: [shop.example.com], routes: [{ match: { prefix: / }, direct_response: { status: 207 } }] }"
        let all = "{ name: all, domains: [\"*\"], routes: [\(own), \(old), \(first), \(last)] }"
        let routes = "route_config: { name: main, virtual_hosts: [\(shop), \(all)] }"
        return """
            node: { id: edge-1, cluster: edge }
            stats_flush_interval: 60s
            static_resources:
              listeners:
            \(Self.item(Self.listener(port, routes), indent: 4))
              clusters:
            \(Self.item(Self.cluster("one", one), indent: 4))
            \(Self.item(Self.cluster("gone", 1), indent: 4))

            """
    }

    @Test("One bootstrap file in Envoy and in Martlet is answered alike, and a change of it is taken")
    func bootstrapFile() throws {
        let one = try answering("one")
        let ports = (envoy: try TCPListener.freePort(), martlet: try TCPListener.freePort())
        let folder = try PeerEnvironment.folder("bootstrap")
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appendingPathComponent("envoy.yaml")
        try bootstrap(ports.martlet, one.port).write(to: file, atomically: true, encoding: .utf8)
        let envoy = try RealEnvoy(bootstrap(ports.envoy, one.port))
        let proxy = try TalkingTool(Tool.martlet.path, ["run", "--workers", "1", "--envoy-config", file.path])
        let wanted = [
            "/own": "203", "/old": "302", "/a": "200 one scripted", "/b": "200 one scripted", "/c": "404",
        ]
        for (path, answer) in wanted {
            for (name, port) in [("Envoy", ports.envoy), ("Martlet", ports.martlet)] {
                #expect(
                    eventually { outcome(port, path) == answer },
                    "\(name) \(path): \(outcome(port, path)); \(envoy.logged) \(proxy.said)")
            }
        }
        // What is only seen is told, and does not hinder.
        #expect(proxy.said.contains("stats_flush_interval has no counterpart"), "\(proxy.said)")
        // A cluster that nobody answers for.
        try bootstrap(ports.martlet, one.port, second: "gone").write(to: file, atomically: true, encoding: .utf8)
        #expect(eventually { outcome(ports.martlet, "/b") == "503" })
        // A mistake: the file is refused with its line, and what was in force stays.
        try bootstrap(ports.martlet, one.port, second: "nobody").write(to: file, atomically: true, encoding: .utf8)
        #expect(eventually { proxy.said.contains("no cluster \"nobody\"") })
        #expect(proxy.said.contains("\(file.path):") && outcome(ports.martlet, "/b") == "503")
        #expect(proxy.end() == 0)
    }

    @Test("martlet check tells all that a bootstrap file has and Martlet has not")
    func check() throws {
        let folder = try PeerEnvironment.folder("bootstrap")
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appendingPathComponent("envoy.yaml")
        let good = bootstrap(8080, 8081)
        try good.write(to: file, atomically: true, encoding: .utf8)
        let fine = try Tool.run(Tool.martlet.path, ["check", "--envoy-config", file.path])
        #expect(fine.code == 0 && fine.output.contains(": ok"), "\(fine.output)")
        let bad = good.replacingOccurrences(of: "envoy.filters.http.lua", with: "envoy.filters.http.csrf")
            .replacingOccurrences(of: "filters.http.lua.v3.Lua", with: "filters.http.csrf.v3.CsrfPolicy")
            .replacingOccurrences(
                of: "connect_timeout: 0.25s", with: "connect_timeout: 0.25s\n      lb_subset_config: {}"
            )
            .replacingOccurrences(of: "num_retries: 1", with: "num_retrys: 1")
        try bad.write(to: file, atomically: true, encoding: .utf8)
        let refused = try Tool.run(Tool.martlet.path, ["check", "--envoy-config", file.path])
        #expect(refused.code == 1)
        for words in [
            "http_filters envoy.filters.http.csrf: envoy.extensions.filters.http.csrf.v3.CsrfPolicy is not supported",
            "Cluster.lb_subset_config is not supported", "has no field \"num_retrys\" (did you mean \"num_retries\"?)",
            "stats_flush_interval has no counterpart", "4 that would make requests meet something else, 1 that",
        ] {
            #expect(refused.output.contains(words), "\(words): \(refused.output)")
        }
        let line = 1 + (bad.components(separatedBy: "num_retrys").first ?? "").filter { $0 == "\n" }.count
        #expect(refused.output.contains("\(file.path):\(line):"), "\(refused.output)")
    }

    // MARK: Files of resources

    /// Resources that both share, and a listener for each.
    private final class Fixtures {
        let folder: URL
        init() throws { folder = try PeerEnvironment.folder("resources") }
        deinit { try? FileManager.default.removeItem(at: folder) }

        func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

        /// In one step, whatever was there.
        func move(_ name: String, to place: String) throws {
            #expect(try Tool.run("mv", ["-T", path(name), path(place)]).code == 0)
        }

        func link(_ name: String, to target: String) throws {
            try FileManager.default.createSymbolicLink(atPath: path(name), withDestinationPath: target)
        }

        /// Moved into place, as Envoy wants it.
        func write(_ name: String, _ resources: String...) throws {
            let text =
                "resources:\n"
                + resources.map { EnvoyFileTests.item($0, typed: true, indent: 2) }.joined(separator: "\n") + "\n"
            let fresh = path("." + name)
            try text.write(toFile: fresh, atomically: false, encoding: .utf8)
            try move("." + name, to: name)
        }

        func listener(_ name: String, _ port: UInt16, routes: String = "main", file: String = "rds.yaml") throws {
            let source = "{ resource_api_version: V3, path_config_source: { path: \(path(file)) } }"
            let routes = "rds: { route_config_name: \(routes), config_source: \(source) }"
            try write(name, EnvoyFileTests.listener(port, routes))
        }

        /// Envoy takes one cluster's endpoints from a file, and no more.
        func eds(_ name: String) -> String {
            """
            "@type": type.googleapis.com/envoy.config.cluster.v3.Cluster
            name: \(name)
            type: EDS
            connect_timeout: 1s
            eds_cluster_config:
              eds_config: { resource_api_version: V3, path_config_source: { path: \(path("eds-\(name).yaml")) } }
            """
        }

        func endpoints(_ name: String, _ port: UInt16) -> String {
            """
            "@type": type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment
            cluster_name: \(name)
            endpoints: [{ lb_endpoints: [{ endpoint: { address: \(EnvoyFileTests.address(port)) } }] }]
            """
        }

        func routes(_ name: String, _ routes: (String, String)...) -> String {
            let items = routes.map { "{ match: { prefix: \($0.0) }, route: { cluster: \($0.1) } }" }
            return """
                "@type": type.googleapis.com/envoy.config.route.v3.RouteConfiguration
                name: \(name)
                virtual_hosts: [{ name: all, domains: ["*"], routes: [\(items.joined(separator: ", "))] }]
                """
        }

        func dynamic(_ listeners: String) -> String {
            """
            node: { id: edge-1, cluster: edge }
            dynamic_resources:
              lds_config: { resource_api_version: V3, path_config_source: { path: \(path(listeners)) } }
              cds_config: { resource_api_version: V3, path_config_source: { path: \(path("cds.yaml")) } }

            """
        }
    }

    @Test("Files of resources drive Envoy and Martlet alike, through every change", arguments: [true, false])
    func resourceFiles(isBootstrap: Bool) throws {
        let (files, one, two) = (try Fixtures(), try answering("one"), try answering("two"))
        let ports = (envoy: try TCPListener.freePort(), martlet: try TCPListener.freePort())
        try files.write("cds.yaml", files.eds("one"))
        try files.write("eds-one.yaml", files.endpoints("one", one.port))
        try files.write("rds.yaml", files.routes("main", ("/a", "one")))
        try files.listener("envoy-lds.yaml", ports.envoy)
        try files.listener("martlet-lds.yaml", ports.martlet)
        let envoy = try RealEnvoy(files.dynamic("envoy-lds.yaml"))
        let file = files.path("process.yaml")
        let own = "xds_files: { listeners: martlet-lds.yaml, clusters: cds.yaml }\n"
        try (isBootstrap ? files.dynamic("martlet-lds.yaml") : own).write(
            toFile: file, atomically: true, encoding: .utf8)
        let proxy = try TalkingTool(
            Tool.martlet.path, ["run", "--workers", "1", isBootstrap ? "--envoy-config" : "--config", file])
        func expect(_ path: String, _ wanted: String, _ place: SourceLocation = #_sourceLocation) {
            for (name, port) in [("Envoy", ports.envoy), ("Martlet", ports.martlet)] {
                #expect(
                    eventually { outcome(port, path) == wanted },
                    "\(name) \(path): \(outcome(port, path)); \(envoy.logged) \(proxy.said)", sourceLocation: place)
            }
        }
        expect("/a", "200 one scripted")
        expect("/b", "404")
        // Endpoints alone.
        try files.write("eds-one.yaml", files.endpoints("one", two.port))
        expect("/a", "200 two scripted")
        // A cluster, its endpoints, a route to it.
        try files.write("eds-other.yaml", files.endpoints("other", one.port))
        try files.write("cds.yaml", files.eds("one"), files.eds("other"))
        try files.write("rds.yaml", files.routes("main", ("/a", "one"), ("/b", "other")))
        expect("/b", "200 one scripted")
        // A route to nobody.
        try files.write("rds.yaml", files.routes("main", ("/a", "nobody"), ("/b", "other")))
        expect("/a", "503")
        // A cluster goes, with its route.
        try files.write("rds.yaml", files.routes("main", ("/b", "other")))
        try files.write("cds.yaml", files.eds("other"))
        expect("/a", "404")
        expect("/b", "200 one scripted")
        // The listener takes its routes from another file.
        try files.write("more.yaml", files.routes("more", ("/c", "other")))
        try files.listener("envoy-lds.yaml", ports.envoy, routes: "more", file: "more.yaml")
        try files.listener("martlet-lds.yaml", ports.martlet, routes: "more", file: "more.yaml")
        expect("/c", "200 one scripted")
        expect("/b", "404")
        // A mistake: what was in force stays, in both.
        let type = "\"@type\": type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
        try files.write("more.yaml", "\(type)\nname: more\nvirtual_hosts: none")
        #expect(eventually { proxy.said.contains("virtual_hosts: expected a list") }, "\(proxy.said)")
        #expect(proxy.said.contains(files.path("more.yaml") + ":"))
        expect("/c", "200 one scripted")
        #expect(proxy.end() == 0)
    }

    @Test("Folders that are swapped as Kubernetes swaps them are seen")
    func swappedFolders() throws {
        let (files, one, two) = (try Fixtures(), try answering("one"), try answering("two"))
        let port = try TCPListener.freePort()
        for (version, upstream) in [("v1", one), ("v2", two)] {
            try FileManager.default.createDirectory(atPath: files.path(version), withIntermediateDirectories: true)
            try files.write("\(version).yaml", Self.cluster("one", upstream.port))
            try files.move("\(version).yaml", to: "\(version)/cds.yaml")
        }
        try files.link("..data", to: "v1")
        try files.link("cds.yaml", to: "..data/cds.yaml")
        try files.listener("lds.yaml", port)
        try files.write("rds.yaml", files.routes("main", ("/", "one")))
        try "xds_files: { listeners: lds.yaml, clusters: cds.yaml }\n".write(
            toFile: files.path("process.yaml"), atomically: true, encoding: .utf8)
        let proxy = try TalkingTool(
            Tool.martlet.path, ["run", "--workers", "1", "--config", files.path("process.yaml")])
        #expect(eventually { outcome(port, "/") == "200 one scripted" }, "\(proxy.said)")
        try files.link("..fresh", to: "v2")
        try files.move("..fresh", to: "..data")
        #expect(eventually { outcome(port, "/") == "200 two scripted" }, "\(proxy.said)")
    }

    @Test("A bootstrap file that names a control plane is enough", arguments: ["GRPC", "DELTA_GRPC"])
    func controlPlane(type: String) throws {
        let (peer, one) = (try ADSPeer(), try answering("one"))
        let port = try TCPListener.freePort()
        try peer.serve(port, from: one)
        let folder = try PeerEnvironment.folder("bootstrap")
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appendingPathComponent("envoy.yaml")
        let text = """
            node: { id: edge-1, cluster: edge, locality: { zone: a }, metadata: { tier: front } }
            dynamic_resources:
              ads_config:
                api_type: \(type)
                transport_api_version: V3
                grpc_services: [{ envoy_grpc: { cluster_name: xds } }]
              cds_config: { resource_api_version: V3, ads: {} }
              lds_config: { resource_api_version: V3, ads: {} }
            static_resources:
              clusters:
            \(Self.item(Self.cluster("xds", peer.port), indent: 4))
                  typed_extension_protocol_options:
                    envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
                      "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
                      explicit_http_config: { http2_protocol_options: {} }

            """
        try text.write(to: file, atomically: true, encoding: .utf8)
        let proxy = try TalkingTool(Tool.martlet.path, ["run", "--workers", "1", "--envoy-config", file.path])
        #expect(eventually { outcome(port, "/") == "200 one" }, "\(proxy.said)")
        #expect(
            peer.node["id"] as? String == "edge-1" && (peer.node["metadata"] as? [String: String]) == ["tier": "front"])
    }
}
