import Foundation
import MartletTesting
import Testing

/// What stands before HTTP on a connection, several at once.
@Suite("PROXY protocol, TLS and other protocols on one listener")
struct OneListenerTests {
    private static let signature: [UInt8] = [0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A]
    private static let line = Array("PROXY TCP4 192.0.2.7 198.51.100.9 4000 443\r\n".utf8)
    private static let block =
        signature + [0x21, 0x11, 0, 12, 192, 0, 2, 7, 198, 51, 100, 9, 0x0F, 0xA0, 0x01, 0xBB]

    /// Answers with the client's address.
    private static let telling = """
            filters:
              - lua: { inline: "function on_request(h) h:respond({[':status'] = '200'}, h:streamInfo():downstreamDirectRemoteAddress()) end" }
              - router
            routes: [{ match: {}, respond: { status: 204 } }]
        """

    @Test("The header is before the handshake, and is of the connection's client", arguments: WireForm.allCases)
    func proxyHeader(form: WireForm) throws {
        let wire = Wire(form, .http1)
        let proxy = try TestProxy(
            listener: "    proxy_protocol: true\n" + (try wire.listener()) + Self.telling, rest: "")
        for header in [Self.line, Self.block] {
            let told = try wire.send(proxy, "GET", "/", preamble: header)
            #expect(told.status == 200 && told.body == "192.0.2.7:4000")
        }
        #expect(try wire.tell(proxy, "GET", "/").code != 0)
        let missing = "martlet_downstream_openings_failed_total{listener=\"public\",reason=\"proxy_header_missing\"}"
        #expect(try proxy.metric(missing) == "1")
    }

    @Test("Where header and TLS may both be missing, each is told from the other", arguments: WireForm.allCases)
    func optional(form: WireForm) throws {
        let wire = Wire(form, .http1)
        let own = try Wire.certificate()
        let proxy = try TestProxy(
            listener: """
                    proxy_protocol: { required: false }
                    tls: { certificate: \(own.certificateFile), private_key: \(own.keyFile), optional: true }

                """ + Self.telling, rest: "")
        for header in [Self.line, Self.block] {
            #expect(try wire.send(proxy, "GET", "/", preamble: header).body == "192.0.2.7:4000")
        }
        #expect(try wire.send(proxy, "GET", "/").body.hasPrefix("127.0.0.1:"))
    }

    @Test("HTTP over TLS and in clear text, and what is neither, on one port")
    func other() throws {
        let origin = try Origin()
        let rest = try ScriptedUpstream { upstream, connection in
            try? connection.send("hello from the rest")
            connection.receive()
            upstream.record(connection.text)
        }
        let own = try Wire.certificate()
        func listener(_ more: String) -> String {
            """
                tls: { certificate: \(own.certificateFile), private_key: \(own.keyFile)\(more) }
                other: { cluster: rest }
                limits: { detect_timeout: 100ms }
                filters: [router]
                routes: [{ match: {}, cluster: up }]
            """
        }
        let clusters = TestProxy.cluster(
            origin.port(.http1), "  - { name: rest, endpoints: [\"127.0.0.1:\(rest.port)\"] }")
        let proxy = try TestProxy(listener: listener(", optional: true"), rest: clusters, companions: [rest])
        for form in WireForm.allCases {
            let wire = Wire(form, .http1)
            #expect(try wire.seen(proxy)["x-forwarded-proto"] == [form.isTLS ? "https" : "http"], "\(form)")
        }
        #expect(rest.accepted == 0)
        let talking = try proxy.connect()
        try talking.send("SSH-2.0-Client\r\n")
        #expect(talking.receive { $0.text == "hello from the rest" })
        let silent = try proxy.connect()
        #expect(silent.receive { $0.text == "hello from the rest" })
        #expect(eventually { rest.recorded == ["SSH-2.0-Client\r\n"] })
        #expect(rest.accepted == 2)
        // Begins as TLS does, and is no handshake: for nobody.
        let broken = try proxy.exchange("\u{16}\u{3}\u{1}\0\u{4}\u{9}\u{9}\u{9}\u{9}", finishes: false)
        #expect(!broken.contains("rest") && rest.accepted == 2)

        // Where TLS is a must for HTTP, clear text is not let in, nor taken for something else.
        let strict = try TestProxy(listener: listener(""), rest: clusters, companions: [rest])
        #expect(try Wire(.http1TLS, .http1).get(strict, "/seen").status == 200)
        let clear = try strict.get("/seen")
        #expect(!clear.contains("200") && !clear.contains("rest"), "\(clear)")
        let other = try strict.connect()
        try other.send("SSH-2.0-Client\r\n")
        #expect(other.receive { $0.text == "hello from the rest" })
    }
}
