import Foundation
import MartletTesting
import Testing

/// What OpenSSL's own client and hellos made by hand find out about a listener.
@Suite("TLS as its clients see it")
struct TLSTests {
    private let forge = CertificateForge.shared

    private static let answer = """
            filters: [router]
            routes: [{ match: {}, respond: { status: 200, body: ok } }]
        """

    private func certificates(_ list: [CertificateForge.Issued]) -> String {
        let entries = list.map { "{ certificate: \($0.certificateFile), private_key: \($0.keyFile) }" }
        return "[\(entries.joined(separator: ", "))]"
    }

    private func proxy(_ tls: String, workers: Int = 1) throws -> TestProxy {
        try TestProxy(workers: workers, listener: "    tls: { \(tls) }\n" + Self.answer, rest: "")
    }

    /// A request on one connection; all that the client tells about it.
    private func client(_ proxy: TestProxy, _ arguments: String...) throws -> String {
        try Tool.run(
            "timeout", ["20", "openssl", "s_client", "-connect", "127.0.0.1:\(proxy.port)", "-ign_eof"] + arguments,
            input: "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        ).output
    }

    // MARK: What is not spoken

    /// A ClientHello of TLS 1.2 (RFC 5246 section 7.4.1.2) with what only old clients would say.
    private func hello(version: UInt16 = 0x0303, suites: [UInt16], compressions: [UInt8] = [0]) -> [UInt8] {
        func two(_ value: Int) -> [UInt8] { [UInt8(value >> 8 & 255), UInt8(value & 255)] }
        let groups: [UInt8] = [0, 10, 0, 6, 0, 4, 0, 23, 0, 29]
        let algorithms: [UInt8] = [0, 13, 0, 10, 0, 8, 4, 3, 8, 4, 4, 1, 2, 1]
        let formats: [UInt8] = [0, 11, 0, 2, 1, 0]
        let extensions = groups + algorithms + formats
        let list = suites.flatMap { two(Int($0)) }
        let body =
            two(Int(version)) + [UInt8](repeating: 7, count: 32) + [0] + two(list.count) + list
            + [UInt8(compressions.count)] + compressions + two(extensions.count) + extensions
        let message = [1, 0] + two(body.count) + body
        return [22, 3, 1] + two(message.count) + message
    }

    private func reply(_ proxy: TestProxy, _ hello: [UInt8]) throws -> [UInt8] {
        let socket = try proxy.connect()
        try socket.send(hello)
        socket.receive { $0.received.count >= 7 }
        return socket.received
    }

    @Test("Versions below the minimum and weak suites are refused, with an alert and no certificate")
    func weak() throws {
        let proxy = try proxy(
            "certificates: \(certificates([try forge.server("a.test"), try forge.server("a.test", key: .rsa)]))")
        // ECDHE-ECDSA and ECDHE-RSA with AES128-GCM: the hello by itself is in order.
        for suite: UInt16 in [0xC02B, 0xC02F] {
            let reply = try reply(proxy, hello(suites: [suite], compressions: [1, 0]))
            try #require(reply.first == 22, "\(reply.prefix(7))")
            // Of the two compressions: none (RFC 3749 is how CRIME came about).
            let at = 5 + 4 + 2 + 32 + 1 + Int(reply[43])
            #expect(reply[at] == UInt8(suite >> 8) && reply[at + 1] == UInt8(suite & 255) && reply[at + 2] == 0)
        }
        let weak: [(String, [UInt16])] = [
            ("NULL", [0x0001, 0x0002, 0x003B, 0xC006, 0xC010]), ("export", [0x0003, 0x0006, 0x0008, 0x0014]),
            ("RC4", [0x0004, 0x0005, 0xC007, 0xC011]), ("DES, 3DES", [0x0009, 0x000A, 0x0016, 0xC008, 0xC012]),
            ("anonymous", [0x0018, 0x001B, 0x0034, 0x006C, 0x00A6, 0xC018, 0xC019]),
            ("CBC with SHA-1", [0x002F, 0x0035, 0x0033, 0x0039, 0xC009, 0xC00A, 0xC013, 0xC014]),
            ("CBC with SHA-2", [0x003C, 0x003D, 0x0067, 0xC023, 0xC024, 0xC027, 0xC028]),
            ("no forward secrecy", [0x009C, 0x009D, 0xC09C]), ("finite-field DHE", [0x009E, 0x009F, 0xCCAA]),
            ("SEED, IDEA, Camellia", [0x0007, 0x0096, 0x0041, 0x0084]),
            ("PSK and SRP", [0x008C, 0x00A8, 0xC01D, 0xC035]),
        ]
        for (what, suites) in weak {
            // Fatal handshake_failure.
            let reply = try reply(proxy, hello(suites: suites))
            #expect(reply.first == 21 && reply.dropFirst(5).prefix(2) == [2, 40], "\(what): \(reply.prefix(10))")
        }
        for version: UInt16 in [0x0300, 0x0301, 0x0302] {
            // Fatal protocol_version, or handshake_failure for what is older than alerts about versions.
            let reply = try reply(proxy, hello(version: version, suites: [0xC013, 0xC02F]))
            #expect(reply.first == 21 && reply.dropFirst(5).first == 2, "\(version): \(reply.prefix(10))")
        }
        let old = try client(proxy, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
        #expect(old.contains("alert protocol version") && old.contains("Cipher is (NONE)"))
        #expect(try client(proxy, "-tls1_2").contains("New, TLSv1.2"))
        #expect(try proxy.metric("martlet_downstream_tls_handshakes_total{listener=\"public\"}") == "1")
    }

    @Test("The minimum and the maximum are what is written")
    func versions() throws {
        let own = certificates([try forge.server("a.test")])
        let new = try proxy("certificates: \(own), min_version: \"1.3\"")
        #expect(try client(new, "-tls1_2").contains("alert protocol version"))
        #expect(try client(new).contains("New, TLSv1.3"))
        let old = try proxy(
            "certificates: \(own), max_version: \"1.2\", cipher_suites: [ECDHE-ECDSA-CHACHA20-POLY1305], curves: [P-256]"
        )
        let told = try client(old)
        #expect(told.contains("New, TLSv1.2, Cipher is ECDHE-ECDSA-CHACHA20-POLY1305"))
        #expect(told.contains("Server Temp Key: ECDH, prime256v1"))
        #expect(try client(old, "-tls1_3").contains("alert protocol version"))
    }

    @Test("No renegotiation")
    func renegotiation() throws {
        let proxy = try proxy("certificates: \(certificates([try forge.server("a.test")]))")
        let told = try Tool.run(
            "timeout", ["20", "openssl", "s_client", "-tls1_2", "-connect", "127.0.0.1:\(proxy.port)"], input: "R\n"
        ).output
        #expect(told.contains("RENEGOTIATING") && told.contains("no renegotiation"), "\(told.suffix(500))")
        #expect(told.contains("Secure Renegotiation IS supported"))
    }

    // MARK: Which certificate

    @Test("ECDSA for those who can, RSA for the others", arguments: [false, true])
    func kinds(isReversed: Bool) throws {
        var list = [try forge.server("a.test"), try forge.server("a.test", key: .rsa)]
        if isReversed { list.reverse() }
        let proxy = try proxy("certificates: \(certificates(list))")
        #expect(try client(proxy).contains("Peer signature type: ECDSA"))
        #expect(try client(proxy, "-sigalgs", "RSA-PSS+SHA256").contains("Peer signature type: RSA-PSS"))
        #expect(try client(proxy, "-tls1_2").contains("Peer signature type: ECDSA"))
        #expect(
            try client(proxy, "-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256")
                .contains("Server public key is 2048 bit"))
        // One that likes RSA better is shown ECDSA all the same.
        #expect(
            try client(proxy, "-sigalgs", "RSA-PSS+SHA256:ECDSA+SHA256").contains("Peer signature type: ECDSA"))
    }

