import Foundation
import MartletTesting
import Testing

private let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

@Suite("What happened can be seen")
struct ObservationTests {
    @Test("Counts equal the client's exactly, over workers")
    func counts() throws {
        let upstream = try ScriptedUpstream.answering {
            $0.hasPrefix("GET /bad") ? ok.replacingOccurrences(of: "200 OK", with: "404 Nope") : ok
        }
        let proxy = try TestProxy(workers: 2, listener: TestProxy.forwarding, rest: TestProxy.cluster(upstream.port))
        for number in 0..<60 { _ = try proxy.get(number % 3 == 0 ? "/bad" : "/good") }
        #expect(
            try proxy.metric("martlet_requests_total{listener=\"public\",cluster=\"up\",response_class=\"2xx\"}")
                == "40")
        #expect(
            try proxy.metric("martlet_requests_total{listener=\"public\",cluster=\"up\",response_class=\"4xx\"}")
                == "20")
        #expect(
            try proxy.metric(
                "martlet_request_duration_seconds_count{listener=\"public\",cluster=\"up\",response_class=\"2xx\"}")
                == "40")
    }

    @Test("The access log has one line of JSON for each exchange, whatever is in its fields")
    func json() throws {
        let upstream = try ScriptedUpstream.answering(ok)
        let proxy = try TestProxy(
            listener: "    access_log: { path: access.log, format: json }\n" + TestProxy.forwarding,
            rest: TestProxy.cluster(upstream.port))
        _ = try proxy.get("/a\"b", headers: "User-Agent: quote\" back\\ tab\there \u{FF}\r\n")
        _ = try proxy.exchange("BROKEN\r\n\r\n")
        let path = proxy.directory.appendingPathComponent("access.log").path
        #expect(
            eventually { ((try? String(contentsOfFile: path, encoding: .utf8)) ?? "").filter { $0 == "\n" }.count == 2 }
        )
        let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
        let objects = try lines.map {
            try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
        }
        #expect(objects[0]["path"] as? String == "/a\"b")
        #expect(objects[0]["status"] as? Int == 200)
        #expect(objects[0]["cluster"] as? String == "up")
        #expect(objects[0]["upstream"] as? String == "127.0.0.1:\(upstream.port)")
        #expect(objects[1]["status"] as? Int == 400)
        #expect(objects[1]["flags"] as? String == "DPE")
    }

    @Test("A text log writes Envoy's operators")
    func text() throws {
        let upstream = try ScriptedUpstream.answering(ok)
        let format =
            "%REQ(:METHOD)% %REQ(X-None?:PATH)% %PROTOCOL% %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_SENT% %REQ(X-LONG):3% 100%%"
        let proxy = try TestProxy(
            listener: "    access_log: { path: access.log, format: \"\(format)\" }\n" + TestProxy.forwarding,
            rest: TestProxy.cluster(upstream.port))
        _ = try proxy.get("/p", headers: "X-Long: abcdef\r\n")
        let path = proxy.directory.appendingPathComponent("access.log").path
        #expect(eventually { ((try? String(contentsOfFile: path, encoding: .utf8)) ?? "").hasSuffix("\n") })
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "GET /p HTTP/1.1 200 - 2 abc 100%\n")
    }

    @Test("The admin API answers what CONFIG.md names")
    func admin() throws {
        let upstream = try ScriptedUpstream.answering(ok)
        let proxy = try TestProxy(upstream: upstream)
        #expect(try proxy.admin("/live").hasPrefix("HTTP/1.1 200 "))
        #expect(try proxy.admin("/config").contains("\"version\":1"))
        #expect(try proxy.admin("/clusters").contains("\"address\":\"127.0.0.1:\(upstream.port)\""))
        #expect(try proxy.admin("/policies").hasPrefix("HTTP/1.1 200 "))
        #expect(try proxy.admin("/nowhere").hasPrefix("HTTP/1.1 404 "))
        #expect(try proxy.admin("/drain").hasPrefix("HTTP/1.1 405 "))
    }
}
