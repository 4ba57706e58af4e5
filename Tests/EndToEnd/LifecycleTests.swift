import Foundation
import MartletTesting
import Synchronization
import Testing

private let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

@Suite("Configuration changes and shutdown cost no request")
struct LifecycleTests {
    private func listener(_ version: Int, policy: Bool = false) -> String {
        """
            filters:
              - headers: { response: { set: { x-version: "\(version)" } } }
        \(policy ? "      - lua: { policy: p }\n" : "")      - router
            routes:
              - match: { path: { prefix: / } }
                cluster: up
        """
    }

    @Test("Reloads under load: every request answered, no connection dropped, the change seen")
    func reloads() throws {
        let upstream = try ScriptedUpstream.answering(ok)
        let rest = TestProxy.cluster(upstream.port) + "\npolicies: [{ name: p, file: p.lua }]"
        func policy(_ version: Int) -> String {
            "function on_response(h) h:headers():replace('x-policy', '\(version)') end"
        }
        let proxy = try TestProxy(
            workers: 2, listener: listener(0, policy: true), rest: rest, files: ["p.lua": policy(0)])
        let loads = (0..<4).map { _ in SteadyLoad(proxy) }
        var settled = 0
        for version in 1...200 {
            // By turns the configuration, which is noticed by itself, and the policy, with a reload asked for.
            if version % 2 == 0 {
                try proxy.configure(listener: listener(version, policy: true), rest: rest)
                #expect(try eventually { try proxy.get("/").contains("x-version: \(version)\r\n") })
            } else {
                try proxy.write("p.lua", policy(version))
                #expect(try proxy.admin("/reload", method: "POST").hasPrefix("HTTP/1.1 200 "))
                #expect(try proxy.get("/").contains("x-policy: \(version)\r\n"))
            }
            if version == 50 { settled = proxy.residentMemory }
        }
        #expect(loads.map { $0.stop() } == [0, 0, 0, 0])
        #expect(loads.allSatisfy { $0.sent > 0 })
        // Flat: what one version holds would show 150 times.
        #expect(proxy.residentMemory - settled < 12 << 10, "\(settled) KiB, then \(proxy.residentMemory)")
    }

    @Test("An exchange that outlives its configuration is logged all the same")
    func logAfterReload() throws {
        let release = DispatchSemaphore(value: 0)
        let upstream = try ScriptedUpstream { upstream, connection in
            guard let request = connection.nextRequest() else { return }
            upstream.record(request)
            release.wait()
            try? connection.send(ok)
        }
        let log = "    access_log: { path: access.log, format: \"%RESPONSE_CODE% %REQ(:PATH)%\" }\n"
        let proxy = try TestProxy(listener: log + listener(1), rest: TestProxy.cluster(upstream.port))
        let client = try proxy.connect()
        try client.send("GET /old HTTP/1.1\r\nHost: test\r\n\r\n")
        #expect(eventually { upstream.recorded.count == 1 })
        try proxy.configure(listener: log + listener(2), rest: TestProxy.cluster(upstream.port))
        #expect(try proxy.admin("/reload", method: "POST").hasPrefix("HTTP/1.1 200 "))
        release.signal()
        #expect(client.receive { $0.text.hasSuffix("ok") })
        #expect(client.text.contains("x-version: 1\r\n"))
        let path = proxy.directory.appendingPathComponent("access.log").path
        #expect(eventually { (try? String(contentsOfFile: path, encoding: .utf8)) == "200 /old\n" })
    }

    @Test("A bad configuration is refused with its place, and the old one keeps serving")
    func refused() throws {
        let upstream = try ScriptedUpstream.answering(ok)
        let proxy = try TestProxy(upstream: upstream)
        try proxy.write("martlet.yaml", "listeners: [{ name: public, adress: 127.0.0.1:1 }]\n")
        let answer = try proxy.admin("/reload", method: "POST")
        #expect(answer.hasPrefix("HTTP/1.1 422 "))
        #expect(answer.contains("did you mean"))
        #expect(try proxy.get("/").hasSuffix("ok"))
        #expect(try proxy.admin("/ready").hasPrefix("HTTP/1.1 200 "))
    }