    @Test("By the name asked for: exact, wildcard, else the first")
    func names() throws {
        let list = [try forge.server("first.test"), try forge.server("*.b.test"), try forge.server("x.b.test")]
        let proxy = try proxy("certificates: \(certificates(list))")
        let table = [
            ("first.test", "first.test"), ("x.b.test", "x.b.test"), ("X.B.Test", "x.b.test"), ("y.b.test", "*.b.test"),
            ("b.test", "first.test"), ("z.y.b.test", "first.test"), ("unknown.test", "first.test"),
        ]
        for version in ["-tls1_2", "-tls1_3"] {
            for (asked, shown) in table {
                let told = try client(proxy, version, "-servername", asked)
                #expect(told.contains("subject=O = Martlet tests, CN = \(shown)\n"), "\(asked)")
            }
            #expect(try client(proxy, version, "-noservername").contains("CN = first.test\n"))
        }
    }

    @Test("The OCSP response of its file is stapled")
    func staple() throws {
        let own = try forge.server("stapled.test")
        let file = try forge.file("stapled.der", try forge.staple(own))
        let proxy = try proxy(
            "certificate: \(own.certificateFile), private_key: \(own.keyFile), ocsp_staple: \(file)")
        for version in ["-tls1_2", "-tls1_3"] {
            let told = try client(proxy, version, "-status")
            #expect(told.contains("OCSP Response Status: successful") && told.contains("Cert Status: good"))
        }
        #expect(try !client(proxy).contains("OCSP Response Data"))
    }

    // MARK: Sessions

