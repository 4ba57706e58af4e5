import Foundation
import MartletTesting
import Testing

private let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

@Suite("Reloads that move clusters cost no request")
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
}
