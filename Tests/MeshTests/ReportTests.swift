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
}
