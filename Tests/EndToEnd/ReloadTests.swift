import Foundation
import MartletTesting
import Testing

private let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

@Suite("Reloads that move clusters and listeners cost no request")
struct ReloadTests {
    private func reload(_ proxy: TestProxy) throws {
        let answer = try proxy.admin("/reload", method: "POST")
        #expect(answer.hasPrefix("HTTP/1.1 200 "), "\(answer)")
    }

    // MARK: Names

    @Test("Endpoints to a name and back, new names, other refresh and timeouts: every request finds an endpoint")
    func names() throws {
        let upstream = try ScriptedUpstream.answering(ok)
        let other = try ScriptedUpstream.answering(ok)
        let source = [
            "endpoints: [\"127.0.0.1:\(upstream.port)\"]",
            "discovery: { dns: \"localhost:\(upstream.port)\" }",
            "discovery: { dns: \"localhost:\(upstream.port)\", refresh: 1s }",
            "connect_timeout: 2s, discovery: { dns: \"localhost:\(upstream.port)\" }",
            "discovery: { dns: \"localhost:\(other.port)\" }",
        ]
        func rest(_ step: Int) -> String { "clusters: [{ name: up, \(source[step % source.count]) }]" }
        let proxy = try TestProxy(workers: 2, listener: TestProxy.forwarding, rest: rest(0))
        let loads = (0..<4).map { _ in SteadyLoad(proxy) }
        for step in 1...100 {
            try proxy.configure(listener: TestProxy.forwarding, rest: rest(step))
            try reload(proxy)
            #expect(try proxy.get("/").hasSuffix("ok"))
        }
        #expect(loads.map { $0.stop() } == [0, 0, 0, 0])
        #expect(loads.allSatisfy { $0.sent > 0 })
        #expect(!other.recorded.isEmpty)
    }

    @Test("A new cluster whose name does not resolve is in force all the same, with a warning")
    func unknownName() throws {
        let upstream = try ScriptedUpstream.answering(ok)
        let proxy = try TestProxy(upstream: upstream)
        let nowhere = "\n  - { name: nowhere, discovery: { dns: \"no-such-host.invalid:80\" } }"
        try proxy.configure(listener: TestProxy.forwarding, rest: TestProxy.cluster(upstream.port) + nowhere)
        try reload(proxy)
        let warning = "clusters[1].discovery.dns: cannot resolve no-such-host.invalid"
        #expect(eventually { proxy.logged.contains(warning) })
        #expect(try proxy.get("/").hasSuffix("ok"))
        // It is waited for once: a name that never resolves must not hold up every reload.
        try reload(proxy)
        #expect(eventually { proxy.logged.contains("version 3 in force") })
        #expect(proxy.logged.components(separatedBy: warning).count == 2)
    }

    // MARK: Listeners

    /// A name, an address, and what its answers carry in `x-listener`.
    private func configure(
        _ proxy: TestProxy, _ upstream: UInt16, _ listeners: [(name: String, address: String)]
    ) throws {
        let text = listeners.map { name, address in
            """
              - name: \(name)
                address: \(address)
                filters: [headers: { response: { set: { x-listener: \(name) } } }, router]
                routes: [{ match: { path: { prefix: / } }, cluster: up }]

            """
        }
        let admin = "admin: { address: 127.0.0.1:\(proxy.adminPort) }\n"
        try proxy.write("martlet.yaml", admin + "listeners:\n" + text.joined() + TestProxy.cluster(upstream))
        try reload(proxy)
    }