    @Test("SIGHUP loads the configuration anew")
    func hangup() throws {
        let upstream = try ScriptedUpstream.answering(ok)
        let proxy = try TestProxy(upstream: upstream)
        proxy.signal(SIGHUP)
        #expect(eventually { proxy.logged.contains("version 2 in force") })
        #expect(try proxy.get("/").hasSuffix("ok"))
    }

    @Test("A symlink swapped under the configuration, as Kubernetes does, is noticed")
    func symlink() throws {
        let upstream = try ScriptedUpstream.answering(ok)
        let proxy = try TestProxy(listener: listener(1), rest: TestProxy.cluster(upstream.port))
        let files = FileManager.default
        let text = try String(contentsOf: proxy.file, encoding: .utf8)
        for (name, version) in [("one", "1"), ("two", "2")] {
            let folder = proxy.directory.appendingPathComponent(name)
            try files.createDirectory(at: folder, withIntermediateDirectories: true)
            try text.replacingOccurrences(of: "x-version: \"1\"", with: "x-version: \"\(version)\"")
                .write(to: folder.appendingPathComponent("martlet.yaml"), atomically: true, encoding: .utf8)
        }
        let data = proxy.directory.appendingPathComponent("data")
        try files.createSymbolicLink(at: data, withDestinationURL: proxy.directory.appendingPathComponent("one"))
        try files.removeItem(at: proxy.file)
        try files.createSymbolicLink(atPath: proxy.file.path, withDestinationPath: "data/martlet.yaml")
        #expect(try proxy.admin("/reload", method: "POST").hasPrefix("HTTP/1.1 200 "))
        let swap = proxy.directory.appendingPathComponent("swap")
        try files.createSymbolicLink(at: swap, withDestinationURL: proxy.directory.appendingPathComponent("two"))
        // rename(2) replaces the link in one step, as the kubelet does; FileManager would refuse.
        let renamed = unsafe rename(swap.path, data.path)
        #expect(renamed == 0)
        #expect(try eventually { try proxy.get("/").contains("x-version: 2\r\n") })
    }

    @Test("SIGTERM finishes what is under way, refuses what is new, and exits 0")
    func drain() throws {
        let release = DispatchSemaphore(value: 0)
        let upstream = try ScriptedUpstream { upstream, connection in
            guard let request = connection.nextRequest() else { return }
            upstream.record(request)
            release.wait()
            try? connection.send(ok)
        }
        let proxy = try TestProxy(upstream: upstream)
        let idle = try proxy.connect()
        let client = try proxy.connect()
        try client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        #expect(eventually { upstream.recorded.count == 1 })
        proxy.signal(SIGTERM)
        #expect(idle.receiveToEnd())
        #expect(eventually { (try? proxy.connect()) == nil })
        release.signal()
        #expect(client.receiveToEnd())
        #expect(client.text.hasPrefix("HTTP/1.1 200 OK"))
        #expect(client.text.lowercased().contains("connection: close"))
        #expect(proxy.exitCode() == 0)
    }

    @Test("A drain waits for a slow reader: it gets all of its response")
    func drainSlowReader() throws {
        let size = 32 << 20
        let upstream = try ScriptedUpstream { upstream, connection in
            guard let request = connection.nextRequest() else { return }
            upstream.record(request)
            try? connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(size)\r\n\r\n")
            let block = [UInt8](repeating: 0x61, count: 1 << 20)
            for _ in 0..<32 { do { try connection.send(block) } catch { return } }
        }
        let proxy = try TestProxy(upstream: upstream)
        let client = try proxy.connect()
        try client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        #expect(client.receive { $0.text.contains("\r\n\r\n") })
        var total = client.received.count - client.text.components(separatedBy: "\r\n\r\n")[0].utf8.count - 4
        proxy.signal(SIGTERM)
        #expect(eventually { proxy.logged.contains("draining") })
        while let count = client.discard(200_000) { total += count }
        #expect(total == size)
        #expect(proxy.exitCode() == 0)
    }

