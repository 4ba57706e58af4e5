import Foundation
import MartletTesting
import Testing

@Suite("Which exchanges are logged, and where")
struct LogFilterTests {
    private func lines(_ proxy: TestProxy, _ name: String, until last: String) -> [String] {
        let path = proxy.directory.appendingPathComponent(name).path
        var text = ""
        _ = eventually {
            text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
            return text.hasSuffix(last + "\n")
        }
        return text.split(separator: "\n").map(String.init)
    }

    @Test(
        "Filters",
        arguments: [
            ("status: { min: 400 }", ["404 /missing", "503 /down"]),
            ("status: { max: 299 }", ["200 /ok", "200 /health"]),
            ("flags: [UF, NR]", ["404 /missing", "503 /down"]), ("flags: any", ["404 /missing", "503 /down"]),
            ("not: { path: { prefix: /health } }", ["200 /ok", "404 /missing", "503 /down"]),
            ("status: { min: 200 }, path: { exact: /ok }", ["200 /ok"]),
            ("any: [{ path: { exact: /ok } }, { flags: [NR] }]", ["200 /ok", "404 /missing"]),
            ("all: [{ status: { min: 400 } }, { not: { flags: [UF] } }]", ["404 /missing"]),
            ("duration: { min: 1h }", []),
            ("duration: { max: 1h }, headers: [{ name: x-log, present: true }]", ["200 /ok"]),
            ("percent: 0%", []), ("percent: 100%", ["200 /ok", "404 /missing", "503 /down", "200 /health"]),
            ("traced: true", []),
            (
                "methods: [GET], query: [{ name: q, present: false }]",
                ["200 /ok", "404 /missing", "503 /down", "200 /health"]
            ),
        ])
    func filters(filter: String, logged: [String]) throws {
        let format = "'%RESPONSE_CODE% %REQ(:PATH)%'"
        let proxy = try TestProxy(
            listener: """
                    access_log:
                      - { path: some.log, format: \(format), filter: { \(filter) } }
                      - { path: all.log, format: \(format) }
                    filters: [router]
                    routes:
                      - { match: { path: { exact: /ok } }, respond: { status: 200 } }
                      - { match: { path: { prefix: /health } }, respond: { status: 200 } }
                      - { match: { path: { exact: /down } }, cluster: up }
                """, rest: TestProxy.cluster(try TCPListener.freePort()))
        _ = try proxy.get("/ok", headers: "X-Log: 1\r\n")
        for path in ["/missing", "/down", "/health"] { _ = try proxy.get(path) }
        // Both logs of one exchange are written in one turn.
        #expect(lines(proxy, "all.log", until: "200 /health").count == 4)
        if let last = logged.last {
            #expect(lines(proxy, "some.log", until: last) == logged)
        } else {
            let path = proxy.directory.appendingPathComponent("some.log").path
            #expect(try String(contentsOfFile: path, encoding: .utf8) == "")
        }
    }

    @Test("Fields of the operator's own, as JSON")
    func fields() throws {
        let proxy = try TestProxy(
            listener: """
                    access_log:
                      path: a.log
                      format: { json: { s: "%RESPONSE_CODE%", p: "%REQ(:METHOD)% %REQ(:PATH)%", n: { none: "%REQ(x)%" }, at: "%START_TIME(%s)%" } }
                    filters: [router]
                    routes: [{ match: {}, respond: { status: 201 } }]
                """, rest: "")
        _ = try proxy.get("/a\"b")
        let path = proxy.directory.appendingPathComponent("a.log").path
        #expect(eventually { ((try? String(contentsOfFile: path, encoding: .utf8)) ?? "").hasSuffix("\n") })
        let object = try #require(
            try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: path))) as? [String: Any])
        #expect(object["s"] as? Int == 201)
        #expect(object["p"] as? String == "GET /a\"b")
        #expect((object["n"] as? [String: Any])?["none"] is NSNull)
        #expect(Int(object["at"] as? String ?? "").map { $0 > 1_700_000_000 } == true)
    }
}