    @Test("Sessions are taken up again, whichever worker made them", arguments: ["-tls1_2", "-tls1_3"])
    func resumption(version: String) throws {
        let own = certificates([try forge.server("a.test")])
        let proxy = try proxy("certificates: \(own)", workers: 4)
        let file = forge.folder.appendingPathComponent("session-\(UUID().uuidString)").path
        #expect(try client(proxy, version, "-sess_out", file).contains("New, TLSv1"))
        // The kernel spreads connections over the workers.
        for _ in 0..<16 {
            let told = try client(proxy, version, "-sess_in", file)
            #expect(told.contains("Reused, TLSv1") && told.contains("HTTP/1.1 200"), "\(told.suffix(300))")
        }
        func count(_ name: String) throws -> String? {
            try proxy.metric("martlet_downstream_tls_\(name)_total{listener=\"public\"}")
        }
        #expect(try count("handshakes") == "17" && count("resumptions") == "16")
        let without = try self.proxy("certificates: \(own), session_tickets: off")
        _ = try client(without, version, "-sess_out", file)
        #expect(try client(without, version, "-sess_in", file).contains("New, TLSv1"))
        // A ticket of another listener's says nothing here.
        let other = try self.proxy("certificates: \(own)")
        _ = try client(other, version, "-sess_out", file)
        #expect(try client(proxy, version, "-sess_in", file).contains("New, TLSv1"))
    }

    // MARK: Those who do not mean TLS

    @Test("Clear text on a TLS port gets nothing of use")
    func clearText() throws {
        let proxy = try proxy("certificates: \(certificates([try forge.server("a.test")]))")
        for text in [
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\u{16}\u{3}\u{1}", "\0\0\0\0",
        ] {
            let reply = try proxy.exchange(text)
            #expect(!reply.contains("HTTP/1.1 200") && !reply.contains("ok") && reply.utf8.count < 16, "\(reply)")
        }
        #expect(try client(proxy).contains("HTTP/1.1 200"))
    }

    @Test("Both on one port, where that is written")
    func optional() throws {
        let own = try forge.server(Wire.name)
        let proxy = try proxy("certificates: \(certificates([own])), optional: true")
        for form in WireForm.allCases {
            let answer = try Wire(form, .http1).get(proxy, "/")
            #expect(answer.status == 200 && answer.body == "ok", "\(form)")
        }
    }

    @Test("A client that does not finish its handshake is closed", arguments: [0, 1, 40])
    func silence(bytes: Int) throws {
        let proxy = try proxy(
            "certificates: \(certificates([try forge.server("a.test")])), handshake_timeout: 100ms")
        let socket = try proxy.connect()
        try socket.send(Array(hello(suites: [0xC02B]).prefix(bytes)))
        #expect(socket.receiveToEnd())
        #expect(try client(proxy).contains("HTTP/1.1 200"))
    }

    @Test("Handshakes that fail are counted by why, and told once a second at most")
    func failures() throws {
        let own = try forge.server("a.test")
        let authority = try forge.authority()
        let proxy = try proxy(
            """
            certificates: \(certificates([own])), client_ca: \(authority.certificateFile),
              verify_san: [\"spiffe://mesh.test/*\"], alpn: [http/1.1]
            """)
        let stranger = try forge.selfSigned("stranger.test")
        let named = try forge.client("named.test")
        func shown(_ issued: CertificateForge.Issued) -> [String] {
            ["-cert", issued.certificateFile, "-key", issued.keyFile]
        }
        let table: [(reason: String, arguments: [String])] = [
            ("client_certificate_missing", []), ("client_certificate_untrusted", shown(stranger)),
            ("client_certificate_wrong_name", shown(named)), ("no_common_protocol", ["-alpn", "h2"]),
            ("handshake_failed", ["-tls1_2", "-cipher", "AES128-SHA"]),
            ("client_alert", ["-CAfile", stranger.certificateFile, "-verify_return_error"] + shown(named)),
        ]
        for (reason, arguments) in table {
            let arguments =
                ["20", "openssl", "s_client", "-connect", "127.0.0.1:\(proxy.port)", "-ign_eof"] + arguments
            _ = try Tool.run("timeout", arguments, input: "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            let series = "martlet_downstream_openings_failed_total{listener=\"public\",reason=\"\(reason)\"}"
            #expect(try eventually { try proxy.metric(series) == "1" }, "\(reason): \(proxy.logged)")
        }
        #expect(proxy.logged.contains("listener public: no TLS with 127.0.0.1:"), "\(proxy.logged)")
        #expect(proxy.logged.contains("peer did not return a certificate"), "\(proxy.logged)")
    }

    @Test("Clients beyond the handshakes at once are refused and counted; later ones are served")
    func queue() throws {
        let proxy = try proxy(
            "certificates: \(certificates([try forge.server("a.test")])), max_handshakes: 2, handshake_timeout: 3s")
        let silent = try (0..<4).map { _ in try proxy.connect() }
        // Some are closed already.
        for socket in silent { try? socket.send(Array(hello(suites: [0xC02B]).prefix(5))) }
        for socket in silent { #expect(socket.receiveToEnd()) }
        #expect(try client(proxy).contains("HTTP/1.1 200"))
        func count(_ reason: String) throws -> String? {
            try proxy.metric("martlet_downstream_openings_failed_total{listener=\"public\",reason=\"\(reason)\"}")
        }
        #expect(try count("too_many_handshakes") == "2" && count("handshake_timeout") == "2")
    }
}
