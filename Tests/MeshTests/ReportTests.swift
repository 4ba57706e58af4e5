import Foundation
import MartletTesting
import Testing

private func proxy(_ mesh: MeshServer, _ id: String, method: String = "delta") throws -> ManagedProxy {
    try ManagedProxy(
        """
        control_plane: { cluster: mesh, method: \(method), node: { id: \(id) } }
        clusters: [{ name: mesh, protocol: http2, endpoints: ["127.0.0.1:\(mesh.port)"] }]
        """)
}

extension MeshServer {
    /// Until what a proxy reports has all of these words.
    fileprivate func reports(_ proxy: String, _ words: String...) throws -> Bool {
        try eventually {
            let report = try ask("report \(proxy)")
            return words.allSatisfy(report.contains)
        }
    }

    fileprivate func applies(_ revision: Int) throws -> Bool {
        try eventually { try ask("proxies").contains("applied=\(revision)") }
    }
}

@Suite("What proxies report to the control plane")
struct ReportTests {
    @Test(
        "Requests, errors of policies and what is in force, over a restart of the control plane",
        arguments: ["delta", "sotw"])
    func life(_ method: String) throws {
        let mesh = try MeshServer()
        let upstream = try ScriptedUpstream.saying("one")
        let port = try TCPListener.freePort()
        let managed = try proxy(mesh, "a", method: method)
        let text = """
            policies:
              - { name: broken, on_error: skip, inline: "function on_request(h) error('no') end" }
              - { name: sound, inline: "function on_response(h) h:headers():add('x-mark', '1') end" }

            """
        let revision = try mesh.apply(
            "clusters:\n" + MeshServer.cluster("api", upstream) + text
                + MeshServer.plain(port, filters: "{ lua: { policy: broken } }, { lua: { policy: sound } }, router"))
        #expect(try mesh.applies(revision))
        #expect(try mesh.reports("a", "Listener=", "Cluster=", "requests=0"))
        for _ in 0..<3 { #expect(try managed.answer(port) == "one") }
        #expect(try mesh.reports("a", "requests=3 5xx=0 timed=3", "broken:3/3/0", "sound:3/0/0"))

        // It is known anew from the first report on.
        mesh.kill()
        #expect(try managed.answer(port) == "one")
        try mesh.start()
        #expect(try mesh.reports("a", "requests=0", "broken:0/0/0"))
        #expect(try mesh.applies(revision))
        #expect(try managed.answer(port) == "one")
        #expect(try mesh.reports("a", "requests=1 5xx=0 timed=1", "broken:1/1/0", "sound:1/0/0"))
    }

    @Test("A proxy that has no answer from upstream reports 5xx; one that has gone is forgotten")
    func errors() throws {
        let mesh = try MeshServer()
        let port = try TCPListener.freePort()
        do {
            let managed = try proxy(mesh, "a")
            try mesh.apply(
                "clusters: [{ name: api, endpoints: [\"127.0.0.1:\(try TCPListener.freePort())\"] }]\n"
                    + MeshServer.plain(port))
            #expect(try mesh.reports("a", "requests=0"))
            #expect(try eventually { try managed.answer(port).contains("upstream") })
            #expect(try mesh.reports("a", "5xx=1 "))
        }
        #expect(try eventually { try mesh.ask("report a") == "none" })
    }

    @Test("Reports that are none, too large or by somebody else are refused with the reason, and harm nobody")
    func guards() throws {
        let mesh = try MeshServer()
        let client = try TalkingTool(
            PeerEnvironment.python("grpc-requirements.txt"),
            [PeerEnvironment.path("report_client.py"), "\(mesh.port)"])
        let long = String(repeating: "x", count: 513)
        let many = (0...1000).map { "\"p\($0)\"" }.joined(separator: ",")
        let waiting = (0...100).map { "\"c\($0)\"" }.joined(separator: ",")
        #expect(try client.ask(#"report [{"node": "a"}]"#).hasPrefix("FAILED_PRECONDITION: no proxy \"a\""))
        #expect(try client.ask("discover a") == "discovered")
        for (reports, answer) in [
            (#"[{"node": "a"}]"#, "order OK"),
            (#"[{"node": "a"}, {}, {"node": "a"}]"#, "order order order OK"),
            (#"[{"node": "a", "responses": 0, "durations": 0}]"#, "order OK"),
            (#"[{}]"#, "INVALID_ARGUMENT: the first report on a stream must have a node with an id"),
            (#"[{"node": ""}]"#, "INVALID_ARGUMENT: the first report on a stream must have a node with an id"),
            (#"[{"node": "b"}]"#, "FAILED_PRECONDITION: no proxy \"b\" gets its configuration here"),
            (
                #"[{"node": "a"}, {"node": "b"}]"#,
                "order INVALID_ARGUMENT: the stream reports for another node than \"a\""
            ),
            (
                #"[{"node": "a"}, {"raw": "ff"}]"#,
                "order INVALID_ARGUMENT: what was sent is no martlet.control.v1.ProxyReport"
            ),
            (#"[{"node": "a", "responses": 5}]"#, "INVALID_ARGUMENT: traffic.responses: 5 numbers instead of 6"),
            (#"[{"node": "a", "durations": 21}]"#, "INVALID_ARGUMENT: traffic.durations: 21 numbers instead of 20"),
            (
                #"[{"node": "a", "policies": [\#(many)]}]"#,
                "INVALID_ARGUMENT: traffic.policies: 1001 of them; there may be 1000"
            ),
            (#"[{"node": "a", "policies": ["p", "p"]}]"#, "INVALID_ARGUMENT: traffic.policies: \"p\" stands twice"),
            (
                #"[{"node": "a", "policies": ["\#(long)"]}]"#,
                "INVALID_ARGUMENT: traffic.policies: a text of 513 bytes; it may have 512"
            ),
            (
                #"[{"node": "a", "version": "\#(long)"}]"#,
                "INVALID_ARGUMENT: types: a text of 513 bytes; it may have 512"
            ),
            (
                #"[{"node": "a", "waiting": [\#(waiting)]}]"#,
                "INVALID_ARGUMENT: types: 101 names that wait; there may be 100"
            ),
        ] {
            let found = try client.ask("report \(reports)")
            #expect(found == answer, "\(reports.prefix(80))")
        }
        let large = try client.ask(#"report [{"node": "a", "pad": 3000000}]"#)
        #expect(
            large.hasPrefix("INVALID_ARGUMENT: a report of 3000") && large.hasSuffix("it may have 2097152"), "\(large)")
        #expect(try client.ask(#"report [{"node": "a"}]"#) == "order OK")
        #expect(try mesh.ask("proxies").hasPrefix("a delta "))
    }

    @Test("Status, in the API and of the command, tells rates, policies and what is in force")
    func status() throws {
        let control = try ControlProcess().start()
        let upstream = try ScriptedUpstream.saying("one")
        let port = try TCPListener.freePort()
        let managed = try ManagedProxy(
            """
            control_plane: { cluster: mesh, node: { id: edge-1 } }
            clusters: [{ name: mesh, protocol: http2, endpoints: ["\(control.xds)"] }]
            """)
        let text =
            "policies: [{ name: broken, on_error: skip, inline: \"function on_request(h) error('no') end\" }]\nclusters:\n"
            + MeshServer.cluster("api", upstream)
            + MeshServer.plain(port, filters: "{ lua: { policy: broken } }, router")
        #expect(try control.ask("POST", "/v1/namespaces/default/apply", body: ControlProcess.apply(text)).status == 200)
        #expect(try eventually { try managed.answer(port) == "one" })
        #expect(
            try eventually {
                let proxy = try control.ask("GET", "/v1/proxies/edge-1")
                return proxy["applied_by"] == "reported" && proxy["report.policies.0.errors"] == "1"
                    && proxy["report.error_share"] == "0" && proxy["applied_revision"] == "1"
            })
        let proxy = try control.ask("GET", "/v1/proxies/edge-1")
        #expect(proxy["report.policies.0.name"] == "broken" && proxy["report.waiting"] == "0", "\(proxy.body)")
        #expect((Double(proxy["report.requests_per_second"]) ?? 0) > 0 && proxy.body.contains("\"p99_milliseconds\":"))
        #expect(!proxy["feeds.0.applied_version"].isEmpty, "\(proxy.body)")
        #expect(proxy["feeds.0.applied_version"] == proxy["feeds.0.acknowledged_version"])
        // A list leaves policies out, of which there may be many.
        let list = try control.ask("GET", "/v1/proxies")
        #expect(list["proxies.0.report.waiting"] == "0" && list["proxies.0.report.policies"] == "", "\(list.body)")
        let table = try control.martlet("status", "edge-1").output
        let rows = table.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
        #expect(rows.contains { $0.first == "PROXY" && $0.contains("RPS") && $0.contains("5XX") }, "\(table)")
        #expect(rows.contains { $0.first == "edge-1" && $0.contains("0.0%") }, "\(table)")
        #expect(rows.contains { $0.first == "broken" && $0.suffix(4) == ["1", "1", "0", "0"] }, "\(table)")
    }
}
