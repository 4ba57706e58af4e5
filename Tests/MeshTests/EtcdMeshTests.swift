import Foundation
import MartletTesting
import Testing

/// An etcd of one member.
private final class Etcd {
    let port: UInt16
    private let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
        "martlet-etcd-\(UUID().uuidString)")
    private let tool: TalkingTool

    init() throws {
        port = try TCPListener.freePort()
        let (client, peer) = ("http://127.0.0.1:\(port)", "http://127.0.0.1:\(try TCPListener.freePort())")
        tool = try TalkingTool(
            "etcd",
            [
                "--data-dir", folder.path, "--name", "one", "--log-level", "panic", "--listen-client-urls", client,
                "--advertise-client-urls", client, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                "--initial-cluster", "one=\(peer)", "--heartbeat-interval", "50", "--election-timeout", "250",
            ])
        let isHealthy = try eventually {
            try Tool.run("curl", ["-s", "-m", "10", "\(client)/health"]).output.contains("true")
        }
        guard isHealthy else { throw TestProxy.NotReady(description: "etcd: \(tool.said)") }
    }

    deinit {
        _ = tool.end()
        try? FileManager.default.removeItem(at: folder)
    }
}

@Suite("A control plane of several processes")
struct EtcdMeshTests {
    @Test(
        "What registers with one is in force under the other; renewals at either count, and one that dies is not missed"
    )
    func replicas() throws {
        let etcd = try Etcd()
        let store = "{ etcd: { endpoints: [\"127.0.0.1:\(etcd.port)\"] } }"
        let controls = try (0..<2).map { _ in try ControlProcess(store: store).start() }
        let upstream = try ScriptedUpstream.saying("one ok")
        let port = try TCPListener.freePort()
        let mesh = MeshServer.discovered + MeshServer.plain(port)
        let applied = try controls[0].ask(
            "POST", "/v1/namespaces/default/apply", body: try ControlProcess.apply(mesh))
        #expect(applied.status == 200, "\(applied)")
        let proxy = try ManagedProxy(arguments: ["--control-plane", controls[1].xds, "--node", "edge"])
        #expect(try eventually { try proxy.status(port) == "503" })
        let path = "/v1/namespaces/default/services/web/instances/1"
        let body = "{\"address\":\"127.0.0.1:\(upstream.port)\",\"ttl_seconds\":3600}"
        #expect(try controls[0].ask("PUT", path, body: body).status == 200)
        #expect(try eventually { try proxy.answer(port) == "one ok" })
        #expect(try controls[1].ask("POST", path + "/renew")["ttl_seconds"] == "3600")
        #expect(controls[0].end() == 0)
        #expect(try controls[1].ask("POST", path + "/renew").status == 200)
        #expect(try proxy.answer(port) == "one ok")
        // It stops renewing.
        #expect(try controls[1].ask("PUT", path, body: body.replacing("3600", with: "1")).status == 200)
        #expect(try eventually { try proxy.status(port) == "503" })
        #expect(try controls[1].ask("POST", path + "/renew").status == 404)
    }
}
