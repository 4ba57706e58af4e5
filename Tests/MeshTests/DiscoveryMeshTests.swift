import Foundation
import MartletTesting
import Testing

extension MeshServer {
    /// - Parameter more: further keys.
    @discardableResult
    func register(_ id: String, _ port: UInt16, ttl: Int = 3600, _ more: String = "") throws -> String {
        try ask(
            "register {\"service\":\"web\",\"id\":\"\(id)\",\"address\":\"127.0.0.1:\(port)\",\"ttl\":\(ttl)\(more)}")
    }

    static let discovered = "clusters: [{ name: api, discovery: { service: web } }]\n"
}

@Suite("Real clients of services whose instances register")
struct DiscoveryMeshTests {
    private func proxy(_ mesh: MeshServer) throws -> ManagedProxy {
        try ManagedProxy(
            """
            control_plane: { cluster: mesh, node: { id: a } }
            clusters: [{ name: mesh, protocol: http2, endpoints: ["127.0.0.1:\(mesh.port)"] }]
            """)
    }

    @Test(
        "Martlet: instances register, drain, are killed and come back; the control plane is killed meanwhile; no request fails"
    )
    func martlet() throws {
        let mesh = try MeshServer()
        let (one, two) = (try ScriptedUpstream.saying("one ok"), try ScriptedUpstream.saying("two ok"))
        let port = try TCPListener.freePort()
        let managed = try proxy(mesh)
        let revision = try mesh.apply(MeshServer.discovered + MeshServer.plain(port))
        #expect(try mesh.settles(1, revision))
        #expect(try managed.status(port) == "503")
        #expect(try mesh.register("1", one.port) == "3600")
        #expect(try eventually { try managed.answer(port) == "one ok" })

        let load = SteadyLoad(port: port, reconnects: true)
        try mesh.register("2", two.port)
        #expect(try eventually { try managed.answer(port) == "two ok" })
        // It drains: once nobody sends to it any more, it may go.
        #expect(try mesh.ask("health web/1 draining") == "draining")
        #expect(try eventually { try !managed.admin("/clusters").contains(":\(one.port)") })
        one.stop()
        // What is registered outlives the control plane, and what is in force its absence.
        mesh.kill()
        #expect(try managed.answer(port) == "two ok")
        try mesh.start()
        #expect(try mesh.settles(1, revision))
        #expect(try mesh.ask("instances") == "default/web/1 default/web/2")
        #expect(try mesh.ask("renew web/2") == "3600")
        #expect(try managed.answer(port) == "two ok")
        let three = try ScriptedUpstream.saying("three ok")
        try mesh.register("1", three.port)
        #expect(try eventually { try managed.answer(port) == "three ok" })
        #expect(load.stop() == 0 && load.sent > 0)

        // One that stops renewing.
        #expect(try mesh.ask("deregister web/2") == "default/web/2")
        try mesh.register("1", three.port, ttl: 1)
        #expect(try eventually { try managed.status(port) == "503" })
        #expect(try mesh.ask("renew web/1").contains("register it again"))
        try mesh.register("1", three.port)
        #expect(try eventually { try managed.answer(port) == "three ok" })
    }

    @Test("Martlet: endpoints from a file")
    func file() throws {
        let mesh = try MeshServer()
        let (one, two) = (try ScriptedUpstream.saying("one ok"), try ScriptedUpstream.saying("two ok"))
        let port = try TCPListener.freePort()
        try mesh.write("default/web.yaml", "endpoints: [\"127.0.0.1:\(one.port)\"]\n")
        let managed = try proxy(mesh)
        let revision = try mesh.apply(
            "clusters: [{ name: api, discovery: { file: web.yaml } }]\n" + MeshServer.plain(port))
        #expect(try mesh.settles(1, revision))
        #expect(try managed.answer(port) == "one ok")
        let load = SteadyLoad(port: port, reconnects: true)
        try mesh.write("default/web.yaml", "endpoints: [\"127.0.0.1:\(two.port)\"]\n")
        #expect(try eventually { try managed.answer(port) == "two ok" })
        try mesh.write("default/web.yaml", "endpoints: nothing\n")
        mesh.kill()
        try mesh.write("default/web.yaml", "endpoints: [\"127.0.0.1:\(one.port)\"]\n")
        try mesh.start()
        #expect(try eventually { try managed.answer(port) == "one ok" })
        #expect(load.stop() == 0 && load.sent > 0)
    }

