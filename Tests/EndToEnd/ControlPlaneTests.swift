import Foundation
import MartletTesting
import Testing

/// The proxy under a control plane that nobody here wrote the messages of.
@Suite("A proxy that is told by a control plane what to do", .serialized)
struct ControlPlaneTests {
    private static let methods = ["delta", "sotw"]

    private func proxy(_ peer: ADSPeer, _ method: String, state: Bool = true, more: String = "") throws -> ManagedProxy
    {
        try ManagedProxy(
            """
            control_plane:
              cluster: control-plane
              node: { id: edge-1, cluster: edge, zone: a, labels: { tier: front } }
              method: \(method)
              initial_fetch_timeout: 2s
            \(state ? "  state: last.state" : "")
            clusters:
              - { name: control-plane, protocol: http2, endpoints: ["127.0.0.1:\(peer.port)"] }
            \(more)
            """)
    }

    private func answering(_ text: String) throws -> ScriptedUpstream {
        try ScriptedUpstream.answering("HTTP/1.1 200 OK\r\nContent-Length: \(text.utf8.count)\r\n\r\n\(text)")
    }

    @Test("Listeners, routes, clusters and endpoints come, change and go", arguments: methods)
    func lifeOfResources(method: String) throws {
        let (peer, one, two) = (try ADSPeer(), try answering("one"), try answering("two"))
        let port = try TCPListener.freePort()
        try peer.serve(port, from: one)
        let proxy = try proxy(peer, method)
        #expect(try proxy.answer(port) == "one")
        #expect(peer.node["id"] as? String == "edge-1" && peer.node["cluster"] as? String == "edge")
        #expect((peer.node["metadata"] as? [String: String]) == ["tier": "front"])
        // Endpoints alone.
        try peer.endpoints("one", [two.port])
        try peer.push("endpoints")
        #expect(try eventually { try proxy.answer(port) == "two" })
        // Another cluster, then the route that leads there, then the first goes.
        try peer.cluster("other")
        try peer.endpoints("other", [one.port])
        try peer.push("cluster", "endpoints")
        try peer.routes(cluster: "other")
        try peer.push("routes")
        #expect(try eventually { try proxy.answer(port) == "one" })
        try peer.ask("drop cluster one")
        try peer.ask("drop endpoints one")
        try peer.push("cluster")
        #expect(eventually { peer.names("endpoints") == ["other"] })
        #expect(try proxy.answer(port) == "one")
        // A second listener, and the first goes.
        let second = try TCPListener.freePort()
        try peer.listener("second", port: second)
        try peer.ask("drop listener public")
        try peer.push("listener")
        #expect(try eventually { try proxy.answer(second) == "one" })
        #expect(eventually { (try? TCPSocket(port: port)) == nil })
        for type in ["cluster", "endpoints", "listener", "routes"] { #expect(peer.refusal(type) == nil) }
        let status = try proxy.admin("/control_plane")
        #expect(status.contains("\"connected\":true") && status.contains("\"responses_refused\":0"), "\(status)")
        let metrics = try proxy.admin("/metrics")
        #expect(metrics.contains("martlet_control_plane_connected 1\n"))
        #expect(proxy.end() == 0)
    }

    @Test("A route may lead to a cluster of the proxy's own, or to none", arguments: methods)
    func otherClusters(method: String) throws {
        let (peer, one) = (try ADSPeer(), try answering("one"))
        let port = try TCPListener.freePort()
        try peer.routes(cluster: "own")
        try peer.listener(port: port)
        let own = "  - { name: own, endpoints: [\"127.0.0.1:\(one.port)\"] }"
        let proxy = try proxy(peer, method, more: own)
        #expect(try eventually { try proxy.answer(port) == "one" })
        try peer.routes(cluster: "nobody")
        try peer.push("routes")
        #expect(try eventually { try proxy.status(port) == "503" })
        #expect(peer.refusal("routes") == nil)
    }

    @Test("What is wrong is refused by name, and the rest is in force", arguments: methods)
    func refusals(method: String) throws {
        let (peer, one) = (try ADSPeer(), try answering("one"))
        let port = try TCPListener.freePort()
        try peer.serve(port, from: one)
        let proxy = try proxy(peer, method)
        #expect(try proxy.answer(port) == "one")
        // A cluster that cannot be, beside one that can.
        try peer.cluster("bad", timeout: "-1s")
        try peer.cluster("good")
        try peer.endpoints("good", [one.port])
        try peer.push("cluster")
        #expect(eventually { peer.refusal("cluster")?.contains("Cluster bad") == true })
        #expect(peer.refusal("cluster")?.contains("connect_timeout") == true, "\(peer.refusal("cluster") ?? "")")
        try peer.routes(cluster: "good")
        try peer.push("routes")
        #expect(try eventually { try proxy.admin("/clusters").contains("\"good\"") })
        #expect(try proxy.answer(port) == "one")
        // The same name twice in one response: none of it.
        try peer.ask("twice routes")
        // Delta sends only what the client has not: make it differ.
        try peer.routes(cluster: "one")
        try peer.ask("twice routes")
        #expect(eventually { peer.refusal("routes")?.contains("twice") == true })
        #expect(try proxy.answer(port) == "one")
        #expect(try proxy.admin("/control_plane").contains("twice in one response"))
        // What was refused is not tried again and again.
        let version = try proxy.metric("martlet_config_version")
        for _ in 0..<100 { #expect(try proxy.answer(port) == "one") }
        #expect(try proxy.metric("martlet_config_version") == version)
    }

    @Test("A cluster waits for its endpoints, a listener for its routes, and not for ever", arguments: methods)
    func warming(method: String) throws {
        let (peer, one) = (try ADSPeer(), try answering("one"))
        let port = try TCPListener.freePort()
        try peer.serve(port, from: one)
        let proxy = try proxy(peer, method)
        #expect(try proxy.answer(port) == "one")
        // The new version of the listener mentions routes that do not come: the old one serves on.
        try peer.ask("hold routes")
        try peer.listener(port: port, routes: "later")
        try peer.push("listener")
        #expect(eventually { peer.names("routes").contains("later") })
        #expect(try proxy.answer(port) == "one")
        try peer.routes("later", cluster: "one")
        try peer.ask("go routes")
        #expect(eventually { peer.names("routes") == ["later"] })
        #expect(try proxy.answer(port) == "one")
        // Routes that never come: after initial_fetch_timeout there are none.
        try peer.ask("hold routes")
        try peer.listener(port: port, routes: "never")
        try peer.push("listener")
        #expect(try eventually { try proxy.status(port) == "404" })
    }

    @Test("A control plane that goes away costs nothing, and one that comes back is heard", arguments: methods)
    func away(method: String) throws {
        let (one, two) = (try answering("one"), try answering("two"))
        let port = try TCPListener.freePort()
        var peer: ADSPeer? = try ADSPeer()
        try peer?.serve(port, from: one)
        let address = try #require(peer).port
        let proxy = try proxy(try #require(peer), method)
        #expect(try proxy.answer(port) == "one")
        // The stream breaks: the same again, without a difference.
        try peer?.ask("end")
        #expect(try eventually { try peer?.ask("streams") == "2" })
        #expect(try proxy.answer(port) == "one")
        // The server is gone, and the proxy starts anew without it.
        #expect(eventually { proxy.hasFile("last.state") })
        peer = nil
        try proxy.restart()
        #expect(proxy.logged.contains("what was last in force is used"))
        #expect(try proxy.answer(port) == "one")
        // It comes back, with something else.
        peer = try ADSPeer(port: address)
        try peer?.serve(port, from: two)
        try peer?.push("cluster", "endpoints", "listener", "routes")
        #expect(try eventually { try proxy.answer(port) == "two" })
    }

    @Test("Without a control plane and without a state a proxy is not ready, and then serves what its file says")
    func alone() throws {
        let one = try answering("one")
        let (port, nobody) = (try TCPListener.freePort(), try TCPListener.freePort())
        let proxy = try ManagedProxy(
            """
            control_plane: { cluster: control-plane, node: { id: edge-1 }, initial_fetch_timeout: 100ms }
            listeners:
              - name: own
                address: 127.0.0.1:\(port)
                filters: [router]
                routes: [{ match: {}, cluster: one }]
            clusters:
              - { name: control-plane, protocol: http2, endpoints: ["127.0.0.1:\(nobody)"] }
              - { name: one, endpoints: ["127.0.0.1:\(one.port)"] }
            """)
        #expect(try proxy.answer(port) == "one")
    }

    @Test("The command line is enough")
    func commandLine() throws {
        let (peer, one) = (try ADSPeer(), try answering("one"))
        let port = try TCPListener.freePort()
        try peer.serve(port, from: one)
        let proxy = try ManagedProxy(
            arguments: ["--control-plane", "127.0.0.1:\(peer.port)", "--node", "edge \"7\"", "--cluster", "edge"])
        #expect(try proxy.answer(port) == "one")
        #expect(peer.node["id"] as? String == "edge \"7\"")
    }

    @Test("Of several control planes the next is tried when one is not there, or goes", arguments: methods)
    func replicas(method: String) throws {
        let one = try answering("one")
        let port = try TCPListener.freePort()
        var peers: [ADSPeer?] = try (0..<2).map { _ in
            let peer = try ADSPeer()
            try peer.serve(port, from: one)
            return peer
        }
        let addresses = [try TCPListener.freePort()] + peers.compactMap { $0?.port }
        let proxy = try ManagedProxy(arguments: [
            "--control-plane", addresses.map { "127.0.0.1:\($0)" }.joined(separator: ","), "--node", "edge-1",
            "--method",
            method,
        ])
        #expect(try eventually { try proxy.answer(port) == "one" })
        let first = try #require(try peers.firstIndex { try $0?.ask("streams") != "0" })
        peers[first] = nil
        let other = try #require(peers[1 - first])
        #expect(try eventually { try other.ask("streams") == "1" })
        #expect(try proxy.answer(port) == "one")
        let two = try answering("two")
        try other.endpoints("one", [two.port])
        try other.push("endpoints")
        #expect(try eventually { try proxy.answer(port) == "two" })
    }

    @Test("What cannot be a list of control planes is told", arguments: ["a:1,b:1", "127.0.0.1:1,", "127.0.0.1:1,b:2"])
    func lists(_ text: String) throws {
        let result = try Tool.run(Tool.martlet.path, ["run", "--control-plane", text, "--node", "edge-1"])
        #expect(result.code != 0 && result.output.contains("--control-plane takes one name, or several addresses"))
    }
}
