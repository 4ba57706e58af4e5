import Foundation
import MartletTesting
import Testing

/// `TLSFileTests` replaces certificates; these are the other files of a listener.
@Suite("TLS files of a listener that change: authorities, revocations, staples, ticket keys")
struct TLSChangeTests {
    private let forge = CertificateForge.shared

    private func proxy(_ files: CertificateFolder, _ more: String) throws -> TestProxy {
        try TestProxy(
            workers: 2,
            listener: """
                    tls: { certificate: \(files.path("own.pem")), private_key: \(files.path("own.key")), \(more) }
                    filters: [router]
                    routes: [{ match: {}, respond: { status: 200, body: ok } }]
                """, rest: "")
    }

    /// Connections that stay, of a client with its certificate.
    private func kept(_ proxy: TestProxy, _ client: CertificateForge.Issued) throws -> TalkingTool {
        try TalkingTool(
            Origin.python,
            [Origin.script("kept_connections.py"), "\(proxy.port)", try Wire.authority(), Wire.name]
                + [client.certificateFile, client.keyFile])
    }

    private func stays(_ kept: TalkingTool) throws {
        #expect(try kept.ask("get 0 /") == "200 ok" && kept.ask("get 1 /") == "200 ok")
        #expect(try kept.ask("told 1") == "nothing")
    }

    private func client(_ proxy: TestProxy, _ own: CertificateForge.Issued?, _ more: String...) throws -> String {
        let identity = own.map { ["-cert", $0.certificateFile, "-key", $0.keyFile] } ?? []
        return try Tool.run(
            "timeout",
            ["20", "openssl", "s_client", "-connect", "127.0.0.1:\(proxy.port)", "-servername", Wire.name, "-ign_eof"]
                + identity + more, input: "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        ).output
    }

    private func isServed(_ proxy: TestProxy, _ own: CertificateForge.Issued?, _ more: String = "-tls1_3") throws
        -> Bool
    {
        try client(proxy, own, more).contains("HTTP/1.1 200")
    }

    @Test("client_ca: whom new connections are believed, while old ones stay")
    func clientAuthority() throws {
        let (old, new) = (try forge.authority("Old CA"), try forge.authority("New CA"))
        let (before, after) = (try forge.client("before", by: old), try forge.client("after", by: new))
        let files = try CertificateFolder(try forge.server(Wire.name))
        try files.place(old.certificate, "clients.pem")
        let proxy = try proxy(files, "client_ca: \(files.path("clients.pem"))")
        let kept = try kept(proxy, before)
        #expect(try kept.ask("open h1").hasPrefix("0 ") && kept.ask("open h2").hasPrefix("1 "))
        #expect(try !isServed(proxy, after))
        let session = forge.folder.appendingPathComponent("session-\(UUID().uuidString)").path
        #expect(try client(proxy, before, "-sess_out", session).contains("HTTP/1.1 200"))

        try files.place(new.certificate, "clients.pem")
        #expect(try eventually { try isServed(proxy, after) }, "\(proxy.logged)")
        #expect(try !isServed(proxy, before) && !isServed(proxy, before, "-tls1_2"))
        // Nor does a session from before say who it is.
        #expect(try !client(proxy, before, "-sess_in", session).contains("HTTP/1.1 200"))
        try stays(kept)

        try files.place(old.certificate + new.certificate, "clients.pem")
        #expect(try eventually { try isServed(proxy, before) }, "\(proxy.logged)")
        #expect(try isServed(proxy, after))
        try files.place(Array("nothing\n".utf8), "clients.pem")
        #expect(eventually { proxy.logged.contains("clients.pem: ") })
        #expect(try isServed(proxy, before) && isServed(proxy, after))
        try stays(kept)
    }

    @Test("crl: who is revoked gets in no more, not with an old session either")
    func revocation() throws {
        let issuer = try forge.authority("Revoking CA")
        let (good, bad) = (try forge.client("good", by: issuer), try forge.client("bad", by: issuer))
        let files = try CertificateFolder(try forge.server(Wire.name))
        try files.place(try forge.revocationList(by: issuer), "list.pem")
        let proxy = try proxy(files, "client_ca: \(issuer.certificateFile), crl: \(files.path("list.pem"))")
        let kept = try kept(proxy, bad)
        #expect(try kept.ask("open h1").hasPrefix("0 ") && kept.ask("open h2").hasPrefix("1 "))
        let sessions = ["-tls1_2", "-tls1_3"].map { version in
            (version, forge.folder.appendingPathComponent("session-\(UUID().uuidString)").path)
        }
        for (version, file) in sessions {
            #expect(try client(proxy, bad, version, "-sess_out", file).contains("HTTP/1.1 200"))
            #expect(try client(proxy, bad, version, "-sess_in", file).contains("Reused, TLSv1"))
        }
        try files.place(try forge.revocationList(bad, by: issuer), "list.pem")
        #expect(try eventually { try !isServed(proxy, bad) }, "\(proxy.logged)")
        for (version, file) in sessions {
            #expect(try !isServed(proxy, bad, version))
            #expect(try !client(proxy, bad, version, "-sess_in", file).contains("HTTP/1.1 200"), "\(version)")
            #expect(try isServed(proxy, good, version))
        }
        // What is there is there: a list is looked at in handshakes.
        try stays(kept)
        try files.place(try forge.revocationList(good, by: issuer), "list.pem")
        #expect(try eventually { try isServed(proxy, bad) && !isServed(proxy, good) }, "\(proxy.logged)")
    }

    @Test("ocsp_staple: new connections are sent the new response")
    func staple() throws {
        let own = try forge.server(Wire.name, "stapled-twice.test")
        let files = try CertificateFolder(own)
        try files.place(try forge.staple(own), "own.der")
        let proxy = try proxy(files, "ocsp_staple: \(files.path("own.der"))")
        #expect(try client(proxy, nil, "-status").contains("Cert Status: good"))
        let kept = try kept(proxy, try forge.client())
        #expect(try kept.ask("open h1").hasPrefix("0 ") && kept.ask("open h2").hasPrefix("1 "))
        try files.place(try forge.staple(own, isRevoked: true), "own.der")
        #expect(
            try eventually { try client(proxy, nil, "-status").contains("Cert Status: revoked") }, "\(proxy.logged)")
        // One that is another certificate's is refused, and that which is there stays.
        try files.place(try forge.staple(try forge.server("other.test")), "own.der")
        #expect(eventually { proxy.logged.contains("own.der: ") })
        #expect(try client(proxy, nil, "-status").contains("Cert Status: revoked"))
        try stays(kept)
    }