    @Test("Requests that wait in the kernel's queue when the drain begins are answered")
    func drainQueued() throws {
        let upstream = try ScriptedUpstream.answering(ok)
        let proxy = try TestProxy(upstream: upstream)
        proxy.signal(SIGSTOP)
        let clients = try (0..<150).map { _ in try proxy.connect() }
        for client in clients { try client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n") }
        proxy.signal(SIGTERM)
        proxy.signal(SIGCONT)
        for client in clients { client.receiveToEnd() }
        #expect(clients.filter { $0.text.hasSuffix("ok") }.count == 150)
        #expect(proxy.exitCode() == 0)
    }

    @Test("Thousands of requests at once to the admin API end neither the process nor their order")
    func adminFlood() throws {
        let upstream = try ScriptedUpstream.answering(ok)
        let proxy = try TestProxy(upstream: upstream)
        let client = try TCPSocket(port: proxy.adminPort)
        let many = String(repeating: "GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n", count: 20_000)
        try client.send("POST /reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n" + many)
        let live = try TCPSocket(port: proxy.adminPort)
        try live.send("GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        #expect(live.receive { $0.text.hasSuffix("live\n") })
        #expect(client.receive { $0.received.count > live.received.count * 20_000 && $0.received.last == 0x0A })
        #expect(client.text.hasPrefix("HTTP/1.1 200 OK"))
        #expect(client.text.components(separatedBy: "\r\n\r\nlive\n").count == 20_001)
        #expect(proxy.isRunning)
    }

    @Test("The admin API says that it drains, and cuts at the deadline")
    func deadline() throws {
        let upstream = try ScriptedUpstream { upstream, connection in
            guard let request = connection.nextRequest() else { return }
            upstream.record(request)
            connection.receiveToEnd()
        }
        let proxy = try TestProxy(
            listener: TestProxy.forwarding, rest: TestProxy.cluster(upstream.port) + "\ndrain: { deadline: 500ms }")
        let client = try proxy.connect()
        try client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        #expect(eventually { upstream.recorded.count == 1 })
        _ = try proxy.admin("/drain", method: "POST")
        #expect(try proxy.admin("/ready").hasPrefix("HTTP/1.1 503 "))
        #expect(client.receiveToEnd())
        #expect(proxy.exitCode() == 0)
    }

    @Test("The first SIGTERM after a drain over the admin API lets it go on; the second exits at once")
    func signalAfterDrain() throws {
        let release = DispatchSemaphore(value: 0)
        let upstream = try ScriptedUpstream { upstream, connection in
            guard let request = connection.nextRequest() else { return }
            upstream.record(request)
            release.wait()
            try? connection.send(ok)
        }
        for exits in [false, true] {
            let proxy = try TestProxy(upstream: upstream)
            let client = try proxy.connect()
            try client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n")
            #expect(eventually { upstream.recorded.count == (exits ? 2 : 1) })
            #expect(try proxy.admin("/drain", method: "POST").hasPrefix("HTTP/1.1 2"))
            proxy.signal(SIGTERM)
            #expect(eventually { proxy.logged.contains("draining already") || !proxy.isRunning })
            if exits { proxy.signal(SIGTERM) } else { release.signal() }
            #expect(client.receiveToEnd())
            #expect(client.text.hasPrefix("HTTP/1.1 200 OK") != exits)
            #expect(proxy.exitCode() == (exits ? 1 : 0))
        }
        release.signal()
    }

    @Test("A second SIGTERM exits at once")
    func secondSignal() throws {
        let upstream = try ScriptedUpstream { upstream, connection in
            guard let request = connection.nextRequest() else { return }
            upstream.record(request)
            connection.receiveToEnd()
        }
        let proxy = try TestProxy(upstream: upstream)
        let client = try proxy.connect()
        try client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        #expect(eventually { upstream.recorded.count == 1 })
        proxy.signal(SIGTERM)
        #expect(eventually { proxy.logged.contains("draining") })
        proxy.signal(SIGTERM)
        #expect(proxy.exitCode() == 1)
    }

    @Test("A core dump holds nothing of the memory, unless it is asked for", arguments: [false, true])
    func coreDumps(full: Bool) throws {
        let upstream = try ScriptedUpstream.answering(ok)
        let proxy = try TestProxy(
            listener: TestProxy.forwarding, rest: TestProxy.cluster(upstream.port),
            options: full ? ["--full-core-dumps"] : [])
        let filter = try String(contentsOfFile: "/proc/\(proxy.processID)/coredump_filter", encoding: .utf8)
        let own = try String(contentsOfFile: "/proc/self/coredump_filter", encoding: .utf8)
        #expect(UInt32(filter.trimmingCharacters(in: .whitespacesAndNewlines), radix: 16) == 0 || full)
        #expect(filter == own || !full)
    }
}
