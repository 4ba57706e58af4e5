import Foundation
import MartletTesting
import Testing

@Suite("Connections told apart by their first bytes")
struct TCPNameTests {
    @Test("TLS passes through to where its server name says")
    func names() throws {
        let (alpha, beta, rest) = (try NamedServer("alpha"), try NamedServer("beta"), try NamedServer("rest"))
        let plain = try TCPRig.naming("plain")
        let sni = """
                sni:
                  - { hosts: [a.example], cluster: alpha }
                  - { hosts: ["*.b.example", b.example], split: [{ cluster: beta, weight: 1 }] }
                  - { hosts: ["*"], cluster: rest }
            """
        let ports = [("alpha", alpha.port), ("beta", beta.port), ("rest", rest.port), ("plain", plain.port)]
        let proxy = try TestProxy(listener: TCPRig.listener(sni), rest: TCPRig.clusters(ports))
        let expected: [(String?, String)] = [
            ("a.example", "alpha"), ("A.Example", "alpha"), ("b.example", "beta"), ("x.b.example", "beta"),
            ("x.y.b.example", "beta"), ("x.a.example", "rest"), (nil, "rest"),
        ]
        for (name, subject) in expected {
            let seen = try NamedServer.ask(proxy.port, name)
            #expect(
                seen.contains("subject=CN = \(subject)") && seen.contains("HTTP/1.0 200"),
                "\(name ?? "no name"): \(seen)")
        }
        #expect(try NamedServer.ask(proxy.port, "a.example", ["-tls1_2"]).contains("subject=CN = alpha"))
        let line = try #require(TCPRig.logged(proxy, 8).first { $0.contains("x.y.b.example") })
        #expect(line.contains("\"protocol\":\"tcp\",\"server_name\":\"x.y.b.example\""))
        #expect(line.contains("\"cluster\":\"beta\""))

        // Without a place for the rest, what is not named is closed.
        let some = "    sni: [{ hosts: [a.example], cluster: alpha }]"
        try proxy.configure(listener: TCPRig.listener(some), rest: TCPRig.clusters(ports))
        #expect(try proxy.admin("/reload", method: "POST").hasPrefix("HTTP/1.1 200 "))
        #expect(try NamedServer.ask(proxy.port, "a.example").contains("subject=CN = alpha"))
        #expect(try !NamedServer.ask(proxy.port, "other.example").contains("subject="))
        #expect(TCPRig.logged(proxy, 10).last?.contains("\"flags\":\"NR\",\"reason\":\"no-route\"") == true)
        let client = try proxy.connect()
        try client.send("GET / HTTP/1.1\r\n\r\n")
        #expect(client.receiveEnding() == .failed)
        let refusals = "martlet_downstream_openings_failed_total{listener=\"public\",reason=\"not_tls\"}"
        #expect(try proxy.metric(refusals) == "1")

        // With one, what is no TLS goes there, and so does a client that waits for the server to speak.
        try proxy.configure(
            listener: TCPRig.listener(some + "\n    cluster: plain\n    limits: { detect_timeout: 50ms }"),
            rest: TCPRig.clusters(ports))
        #expect(try proxy.admin("/reload", method: "POST").hasPrefix("HTTP/1.1 200 "))
        #expect(try proxy.exchange("GET / HTTP/1.1\r\n\r\n") == "plain")
        #expect(try proxy.exchange("") == "plain")
        let silent = try proxy.connect()
        #expect(silent.receive { $0.text == "plain" })
        #expect(try NamedServer.ask(proxy.port, "a.example").contains("subject=CN = alpha"))
    }

    @Test("A hello that comes a byte at a time is waited for, and half of one is not for ever")
    func slowHello() throws {
        let plain = try TCPRig.naming("plain")
        let named = try ScriptedUpstream { upstream, connection in
            connection.receive { $0.received.count >= 60 }
            upstream.record("\(connection.received.count)")
            try? connection.send("named")
        }
        let listener = TCPRig.listener(
            "    sni: [{ hosts: [a.example], cluster: named }]\n    cluster: plain\n    limits: { detect_timeout: 20ms }"
        )
        let proxy = try TestProxy(
            listener: listener, rest: TCPRig.clusters([("named", named.port), ("plain", plain.port)]))
        // RFC 8446 section 4.1.2, as short as it may be, with the one extension.
        let name = Array("a.example".utf8)
        let sni: [UInt8] = [0, 0, 0, UInt8(name.count + 5), 0, UInt8(name.count + 3), 0, 0, UInt8(name.count)] + name
        let body = [3, 3] + [UInt8](repeating: 7, count: 32) + [0, 0, 2, 0x13, 1, 1, 0, 0, UInt8(sni.count)] + sni
        let hello: [UInt8] = [22, 3, 1, 0, UInt8(body.count + 4), 1, 0, 0, UInt8(body.count)] + body
        let client = try proxy.connect()
        for byte in hello.dropLast() {
            try client.send([byte])
            // Nothing comes back meanwhile; in all it takes longer than may be waited for the first byte.
            #expect(client.receive(timeout: 1) == .timeout)
        }
        try client.send(Array(hello.suffix(1)))
        #expect(client.receive { $0.text == "named" })
        #expect(named.recorded == ["\(hello.count)"])
    }

    @Test("One port for HTTP and for what is not")
    func otherProtocol() throws {
        let web = try ScriptedUpstream.answering("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nweb")
        let rest = try TCPRig.naming("rest")
        let listener = """
                other: { cluster: rest }
                limits: { detect_timeout: 50ms }
                filters: [router]
                routes: [{ match: { path: { prefix: / } }, cluster: web }]
            """
        let proxy = try TestProxy(
            listener: listener, rest: TCPRig.clusters([("web", web.port), ("rest", rest.port)]))
        #expect(try proxy.get("/").hasSuffix("\r\n\r\nweb"))
        #expect(try proxy.exchange("PROPFIND / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").hasSuffix("web"))
        #expect(try proxy.exchange("SSH-2.0-Client\r\n") == "rest")
        #expect(try proxy.exchange("EHLO client\r\n") == "rest")
        // Waits for the server's word.
        let silent = try proxy.connect()
        #expect(silent.receive { $0.text == "rest" })
        #expect(Set([0, 1, 2, 3].map { _ in (try? proxy.get("/"))?.hasSuffix("web") }) == [true])
    }
}
