import Foundation
import MartletTesting
import Testing

@Suite("Connections whose bytes are passed on outlive what changes around them")
struct TCPChangeTests {
    @Test("Reloads, to other clusters and without the endpoint, leave transfers alone")
    func reload() throws {
        let size = 60_000_000
        let upstream = try ScriptedUpstream { upstream, connection in
            upstream.record("\(connection.receive(size, seed: 4))")
            try? connection.send("done")
        }
        let next = try TCPRig.naming("next")
        let proxy = try TestProxy(listener: TCPRig.listener(), rest: TestProxy.cluster(upstream.port))
        let client = try proxy.connect()
        let sending = Errand {
            let isSent = (try? client.send(size, seed: 4, piece: 20_000)) != nil
            client.finishSending()
            return isSent
        }
        #expect(eventually { upstream.accepted == 1 })
        for round in 0..<20 {
            let listener = TCPRig.listener("    cluster: up\n    limits: { max_connections: \(100 + round) }")
            try proxy.configure(listener: listener, rest: TestProxy.cluster(next.port))
            #expect(try proxy.admin("/reload", method: "POST").hasPrefix("HTTP/1.1 200 "))
            #expect(try proxy.exchange("") == "next")
        }
        #expect(sending.wait() == true)
        #expect(client.receiveToEnd() && client.text == "done")
        #expect(upstream.recorded == ["true"])
    }

    @Test("A drain lets them go on, and the process ends with them")
    func drain() throws {
        let upstream = try TCPRig.echo()
        let proxy = try TestProxy(workers: 2, listener: TCPRig.listener(), rest: TestProxy.cluster(upstream.port))
        let client = try proxy.connect()
        try client.send("one")
        #expect(client.receive { $0.text == "one" })
        proxy.signal(SIGTERM)
        #expect(eventually { (try? proxy.connect()) == nil })
        try client.send(" two")
        #expect(client.receive { $0.text == "one two" })
        client.finishSending()
        #expect(client.receiveToEnd())
        #expect(proxy.exitCode() == 0)
    }

    @Test("What is open at the drain deadline is reset, logged, and no failure")
    func deadline() throws {
        let upstream = try TCPRig.echo()
        let proxy = try TestProxy(
            listener: TCPRig.listener(),
            rest: "drain: { deadline: 200ms }\n" + TestProxy.cluster(upstream.port))
        let client = try proxy.connect()
        try client.send("one")
        #expect(client.receive { $0.text == "one" })
        proxy.signal(SIGTERM)
        #expect(client.receiveEnding() == .failed)
        #expect(proxy.exitCode() == 0)
        #expect(TCPRig.logged(proxy).first?.contains("\"flags\":\"LR\",\"reason\":\"drain-deadline\"") == true)
    }

    @Test("Nothing is left of connections that came and went")
    func leaves() throws {
        let upstream = try TCPRig.echo()
        let proxy = try TestProxy(listener: TCPRig.listener(), rest: TestProxy.cluster(upstream.port))
        for _ in 0..<5 { #expect(try proxy.exchange(String(repeating: "x", count: 300_000)).count == 300_000) }
        let before = proxy.descriptors
        for _ in 0..<50 { #expect(try proxy.exchange(String(repeating: "x", count: 300_000)).count == 300_000) }
        for _ in 0..<50 { try proxy.connect().reset() }
        // A pipe or two stay with the worker for the next one.
        #expect(eventually { proxy.descriptors <= before + 32 })
    }
}
