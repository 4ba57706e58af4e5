import Foundation
import MartletTesting
import Testing

@Suite("A proxy that polls a control plane over REST", .serialized)
struct RESTDiscoveryTests {
    private typealias Peer = SovereignPeer

    private func answering(_ text: String) throws -> ScriptedUpstream {
        try ScriptedUpstream.answering("HTTP/1.1 200 OK\r\nContent-Length: \(text.utf8.count)\r\n\r\n\(text)")
    }

    @Test("Envoy and Martlet under one Sovereign answer alike, whatever comes, changes and goes")
    func besideEnvoy() throws {
        let (peer, one, two) = (try Peer(), try answering("one"), try answering("two"))
        let ports = (envoy: try TCPListener.freePort(), martlet: try TCPListener.freePort())
        try peer.serve("clusters", Peer.cluster("one"))
        try peer.serve("endpoints", Peer.endpoints("one", one.port))
        try peer.serve("routes", Peer.routes("main", ("/a", "one")))
        try peer.serve("listeners", Peer.listener())
        let envoy = try peer.envoy(ports.envoy)
        let proxy = try peer.proxy(ports.martlet)
        func expect(_ path: String, _ wanted: String, _ place: SourceLocation = #_sourceLocation) {
            for (name, port) in [("Envoy", ports.envoy), ("Martlet", ports.martlet)] {
                #expect(
                    eventually { outcome(port, path) == wanted },
                    "\(name): \(outcome(port, path)); \(envoy.logged)", sourceLocation: place)
            }
        }
        expect("/a", "200 one")
        expect("/b", "404")
        // A cluster and a route to it, at once.
        try peer.serve("clusters", Peer.cluster("one"), Peer.cluster("two"))
        try peer.serve("endpoints", Peer.endpoints("one", one.port), Peer.endpoints("two", two.port))
        try peer.serve("routes", Peer.routes("main", ("/a", "one"), ("/b", "two")))
        expect("/b", "200 two")
        expect("/a", "200 one")
        // Other endpoints.
        try peer.serve("endpoints", Peer.endpoints("one", two.port), Peer.endpoints("two", one.port))
        expect("/a", "200 two")
        expect("/b", "200 one")
        // A route to a cluster that is not there.
        try peer.serve("routes", Peer.routes("main", ("/a", "nobody"), ("/b", "two")))
        expect("/a", "503")
        expect("/b", "200 one")
        // A cluster goes, with its route.
        try peer.serve("routes", Peer.routes("main", ("/a", "two")))
        try peer.serve("clusters", Peer.cluster("two"))
        try peer.serve("endpoints", Peer.endpoints("two", two.port))
        expect("/a", "200 two")
        expect("/b", "404")
        // Other routes for the listener, under another name.
        try peer.serve("routes", Peer.routes("other", ("/c", "two")))
        try peer.serve("listeners", Peer.listener(routes: "other"))
        expect("/c", "200 two")
        expect("/a", "404")
        // Nothing of it was refused.
        let status = try proxy.admin("/control_plane")
        #expect(status.contains("\"connected\":true") && status.contains("\"responses_refused\":0"), "\(status)")
        #expect(try proxy.metric("martlet_control_plane_connected") == "1")
        let seen = try peer.requests("clusters").last {
            ($0["node"] as? [String: Any])?["id"] as? String == "\(ports.martlet)"
        }
        let node = seen?["node"] as? [String: Any]
        #expect(node?["cluster"] as? String == "edge" && node?["user_agent_name"] as? String == "martlet")
        #expect(proxy.end() == 0)
    }

    @Test("What is wrong is refused by name with a complete status, and the rest is in force")
    func refusals() throws {
        let (peer, one, two) = (try Peer(), try answering("one"), try answering("two"))
        let port = try TCPListener.freePort()
        try peer.serve("clusters", Peer.cluster("one"))
        try peer.serve("endpoints", Peer.endpoints("one", one.port), Peer.endpoints("two", two.port))
        try peer.serve("routes", Peer.routes("main", ("/", "one")))
        try peer.serve("listeners", Peer.listener())
        let proxy = try peer.proxy(port)
        #expect(eventually { outcome(port, "/") == "200 one" })
        // A cluster that cannot be, beside one that can.
        try peer.serve("clusters", Peer.cluster("one"), Peer.cluster("bad", timeout: "-1s"), Peer.cluster("two"))
        #expect(try eventually { try peer.refusal("clusters")?.contains("Cluster bad") == true })
        let reason = try peer.refusal("clusters") ?? ""
        #expect(reason.contains("connect_timeout") && !reason.contains("Cluster two"), "\(reason)")
        try peer.serve("routes", Peer.routes("main", ("/", "two")))
        #expect(eventually { outcome(port, "/") == "200 two" })
        // The same answer is not tried again.
        let refused = try proxy.metric("martlet_control_plane_responses_total{result=\"refused\"}")
        let asked = try peer.requests("clusters").count
        #expect(try eventually { try peer.requests("clusters").count > asked + 3 })
        #expect(try proxy.metric("martlet_control_plane_responses_total{result=\"refused\"}") == refused)
        // A name that no field has: none of the response, told with its resource.
        try peer.serve("routes", #"{"name": "main", "virtual_hosts": [{"nam": "all", "domains": ["*"]}]}"#)
        #expect(try eventually { try peer.refusal("routes")?.contains("\"nam\"") == true })
        let words = try peer.refusal("routes") ?? ""
        #expect(words.contains("RouteConfiguration main") && words.contains("virtual_hosts[0].nam"), "\(words)")
        #expect(outcome(port, "/") == "200 two")
        // What Envoy has and Martlet has not.
        try peer.serve("clusters", #"{"name": "two", "type": "STATIC", "lb_subset_config": {}}"#)
        #expect(try eventually { try peer.refusal("clusters")?.contains("Cluster.lb_subset_config") == true })
        #expect(outcome(port, "/") == "200 two")
        // Mended.
        try peer.serve("clusters", Peer.cluster("one"))
        try peer.serve("routes", Peer.routes("main", ("/", "one")))
        #expect(eventually { outcome(port, "/") == "200 one" })
        #expect(try eventually { try peer.refusal("clusters") == nil && peer.refusal("routes") == nil })
    }

    @Test("A control plane that goes away costs nothing, and one that comes back is heard")
    func away() throws {
        let (one, two) = (try answering("one"), try answering("two"))
        let port = try TCPListener.freePort()
        var peer: Peer? = try Peer()
        let address = try #require(peer).port
        func serve(_ upstream: ScriptedUpstream) throws {
            try peer?.serve("clusters", Peer.cluster("one"))
            try peer?.serve("endpoints", Peer.endpoints("one", upstream.port))
            try peer?.serve("routes", Peer.routes("main", ("/", "one")))
            try peer?.serve("listeners", Peer.listener())
        }
        try serve(one)
        let proxy = try #require(peer).proxy(port)
        #expect(eventually { outcome(port, "/") == "200 one" })
        // All of a type gone is answered as a path that nobody serves is: what is in force stays, as with Envoy.
        try peer?.serve("clusters")
        let asked = try peer?.requests("clusters").count ?? 0
        #expect(try eventually { try peer?.requests("clusters").count ?? 0 > asked + 2 })
        #expect(outcome(port, "/") == "200 one")
        peer = nil
        #expect(try eventually { try proxy.admin("/control_plane").contains("\"connected\":false") })
        #expect(outcome(port, "/") == "200 one")
        #expect(eventually { proxy.hasFile("last.state") })
        try proxy.restart()
        #expect(proxy.logged.contains("what was last in force is used"))
        #expect(eventually { outcome(port, "/") == "200 one" })
        peer = try Peer(port: address)
        try serve(two)
        #expect(eventually { outcome(port, "/") == "200 two" })
        #expect(try eventually { try proxy.admin("/control_plane").contains("\"connected\":true") })
    }

    @Test("The command line is enough")
    func commandLine() throws {
        let (peer, one) = (try Peer(), try answering("one"))
        let port = try TCPListener.freePort()
        // Over the command line its cluster is called `control-plane`, and that of the resources otherwise.
        try peer.serve(
            "clusters", #"{"name": "one", "type": "STATIC", "load_assignment": \#(Peer.endpoints("one", one.port))}"#)
        try peer.serve(
            "listeners",
            Peer.listener().replacingOccurrences(of: "\"sovereign\"", with: "\"control-plane\""))
        try peer.serve("routes", Peer.routes("main", ("/", "one")))
        let proxy = try ManagedProxy(
            arguments: ["--control-plane", "127.0.0.1:\(peer.port)", "--method", "rest", "--node", "\(port)"])
        #expect(eventually { outcome(port, "/") == "200 one" }, "\(proxy.logged)")
    }
}