    private func answer(_ port: UInt16) throws -> String {
        let client = try TCPSocket(port: port)
        try client.send("GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        client.receiveToEnd()
        return client.text
    }

    /// On connections that stay, and on new ones.
    private func loads(_ ports: [UInt16]) -> [SteadyLoad] {
        let loads = ports.flatMap { [SteadyLoad(port: $0), SteadyLoad(port: $0, reconnects: true)] }
        #expect(eventually { loads.allSatisfy { $0.sent > 0 } })
        return loads
    }

    @Test("A listener under another name keeps its connections, which go by the new configuration")
    func rename() throws {
        let upstream = try ScriptedUpstream.answering(ok)
        let proxy = try TestProxy(workers: 2, listener: TestProxy.forwarding, rest: TestProxy.cluster(upstream.port))
        let loads = loads([proxy.port])
        let kept = try proxy.connect()
        for step in 1...50 {
            let name = "name-\(step)"
            try configure(proxy, upstream.port, [(name, "127.0.0.1:\(proxy.port)")])
            #expect(try answer(proxy.port).contains("x-listener: \(name)\r\n"))
            kept.forget()
            try kept.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n")
            #expect(kept.receive { $0.text.hasSuffix("ok") } && kept.text.contains("x-listener: \(name)\r\n"))
        }
        #expect(loads.map { $0.stop() } == [0, 0])
        // The gauge went with the connections.
        func active(_ name: String) throws -> String? {
            try proxy.metric("martlet_downstream_connections_active{listener=\"\(name)\"}")
        }
        #expect(try eventually { try active("name-50") == "1" && active("public") == "0" && active("name-49") == "0" })
    }

    @Test("Two listeners swap their addresses")
    func swap() throws {
        let upstream = try ScriptedUpstream.answering(ok)
        let proxy = try TestProxy(workers: 2, listener: TestProxy.forwarding, rest: TestProxy.cluster(upstream.port))
        let ports = [proxy.port, try TCPListener.freePort()]
        func addresses(_ step: Int) -> [(String, String)] {
            [("one", "127.0.0.1:\(ports[step % 2])"), ("two", "127.0.0.1:\(ports[1 - step % 2])")]
        }
        try configure(proxy, upstream.port, addresses(0))
        let loads = loads(ports)
        for step in 1...50 {
            try configure(proxy, upstream.port, addresses(step))
            #expect(try answer(ports[step % 2]).contains("x-listener: one\r\n"))
            #expect(try answer(ports[1 - step % 2]).contains("x-listener: two\r\n"))
        }
        #expect(loads.map { $0.stop() } == [0, 0, 0, 0])
    }

    @Test("One address to all addresses of its port, and back, under the same name and another")
    func widen() throws {
        let upstream = try ScriptedUpstream.answering(ok)
        let proxy = try TestProxy(workers: 2, listener: TestProxy.forwarding, rest: TestProxy.cluster(upstream.port))
        let descriptors = proxy.descriptors
        let new = SteadyLoad(port: proxy.port, reconnects: true)
        for step in 1...50 {
            let name = step % 3 == 0 ? "public" : "other"
            let isWide = step % 2 == 1
            let kept = isWide ? SteadyLoad(proxy) : nil
            #expect(eventually { new.sent > 0 && kept?.sent != 0 })
            try configure(proxy, upstream.port, [(name, "\(isWide ? "0.0.0.0" : "127.0.0.1"):\(proxy.port)")])
            #expect(try answer(proxy.port).contains("x-listener: \(name)\r\n"))
            // Who is connected stays so when addresses are added.
            #expect(kept.map { $0.stop() } ?? 0 == 0)
        }
        #expect(new.stop() == 0)
        // Sockets are neither left over nor taken twice.
        #expect(eventually { proxy.descriptors < descriptors + 20 })
    }

    @Test("All addresses of a port to one of them: new connections find it at once")
    func narrow() throws {
        let upstream = try ScriptedUpstream.answering(ok)
        let proxy = try TestProxy(workers: 2, listener: TestProxy.forwarding, rest: TestProxy.cluster(upstream.port))
        for _ in 0..<20 {
            let port = try TCPListener.freePort()
            try configure(proxy, upstream.port, [("wide", "0.0.0.0:\(port)")])
            let load = SteadyLoad(port: port, reconnects: true)
            #expect(eventually { load.sent > 10 })
            try configure(proxy, upstream.port, [("narrow", "127.0.0.1:\(port)")])
            #expect(try answer(port).contains("x-listener: narrow\r\n"))
            #expect(load.stop() == 0)
        }
    }

    @Test("A unix socket under another name stays where it is")
    func unix() throws {
        let upstream = try ScriptedUpstream.answering(ok)
        let proxy = try TestProxy(workers: 2, listener: TestProxy.forwarding, rest: TestProxy.cluster(upstream.port))
        let path = "/tmp/martlet-\(UUID().uuidString).sock"
        defer { try? FileManager.default.removeItem(atPath: path) }
        for name in ["one", "two", "one"] {
            try configure(proxy, upstream.port, [(name, "unix:\(path)")])
            let answer = try Tool.run("curl", ["-si", "--unix-socket", path, "http://local/"]).output
            #expect(answer.hasSuffix("ok") && answer.contains("x-listener: \(name)\r\n"), "\(answer)")
        }
    }

    @Test("An address that another process has is refused as before, and costs the other listeners nothing")
    func taken() throws {
        let upstream = try ScriptedUpstream.answering(ok)
        let proxy = try TestProxy(workers: 2, listener: TestProxy.forwarding, rest: TestProxy.cluster(upstream.port))
        let load = SteadyLoad(port: proxy.port, reconnects: true)
        let listeners = """
            listeners:
              - { name: wide, address: "0.0.0.0:\(proxy.port)", filters: [router], routes: [] }
              - { name: taken, address: "127.0.0.1:\(upstream.port)", filters: [router], routes: [] }

            """
        let admin = "admin: { address: 127.0.0.1:\(proxy.adminPort) }\n"
        for _ in 0..<20 {
            try proxy.write("martlet.yaml", admin + listeners + TestProxy.cluster(upstream.port))
            let answer = try proxy.admin("/reload", method: "POST")
            #expect(answer.hasPrefix("HTTP/1.1 422 ") && answer.contains("another process has this address"))
        }
        #expect(load.stop() == 0)
    }
}
