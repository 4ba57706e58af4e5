import Foundation
import MartletTesting
import Testing

private func proxy(_ mesh: MeshServer, _ id: String, _ more: String = "", method: String = "delta") throws
    -> ManagedProxy
{
    try ManagedProxy(
        """
        control_plane: { cluster: mesh, method: \(method), node: { id: \(id)\(more) } }
        clusters: [{ name: mesh, protocol: http2, endpoints: ["127.0.0.1:\(mesh.port)"] }]
        """)
}

@Suite("Martlet proxies under Martlet's control plane")
struct MeshTests {
    @Test("What is applied is in force on every proxy, and where it is can be seen", arguments: ["delta", "sotw"])
    func life(_ method: String) throws {
        let mesh = try MeshServer()
        let (one, two) = (try ScriptedUpstream.saying("one"), try ScriptedUpstream.saying("two"))
        let ports = try (0..<2).map { _ in try TCPListener.freePort() }
        let proxies = try ["a", "b"].map { try proxy(mesh, $0, method: method) }
        var revision = try mesh.apply(
            "clusters:\n" + MeshServer.cluster("api", one) + """
                listeners:
                  - { name: a, proxies: { ids: [a] }, address: 127.0.0.1:\(ports[0]), filters: [router], routes: [{ match: {}, cluster: api }] }
                  - { name: b, proxies: { ids: [b] }, address: 127.0.0.1:\(ports[1]), filters: [router], routes: [{ match: {}, cluster: api }] }
                """)
        #expect(try mesh.settles(2, revision))
        for (proxy, port) in zip(proxies, ports) { #expect(try proxy.answer(port) == "one") }

        // A policy, pushed live.
        revision = try mesh.apply(
            """
            policies: [{ name: mark, inline: "function on_response(h) h:headers():add('x-mark', '1') end" }]
            listeners: [{ name: a, proxies: { ids: [a] }, address: 127.0.0.1:\(ports[0]), filters: [{ lua: { policy: mark } }, router], routes: [{ match: {}, cluster: api }] }]
            """)
        #expect(try mesh.settles(2, revision))
        #expect(try Tool.run("curl", ["-si", "http://127.0.0.1:\(ports[0])/"]).output.contains("x-mark: 1"))
        #expect(try !Tool.run("curl", ["-si", "http://127.0.0.1:\(ports[1])/"]).output.contains("x-mark: 1"))

        // Other endpoints.
        #expect(
            try mesh.plan("clusters:\n" + MeshServer.cluster("api", two)).contains(
                "a: ClusterLoadAssignment api update"))
        revision = try mesh.apply("clusters:\n" + MeshServer.cluster("api", two))
        #expect(try mesh.settles(2, revision))
        for (proxy, port) in zip(proxies, ports) { #expect(try proxy.answer(port) == "two") }

        // A listener goes.
        revision = try #require(Int(try mesh.ask("delete listeners/b")))
        #expect(try mesh.settles(2, revision))
        #expect(try eventually { try proxies[1].answer(ports[1]) == "" })
        // And everything is what it was.
        revision = try #require(Int(try mesh.ask("rollback 1")))
        #expect(try mesh.settles(2, revision))
        for (proxy, port) in zip(proxies, ports) { #expect(try proxy.answer(port) == "one") }
    }

    @Test("A control plane that is killed costs no request, and one that comes back is told where everybody is")
    func killed() throws {
        let mesh = try MeshServer()
        let (one, two) = (try ScriptedUpstream.saying("one"), try ScriptedUpstream.saying("two"))
        let port = try TCPListener.freePort()
        let managed = try proxy(mesh, "a")
        let revision = try mesh.apply("clusters:\n" + MeshServer.cluster("api", one) + MeshServer.plain(port))
        #expect(try mesh.settles(1, revision))
        mesh.kill()
        #expect(try managed.answer(port) == "one")
        try mesh.start()
        #expect(try mesh.settles(1, revision))
        let next = try mesh.apply("clusters:\n" + MeshServer.cluster("api", two))
        #expect(try mesh.settles(1, next))
        #expect(try managed.answer(port) == "two")
    }

    @Test("Namespaces are told apart by a proxy's label")
    func tenants() throws {
        let mesh = try MeshServer()
        let (one, two) = (try ScriptedUpstream.saying("one"), try ScriptedUpstream.saying("two"))
        let ports = try (0..<2).map { _ in try TCPListener.freePort() }
        let proxies = [
            try proxy(mesh, "a", ", labels: { namespace: red }"), try proxy(mesh, "b", ", labels: { namespace: blue }"),
        ]
        try mesh.apply(
            "clusters:\n" + MeshServer.cluster("api", one) + MeshServer.plain(ports[0]), namespace: "red")
        let revision = try mesh.apply(
            "clusters:\n" + MeshServer.cluster("api", two) + MeshServer.plain(ports[1]), namespace: "blue")
        #expect(try mesh.settles(2, revision))
        #expect(try proxies[0].answer(ports[0]) == "one")
        #expect(try proxies[1].answer(ports[1]) == "two")
    }
}
