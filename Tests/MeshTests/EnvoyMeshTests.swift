import Foundation
import MartletTesting
import Testing

private func upstream(_ word: String) throws -> ScriptedUpstream {
    try ScriptedUpstream { _, connection in
        while connection.nextRequest() != nil {
            try? connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(word.utf8.count)\r\n\r\n\(word)")
        }
    }
}

@Suite("Real Envoys under the control plane")
struct EnvoyMeshTests {
    @Test(
        "Add, change, refuse, swap, delete, and restarts of the control plane: no request fails",
        arguments: ["GRPC", "DELTA_GRPC"])
    func life(_ method: String) throws {
        let mesh = try MeshServer()
        let (one, two) = (try upstream("one"), try upstream("two"))
        let port = try TCPListener.freePort()
        let envoy = try ManagedEnvoy(mesh, "envoy", method: method)
        var revision = try mesh.apply("clusters:\n" + MeshServer.cluster("api", one) + MeshServer.plain(port))
        #expect(try mesh.settles(1, revision), "\(envoy.logged)")
        #expect(try eventually { try envoy.answer(port) == "one" }, "\(envoy.logged)")

        let load = try SteadyClient(port)
        // Another cluster in its place, and the first one goes.
        revision = try mesh.apply(
            "clusters:\n" + MeshServer.cluster("other", two) + MeshServer.plain(port, cluster: "other"))
        #expect(try mesh.settles(1, revision))
        #expect(try eventually { try envoy.answer(port) == "two" })
        revision = try #require(Int(try mesh.ask("delete clusters/api")))
        #expect(try mesh.settles(1, revision))
        // Other endpoints.
        revision = try mesh.apply("clusters:\n" + MeshServer.cluster("other", one))
        #expect(try mesh.settles(1, revision))
        #expect(try eventually { try envoy.answer(port) == "one" })

        // It knows no policies, and says so; what it had goes on. Then it is taken back.
        let before = revision
        revision = try mesh.apply(
            "policies: [{ name: p, inline: \"function on_request(h) end\" }]\n"
                + MeshServer.plain(port, cluster: "other", filters: "{ lua: { policy: p } }, router"))
        #expect(try eventually { try mesh.ask("proxies").contains(" refused ") })
        #expect(try envoy.answer(port) == "one")
        revision = try #require(Int(try mesh.ask("rollback \(before)")))
        #expect(try mesh.settles(1, revision))

        mesh.kill()
        #expect(try envoy.answer(port) == "one")
        try mesh.start()
        #expect(try mesh.settles(1, revision))
        revision = try mesh.apply("clusters:\n" + MeshServer.cluster("other", two))
        #expect(try mesh.settles(1, revision))
        #expect(try eventually { try envoy.answer(port) == "two" })
        let outcome = load.end()
        #expect(outcome.failures.isEmpty && outcome.count > 0, "\(outcome.failures.prefix(3)) of \(outcome.count)")
        #expect(envoy.stat("listener_manager.lds.update_rejected") >= 1)
        #expect(envoy.stat("cluster_manager.cds.update_rejected") == 0)
    }
}

/// Asks without a pause, each time over a connection of its own.
private final class SteadyClient: @unchecked Sendable {
    // Sendable because everything is set in `init`, and the rest is behind its lock.
    private let state = SteadyState()
    private let thread: Thread

    init(_ port: UInt16) throws {
        let state = state
        thread = Thread {
            while !state.isOver {
                do {
                    let socket = try TCPSocket(port: port)
                    try socket.send("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    _ = socket.receiveToEnd()
                    state.add(String(decoding: socket.received.prefix(15), as: UTF8.self))
                } catch {
                    state.add("\(error)")
                }
            }
        }
        thread.start()
    }

    func end() -> (count: Int, failures: [String]) { state.end() }
}

private final class SteadyState: @unchecked Sendable {
    // Sendable because all of it is behind the lock.
    private let lock = NSLock()
    private var over = false
    private var count = 0
    private var failures: [String] = []

    var isOver: Bool { lock.withLock { over } }

    func add(_ answer: String) {
        lock.withLock {
            count += 1
            if answer != "HTTP/1.1 200 OK" { failures.append(answer) }
        }
    }

    func end() -> (count: Int, failures: [String]) {
        lock.withLock {
            over = true
            return (count, failures)
        }
    }
}
