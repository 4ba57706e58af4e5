import Foundation
import MartletTesting
import Testing

@Suite("Instances over the API")
struct InstanceAPITests {
    private static let service = "/v1/namespaces/shop/services/web/instances"

    @Test("An instance lives: registered, listed, renewed, drained, deregistered")
    func life() throws {
        let control = try ControlProcess().start()
        let path = Self.service + "/web-1"
        let made = try control.ask(
            "PUT", path,
            body:
                "{\"address\":\"10.0.0.1:80\",\"weight\":3,\"zone\":\"a\",\"labels\":{\"the_version\":\"2\"},\"ttl_seconds\":60}"
        )
        #expect(made.status == 200 && made["ttl_seconds"] == "60" && made["health"] == "healthy", "\(made)")
        #expect(made["labels.the_version"] == "2" && made["weight"] == "3" && made["zone"] == "a", "\(made)")
        let other = try control.ask("PUT", Self.service + "/web-2", body: "{\"address\":\"[::1]:80\"}")
        #expect(other["ttl_seconds"] == "15" && other["address"] == "[::1]:80", "\(other)")
        #expect(try control.ask("POST", path + "/renew")["ttl_seconds"] == "60")
        #expect(try control.ask("POST", path + "/health", body: "{\"health\":\"draining\"}")["health"] == "draining")
        let metrics = try control.ask("GET", "/metrics").body
        #expect(metrics.contains("martlet_control_instances{health=\"draining\"} 1\n"), "\(metrics)")
        let listed = try control.ask("GET", Self.service)
        #expect(listed["instances"] == "2 items" && listed["instances.0.health"] == "draining", "\(listed)")
        #expect(try control.ask("GET", "/v1/namespaces/shop/instances")["instances"] == "2 items")
        #expect(try control.ask("GET", "/v1/namespaces/default/instances")["instances"] == "0 items")

        let table = try control.martlet("services", "-n", "shop", "web")
        #expect(table.code == 0 && table.output.hasPrefix("SERVICE  INSTANCE  ADDRESS"), "\(table)")
        #expect(table.output.contains("web      web-1     10.0.0.1:80  draining  3       a     60s"), "\(table)")
        #expect(try control.martlet("services", "-n", "shop", "-o", "json").output.contains("\"web-2\""))

        #expect(try control.ask("DELETE", path)["id"] == "web-1")
        for (method, path, body) in [
            ("POST", path + "/renew", nil), ("DELETE", path, nil),
            ("POST", path + "/health", "{\"health\":\"healthy\"}"),
        ] {
            let answer = try control.ask(method, path, body: body)
            #expect(answer.status == 404 && answer["error.code"] == "not_registered", "\(answer)")
        }
        // Heartbeats are not what an audit log is for.
        let audit = try control.read("audit.jsonl").split(separator: "\n")
        #expect(audit.count == 6 && !audit.contains { $0.contains("renewInstance\",\"status\":200") }, "\(audit)")
        #expect(audit.first?.contains("\"shop/instances/web/web-1\"") == true, "\(audit)")
    }

    @Test(
        "What makes no sense is refused",
        arguments: [
            ("{\"address\":\"api.internal:80\"}", "is not an IP address"), ("{}", "address is required"),
            ("{\"address\":\"10.0.0.1:80\",\"ttl\":5}", "unknown key"),
            ("{\"address\":\"10.0.0.1:80\",\"ttl_seconds\":0}", "ttl_seconds is 1 to 3600"),
            ("{\"address\":\"10.0.0.1:80\",\"weight\":\"1\"}", "wrong kind"),
            ("{\"address\":\"10.0.0.1:80\",\"health\":\"well\"}", "health is healthy, unhealthy or draining"),
        ])
    func refused(_ body: String, _ words: String) throws {
        let control = try ControlProcess().start()
        let answer = try control.ask("PUT", Self.service + "/1", body: body)
        #expect(answer.status == 400 && answer["error.message"].contains(words), "\(answer)")
        #expect(try control.ask("GET", Self.service)["instances"] == "0 items")
    }

    @Test("To register and renew needs a token that may write in the namespace")
    func tokens() throws {
        let control = try ControlProcess(api: ControlProcess.guarded).start()
        let tokens = ControlProcess.tokens
        let body = "{\"address\":\"10.0.0.1:80\"}"
        let other = "/v1/namespaces/default/services/web/instances/1"
        for (token, path, status) in [
            (nil, Self.service + "/1", 401), (tokens["reader"], Self.service + "/1", 403),
            (tokens["shopkeeper"], other, 403), (tokens["shopkeeper"], Self.service + "/1", 200),
            (tokens["writer"], other, 200),
        ] {
            #expect(try control.ask("PUT", path, token: token, body: body).status == status)
            #expect(try control.ask("POST", path + "/renew", token: token).status == status)
        }
        #expect(try control.ask("GET", Self.service, token: tokens["reader"])["instances"] == "1 items")
        #expect(
            try control.ask("GET", "/v1/namespaces/default/instances", token: tokens["shopkeeper"]).status == 403)
    }

    @Test("What is registered is there after a restart, and in force with what was applied")
    func restart() throws {
        let control = try ControlProcess().start()
        let upstream = try ScriptedUpstream.saying("one ok")
        let port = try TCPListener.freePort()
        let mesh =
            "clusters: [{ name: api, discovery: { service: web } }]\n" + MeshServer.plain(port)
        let applied = try control.ask(
            "POST", "/v1/namespaces/default/apply", body: try ControlProcess.apply(mesh))
        #expect(applied.status == 200, "\(applied)")
        let path = "/v1/namespaces/default/services/web/instances/1"
        _ = try control.ask("PUT", path, body: "{\"address\":\"127.0.0.1:\(upstream.port)\",\"ttl_seconds\":3600}")
        #expect(control.end() == 0)
        try control.start()
        #expect(try control.ask("POST", path + "/renew").status == 200)
        let proxy = try ManagedProxy(arguments: ["--control-plane", control.xds, "--node", "edge"])
        #expect(try eventually { try proxy.answer(port) == "one ok" })
    }
}
