import Foundation
import MartletTesting
import Testing

private let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

@Suite("Refuse, then shed, never die")
struct OverloadTests {
    /// Sends endless responses to whoever asks for one.
    private func endless() throws -> ScriptedUpstream {
        try ScriptedUpstream { _, connection in
            while let request = connection.nextRequest() {
                guard request.hasPrefix("GET /endless ") else {
                    do { try connection.send(ok) } catch { return }
                    continue
                }
                let block = [UInt8](repeating: 0x61, count: 65_536)
                do {
                    try connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(1 << 40)\r\n\r\n")
                    while true { try connection.send(block) }
                } catch { return }
            }
        }
    }

    private static let listener = """
            limits: { stream_buffer: 4MiB }
            filters: [router]
            routes: [{ match: {}, cluster: up }]
        """

    /// The process may have this much memory of its own, whatever it believes: more, and it dies.
    private static let launcher = ["SWIFT_BACKTRACE=enable=no", "prlimit", "--data=\(512 << 20)"]

    /// Clients that have sent the head of a request but for its end, and will take nothing.
    private func clients(_ test: TestProxy, _ count: Int) throws -> [TCPSocket] {
        try (0..<count).map { _ in
            let client = try test.connect()
            try client.send("GET /endless HTTP/1.1\r\nHost: a\r\n")
            return client
        }
    }

    @Test("Without it the load kills", .disabled(if: Sanitizer.isOn, "a sanitizer's own memory is beyond the limit"))
    func control() throws {
        let upstream = try endless()
        let test = try TestProxy(
            workers: 2, listener: Self.listener,
            rest: "overload: { memory: off }\n" + TestProxy.cluster(upstream.port), launcher: Self.launcher,
            companions: [upstream])
        let clients = try clients(test, 250)
        for client in clients { try? client.send("\r\n") }
        #expect(eventually { !test.isRunning })
    }

    @Test(
        "With it, it refuses connections and requests, sheds what holds most, and serves again afterwards",
        .disabled(if: Sanitizer.isOn, "a sanitizer's own memory is beyond the limit"))
    func memory() throws {
        let upstream = try endless()
        let test = try TestProxy(
            workers: 2, listener: Self.listener,
            // Smaller buffers alone would be enough.
            rest: "overload: { memory: { limit: 64MiB, shrink_buffers: 100% } }\n" + TestProxy.cluster(upstream.port),
            launcher: Self.launcher, companions: [upstream])
        func metric(_ name: String) throws -> Int { Int(try test.metric("martlet_overload_\(name)") ?? "") ?? -1 }
        #expect(try metric("memory_limit_bytes") == 64 << 20)
        let clients = try clients(test, 250)
        var late = clients[150...]
        for client in clients.dropLast(late.count) { try client.send("\r\n") }
        #expect(try eventually { try metric("reset_streams_total") > 0 })
        #expect(
            try eventually {
                try? late.popFirst()?.send("\r\n")
                return try metric("refused_requests_total") > 0
            })
        #expect(
            try eventually {
                _ = try? test.connect()
                return try metric("refused_connections_total") > 0
            })
        #expect(test.isRunning)
        // Still ready: to take it out of service would move its load to others.
        #expect(try test.admin("/ready").hasPrefix("HTTP/1.1 200 "))
        let refused = clients.filter { client in
            while !client.text.contains("\r\n\r\n"), case .bytes = client.receive(timeout: 0) {}
            return client.text.hasPrefix("HTTP/1.1 503 ")
        }
        #expect(!refused.isEmpty)
        #expect(refused.allSatisfy { $0.text.contains("x-martlet-error: overloaded\r\n") })
        #expect(refused.allSatisfy { $0.text.contains("connection: close\r\n") })
        for client in clients { client.reset() }
        #expect(try eventually { try metric("active{action=\"disable_keepalive\"}") == 0 })
        let answer = try test.exchange("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(answer.hasPrefix("HTTP/1.1 200 "))
        #expect(!answer.contains("connection: close"))
        #expect(test.logged.contains("reset_streams"))
    }

    @Test("Streams that nobody reads are held to less before anybody is refused", .disabled(if: Sanitizer.isOn))
    func buffers() throws {
        let upstream = try endless()
        let test = try TestProxy(
            workers: 2, listener: Self.listener,
            rest: "overload: { memory: { limit: 400MiB, shrink_buffers: 10% } }\n" + TestProxy.cluster(upstream.port),
            launcher: Self.launcher, companions: [upstream])
        let clients = try clients(test, 250)
        for client in clients { try client.send("\r\n") }
        #expect(try eventually { try test.metric("martlet_overload_active{action=\"shrink_buffers\"}") == "1" })
        // All 250 are there, and would take a gigabyte.
        #expect(eventually { upstream.accepted == 250 })
        for _ in 0..<20 { _ = try test.get("/") }
        #expect(test.isRunning)
        #expect(try test.metric("martlet_overload_reset_streams_total") == "0")
        #expect(try test.metric("martlet_requests_active{listener=\"public\"}") == "250")
    }

    @Test("Connections of all listeners together have a limit; idle ones give way to nobody but a place that came free")
    func connections() throws {
        let upstream = try ScriptedUpstream.answering(ok)
        let test = try TestProxy(
            workers: 2, listener: TestProxy.forwarding,
            rest: "overload: { connections: { max: 3 } }\n" + TestProxy.cluster(upstream.port), companions: [upstream])
        var clients: [TCPSocket] = []
        for _ in 0..<3 {
            let client = try test.connect()
            try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(client.receive { $0.text.hasSuffix("ok") })
            clients.append(client)
        }
        let fourth = try test.connect()
        try? fourth.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(fourth.receiveToEnd())
        #expect(fourth.text.isEmpty)
        #expect(try test.metric("martlet_overload_connections_beyond_max_total") == "1")
        #expect(try test.metric("martlet_overload_pressure_percent{resource=\"connections\"}") == "100")
        clients.removeLast()
        // Until then a connection may be closed while the request is on its way.
        #expect(eventually { (try? test.get("/"))?.hasPrefix("HTTP/1.1 200 ") == true })
    }

    @Test("Out of descriptors it makes room by closing what is idle, and does not spin")
    func descriptors() throws {
        let upstream = try ScriptedUpstream.answering(ok)
        let test = try TestProxy(
            workers: 1, listener: TestProxy.forwarding,
            rest: "overload: { connections: { max: 1000 } }\n" + TestProxy.cluster(upstream.port),
            launcher: ["prlimit", "--nofile=40:40"], companions: [upstream])
        var idle: [TCPSocket] = []
        for _ in 0..<60 {
            let client = try test.connect()
            idle.append(client)
        }
        #expect(
            eventually {
                guard let text = try? test.metric("martlet_downstream_accept_failures_total{listener=\"public\"}")
                else {
                    return false
                }
                return text != "0"
            })
        #expect(eventually { (try? test.get("/").hasPrefix("HTTP/1.1 200 ")) == true })
        #expect(
            eventually {
                (try? test.metric("martlet_overload_closed_idle_total")).flatMap { Int($0) } ?? 0 > 0
            })
        // Every failure is followed by a pause, in which idle connections go: there are but a few, not thousands.
        let failures = try test.metric("martlet_downstream_accept_failures_total{listener=\"public\"}")
        #expect(Int(failures ?? "") ?? .max < 400)
    }
}