    @Test("Envoy lets go of an instance that is gone though its health checks pass", arguments: ["GRPC", "DELTA_GRPC"])
    func envoy(_ method: String) throws {
        let mesh = try MeshServer()
        let (one, two) = (try ScriptedUpstream.saying("one ok"), try ScriptedUpstream.saying("two ok"))
        let port = try TCPListener.freePort()
        let envoy = try ManagedEnvoy(mesh, "envoy", method: method)
        let revision = try mesh.apply(
            "clusters: [{ name: api, discovery: { service: web }, health_check: { http: { path: / }, interval: 100ms, timeout: 1s } }]\n"
                + MeshServer.plain(port))
        try mesh.register("1", one.port)
        #expect(try mesh.settles(1, revision), "\(envoy.logged)")
        #expect(try eventually { try envoy.answer(port) == "one ok" }, "\(envoy.logged)")
        let load = SteadyLoad(port: port, reconnects: true)
        try mesh.register("2", two.port)
        #expect(try eventually { try envoy.answer(port) == "two ok" })
        #expect(try mesh.ask("health web/1 draining") == "draining")
        #expect(eventually { envoy.stat("cluster.api.membership_total") == 1 })
        mesh.kill()
        #expect(try envoy.answer(port) == "two ok")
        try mesh.start()
        #expect(try mesh.settles(1, revision))
        #expect(try envoy.answer(port) == "two ok")
        #expect(try mesh.ask("health web/1 healthy") == "healthy")
        #expect(try eventually { try envoy.answer(port) == "one ok" })
        #expect(load.stop() == 0 && load.sent > 0)
        // Nobody renews.
        for (id, upstream) in [("1", one), ("2", two)] { try mesh.register(id, upstream.port, ttl: 1) }
        #expect(eventually { envoy.stat("cluster.api.membership_total") == 0 })
        #expect(try mesh.ask("instances") == "")
        try mesh.register("1", one.port)
        #expect(try eventually { try envoy.answer(port) == "one ok" })
        #expect(envoy.stat("cluster_manager.cds.update_rejected") == 0)
    }

    @Test("gRPC: instances register, drain and go without a failed call")
    func grpc() throws {
        let mesh = try MeshServer()
        let client = try MeshClient(mesh)
        let (one, two) = (try client.serve("one"), try client.serve("two"))
        try mesh.apply(
            "clusters: [{ name: api, protocol: http2, discovery: { service: web } }]\n"
                + "services: [{ name: \"names.mesh:50051\", cluster: api }]\n")
        try mesh.register("1", UInt16(one) ?? 0)
        #expect(try client.ask("until names.mesh:50051 one") == "ok")
        #expect(try client.ask("load names.mesh:50051") == "ok")
        try mesh.register("2", UInt16(two) ?? 0, ",\"zone\":\"b\"")
        #expect(try client.ask("until names.mesh:50051 two") == "ok")
        #expect(try mesh.ask("health web/1 draining") == "draining")
        mesh.kill()
        #expect(try client.ask("until names.mesh:50051 two") == "ok")
        try mesh.start()
        #expect(try mesh.ask("health web/1 healthy") == "healthy")
        #expect(try client.ask("until names.mesh:50051 one") == "ok")
        #expect(try client.ask("loaded") == "True 0")
        for (id, port) in [("1", one), ("2", two)] { try mesh.register(id, UInt16(port) ?? 0, ttl: 1) }
        #expect(try client.ask("until names.mesh:50051 UNAVAILABLE") == "ok")
        try mesh.register("2", UInt16(two) ?? 0)
        #expect(try client.ask("until names.mesh:50051 two") == "ok")
    }
}
