import Foundation
import MartletTesting
import Testing

@Suite("Real Envoys under the control plane")
struct EnvoyMeshTests {
    @Test(
        "Add, change, refuse, swap, delete, and restarts of the control plane: no request fails",
        arguments: ["GRPC", "DELTA_GRPC"])
    func life(_ method: String) throws {
        let mesh = try MeshServer()
        let (one, two) = (try ScriptedUpstream.saying("one ok"), try ScriptedUpstream.saying("two ok"))
        let port = try TCPListener.freePort()
        let envoy = try ManagedEnvoy(mesh, "envoy", method: method)
        var revision = try mesh.apply("clusters:\n" + MeshServer.cluster("api", one) + MeshServer.plain(port))
        #expect(try mesh.settles(1, revision), "\(envoy.logged)")
        #expect(try eventually { try envoy.answer(port) == "one ok" }, "\(envoy.logged)")

        let load = SteadyLoad(port: port, reconnects: true)
        // Another cluster in its place, and the first one goes.
        revision = try mesh.apply(
            "clusters:\n" + MeshServer.cluster("other", two) + MeshServer.plain(port, cluster: "other"))
        #expect(try mesh.settles(1, revision))
        #expect(try eventually { try envoy.answer(port) == "two ok" })
        revision = try #require(Int(try mesh.ask("delete clusters/api")))
        #expect(try mesh.settles(1, revision))
        // Other endpoints.
        revision = try mesh.apply("clusters:\n" + MeshServer.cluster("other", one))
        #expect(try mesh.settles(1, revision))
        #expect(try eventually { try envoy.answer(port) == "one ok" })

        // It knows no policies, and says so; what it had goes on. Then it is taken back.
        let before = revision
        revision = try mesh.apply(
            "policies: [{ name: p, inline: \"function on_request(h) end\" }]\n"
                + MeshServer.plain(port, cluster: "other", filters: "{ lua: { policy: p } }, router"))
        #expect(try eventually { try mesh.ask("proxies").contains(" refused ") })
        #expect(try envoy.answer(port) == "one ok")
        revision = try #require(Int(try mesh.ask("rollback \(before)")))
        #expect(try mesh.settles(1, revision))

        mesh.kill()
        #expect(try envoy.answer(port) == "one ok")
        try mesh.start()
        #expect(try mesh.settles(1, revision))
        revision = try mesh.apply("clusters:\n" + MeshServer.cluster("other", two))
        #expect(try mesh.settles(1, revision))
        #expect(try eventually { try envoy.answer(port) == "two ok" })
        #expect(load.stop() == 0 && load.sent > 0)
        #expect(envoy.stat("listener_manager.lds.update_rejected") >= 1)
        #expect(envoy.stat("cluster_manager.cds.update_rejected") == 0)
    }

    @Test("Filters that Envoy has as well do there what they say")
    func filters() throws {
        let mesh = try MeshServer()
        let one = try ScriptedUpstream.saying("one ok")
        let port = try TCPListener.freePort()
        let envoy = try ManagedEnvoy(mesh, "envoy", method: "DELTA_GRPC")
        let rules = { (action: String) in
            "{ rbac: { rules: [{ name: all, action: deny, when: { headers: [{ name: user-agent, contains: \(action) }] } }], default: allow } }"
        }
        let fault = "{ fault: { delay: { duration: 1ms, percent: 100% } } }"
        var revision = try mesh.apply(
            "clusters:\n" + MeshServer.cluster("api", one)
                + MeshServer.plain(port, filters: "\(fault), \(rules("wget")), router"))
        #expect(try mesh.settles(1, revision), "\(envoy.logged)")
        #expect(try eventually { try envoy.answer(port) == "one ok" }, "\(envoy.logged)")
        let compress = "{ compress: { algorithms: [br, gzip], content_types: [text/plain], min_size: 1B } }"
        revision = try mesh.apply(MeshServer.plain(port, filters: "\(compress), \(fault), \(rules("curl")), router"))
        #expect(try mesh.settles(1, revision), "\(envoy.logged)")
        #expect(try eventually { try envoy.answer(port) == "RBAC: access denied" }, "\(envoy.logged)")
        for (accepted, wanted) in [("gzip", "gzip"), ("gzip, br", "br"), ("zstd", "")] {
            let answer = try Tool.run(
                "curl",
                [
                    "-s", "-o", "/dev/null", "-w", "%header{content-encoding}", "-H", "Accept-Encoding: \(accepted)",
                    "http://127.0.0.1:\(port)/",
                ])
            #expect(answer.output == wanted, "\(accepted): \(envoy.logged)")
        }
        #expect(envoy.stat("http.public.fault.delays_injected") >= 1)
        #expect(envoy.stat("http.public.rbac.denied") >= 1)
        #expect(envoy.stat("listener_manager.lds.update_rejected") == 0)
    }
}
