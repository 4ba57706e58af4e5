import Foundation
import MartletTesting
import Testing

extension ADSPeer {
    /// Streams of reports that were asked for, reports that came, and versions in force with what waits, by type.
    fileprivate var reported: (streams: Int, reports: Int, states: [String: String]) {
        let words = ((try? ask("reported")) ?? "").split(separator: " ").map(String.init)
        let states = words.dropFirst(2).map { word in
            let parts = word.split(separator: "=", omittingEmptySubsequences: false).map(String.init)
            return (parts[0], parts.dropFirst().joined(separator: "="))
        }
        return (
            Int(words.first ?? "") ?? 0, Int(words.dropFirst().first ?? "") ?? 0,
            Dictionary(states, uniquingKeysWith: { $1 })
        )
    }
}

@Suite("Reports to control planes that nobody here wrote", .serialized)
struct ReportStreamTests {
    private static let methods = ["delta", "sotw"]

    private func proxy(_ peer: ADSPeer, _ method: String) throws -> ManagedProxy {
        try ManagedProxy(
            """
            control_plane: { cluster: control-plane, node: { id: edge-1 }, method: \(method), initial_fetch_timeout: 60s }
            clusters: [{ name: control-plane, protocol: http2, endpoints: ["127.0.0.1:\(peer.port)"] }]
            """)
    }

    /// A change that is seen in answers, there and back.
    private func change(
        _ peer: ADSPeer, _ proxy: ManagedProxy, _ port: UInt16, _ one: ScriptedUpstream, _ two: ScriptedUpstream
    ) throws {
        for (upstream, word) in [(two, "two"), (one, "one")] {
            try peer.endpoints("one", [upstream.port])
            try peer.push("endpoints")
            #expect(try eventually { try proxy.answer(port) == word })
        }
    }

    @Test("Where nobody takes them they are offered once for each stream of discovery", arguments: methods)
    func unimplemented(method: String) throws {
        let (peer, one, two) = (
            try ADSPeer(), try ScriptedUpstream.answering("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none"),
            try ScriptedUpstream.answering("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntwo")
        )
        let port = try TCPListener.freePort()
        try peer.serve(port, from: one)
        let proxy = try proxy(peer, method)
        #expect(try proxy.answer(port) == "one")
        #expect(eventually { peer.reported.streams == 1 })
        try change(peer, proxy, port, one, two)
        #expect(try peer.reported.streams == 1 && peer.ask("streams") == "1")
        try peer.ask("end")
        #expect(eventually { peer.reported.streams == 2 })
        try change(peer, proxy, port, one, two)
        #expect(try peer.reported.streams == 2 && peer.ask("streams") == "2")
        #expect(try proxy.admin("/control_plane").contains("\"responses_refused\":0"))
    }

    @Test("Where they break they are offered again, and discovery goes on", arguments: methods)
    func breaking(method: String) throws {
        let (peer, one, two) = (
            try ADSPeer(), try ScriptedUpstream.answering("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none"),
            try ScriptedUpstream.answering("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntwo")
        )
        let port = try TCPListener.freePort()
        try peer.ask("reports break")
        try peer.serve(port, from: one)
        let proxy = try proxy(peer, method)
        #expect(try proxy.answer(port) == "one")
        #expect(eventually { peer.reported.streams >= 2 })
        try change(peer, proxy, port, one, two)
        #expect(try peer.ask("streams") == "1")
        // Once they are taken, they come.
        try peer.ask("reports take")
        #expect(eventually { peer.reported.states["Listener"]?.isEmpty == false })
    }

    @Test("One that is not answered is the only one, and the next has what came meanwhile", arguments: methods)
    func unanswered(method: String) throws {
        let (peer, one, two) = (
            try ADSPeer(), try ScriptedUpstream.answering("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none"),
            try ScriptedUpstream.answering("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntwo")
        )
        let port = try TCPListener.freePort()
        try peer.ask("reports mute")
        try peer.serve(port, from: one)
        let proxy = try proxy(peer, method)
        #expect(try proxy.answer(port) == "one")
        #expect(eventually { peer.reported.reports == 1 })
        let before = peer.reported.states
        for _ in 0..<3 { try change(peer, proxy, port, one, two) }
        #expect(peer.reported.reports == 1 && peer.reported.states == before)
        try peer.ask("reports take")
        #expect(eventually { peer.reported.reports > 1 && peer.reported.states != before })
    }

    @Test("What has been accepted and still waits is not told to be in force", arguments: methods)
    func warming(method: String) throws {
        let (peer, one) = (
            try ADSPeer(), try ScriptedUpstream.answering("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none")
        )
        let port = try TCPListener.freePort()
        try peer.ask("reports take")
        try peer.serve(port, from: one)
        let proxy = try proxy(peer, method)
        #expect(try proxy.answer(port) == "one")
        let settled = { peer.reported.states["Cluster"].map { !$0.isEmpty && !$0.contains(",") } ?? false }
        #expect(eventually(settled))
        let before = try #require(peer.reported.states["Cluster"])
        // Acknowledged, and without endpoints.
        try peer.ask("hold endpoints")
        try peer.cluster("late")
        try peer.push("cluster")
        #expect(eventually { peer.reported.states["Cluster"] == before + ",late" })
        #expect(try proxy.admin("/control_plane").contains("\"waiting\":1"))
        try peer.endpoints("late", [one.port])
        try peer.ask("go endpoints")
        #expect(eventually { settled() && peer.reported.states["Cluster"] != before })
    }
}