    @Test("Ticket keys of files: shared, rotated, and gone", arguments: ["-tls1_2", "-tls1_3"])
    func ticketKeys(version: String) throws {
        let files = try CertificateFolder(try forge.server(Wire.name))
        let keys = (0..<3).map { number in (0..<80).map { UInt8(truncatingIfNeeded: $0 * 7 + number * 31 + 1) } }
        try files.place(keys[0], "first.key")
        try files.place(keys[1], "second.key")
        let tickets = "session_tickets: { keys: [\(files.path("first.key")), \(files.path("second.key"))] }"
        let (proxy, twin) = (try proxy(files, tickets), try proxy(files, tickets))
        let old = forge.folder.appendingPathComponent("session-\(UUID().uuidString)").path
        #expect(try client(proxy, nil, version, "-sess_out", old).contains("New, TLSv1"))
        for one in [proxy, twin] { #expect(try client(one, nil, version, "-sess_in", old).contains("Reused, TLSv1")) }
        let kept = try kept(proxy, try forge.client())
        #expect(try kept.ask("open h1").hasPrefix("0 ") && kept.ask("open h2").hasPrefix("1 "))

        // The key that made it opens it still, from the second place.
        let new = forge.folder.appendingPathComponent("session-\(UUID().uuidString)").path
        try files.place(keys[0], "second.key")
        try files.place(keys[2], "first.key")
        #expect(
            try eventually {
                // Made by the new key on one, and opened by the other.
                _ = try client(proxy, nil, version, "-sess_out", new)
                return try client(twin, nil, version, "-sess_in", new).contains("Reused, TLSv1")
            })
        #expect(try client(proxy, nil, version, "-sess_in", old).contains("Reused, TLSv1"))
        // Both its keys are others now: it is a stranger's.
        try files.place(keys[1], "second.key")
        try files.place(keys[1], "first.key")
        #expect(
            try eventually {
                try client(proxy, nil, version, "-sess_in", old).contains("New, TLSv1")
                    && client(proxy, nil, version, "-sess_in", new).contains("New, TLSv1")
            }, "\(proxy.logged)")
        #expect(try isServed(proxy, nil, version))
        try stays(kept)
    }
}
