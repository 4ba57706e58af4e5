import Foundation
import MartletTesting
import Testing

private let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

@Suite("Who may pass")
struct AuthTests {
    private func proxy(_ filter: String, listener: String = "", routes: String = "") throws -> TestProxy {
        let upstream = try ScriptedUpstream.answering(ok)
        return try TestProxy(
            listener: """
                \(listener)
                    filters: [\(filter), router]
                    routes:
                \(routes)
                      - { match: {}, cluster: up }
                """, rest: TestProxy.cluster(upstream.port), companions: [upstream])
    }

    @Test("access_control: lists of the listener and of a route, the reason, the count")
    func accessControl() throws {
        let test = try proxy(
            "{ access_control: { allow_cidrs: [10.0.0.0/8, 2001:db8::/32], deny_cidrs: [10.0.0.66] } }",
            listener: "    xff_num_trusted_hops: 1",
            routes: """
                      - match: { path: { prefix: /home } }
                        cluster: up
                        filters: { access_control: { allow_cidrs: [127.0.0.1], address: direct } }
                      - match: { path: { prefix: /open } }
                        cluster: up
                        filters: { access_control: off }
                """)
        func answer(_ path: String, from client: String) throws -> String {
            try test.get(path, headers: "X-Forwarded-For: \(client)\r\n")
        }
        for client in ["10.1.2.3", "6.6.6.6, 10.1.2.3", "2001:db8::7", "::ffff:10.9.9.9"] {
            #expect(try answer("/", from: client).hasPrefix("HTTP/1.1 200 "), "\(client)")
        }
        for (client, reason) in [
            ("10.0.0.66", "client-address-denied"), ("::ffff:10.0.0.66", "client-address-denied"),
            ("192.0.2.1", "client-address-not-allowed"), ("10.1.2.3, 192.0.2.1", "client-address-not-allowed"),
            ("nonsense", "client-address-unknown"),
        ] {
            let refused = try answer("/", from: client)
            #expect(refused.hasPrefix("HTTP/1.1 403 "), "\(client)")
            #expect(refused.contains("x-martlet-error: \(reason)\r\n"), "\(client)")
        }
        #expect(try answer("/home", from: "192.0.2.1").hasPrefix("HTTP/1.1 200 "))
        #expect(try answer("/open", from: "192.0.2.1").hasPrefix("HTTP/1.1 200 "))
        #expect(try test.metric("martlet_access_control_refused_total{listener=\"public\"}") == "5")
    }
}
