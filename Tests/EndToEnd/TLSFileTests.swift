import Foundation
import MartletTesting
import Testing

/// A certificate and its key in a folder of their own, replaced as an operator or an issuer would.
final class CertificateFolder {
    let folder: URL
    var tls: String { "{ certificate: \(path("own.pem")), private_key: \(path("own.key")) }" }

    init(_ issued: CertificateForge.Issued) throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-own-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try replace(with: issued)
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

    /// One file after the other: for a moment they are of two certificates.
    func replace(with issued: CertificateForge.Issued) throws {
        try place(issued.key, "own.key")
        try place(issued.certificate, "own.pem")
    }

    /// Moves a file to its place when it is whole, readable by its owner alone.
    func place(_ bytes: [UInt8], _ name: String, mode: Int = 0o600) throws {
        let new = path(name + ".new")
        try Data(bytes).write(to: URL(fileURLWithPath: new))
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: new)
        try move(name + ".new", name)
    }

    /// In one step, over what may be there.
    func move(_ from: String, _ name: String) throws {
        let result = try Tool.run("mv", ["-fT", path(from), path(name)])
        guard result.code == 0 else { throw TestProxy.NotReady(description: result.output) }
    }

    /// As `openssl x509 -serial` has it, in the case and the width of Peers/kept_connections.py.
    static func serial(_ issued: CertificateForge.Issued) throws -> String {
        let text = try CertificateForge.openssl("x509", "-in", issued.certificateFile, "-noout", "-serial")
        return text.trimmingCharacters(in: .whitespacesAndNewlines).dropFirst("serial=".count).lowercased()
    }
}

@Suite("Files of certificates and keys")
struct TLSFileTests {
    private let forge = CertificateForge.shared

    // MARK: Mistakes

    private func check(_ tls: String) throws -> (code: Int32, output: String) {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-check-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appendingPathComponent("martlet.yaml")
        try """
        listeners:
          - name: public
            address: 127.0.0.1:18443
            tls: \(tls)
            filters: [router]
            routes: []
        """.write(to: file, atomically: true, encoding: .utf8)
        return try Tool.run(Tool.martlet.path, ["check", file.path])
    }

    @Test("Each mistake is told with the file, and with the place where it is named")
    func mistakes() throws {
        let (own, other) = (try forge.server("a.test"), try forge.server("other.test"))
        let files = try CertificateFolder(own)
        try files.place(own.key, "open.key", mode: 0o644)
        try files.place(Array("nothing\n".utf8), "text.pem")
        try files.place([UInt8](own.certificate.prefix(200)), "cut.pem")
        try CertificateForge.openssl(
            "ec", "-in", own.keyFile, "-aes128", "-passout", "pass:secret", "-out", files.path("locked.key"))
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: files.path("locked.key"))
        try CertificateForge.openssl(
            "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024", "-out", files.path("weak.key"))
        try files.place(try forge.staple(other), "other.der")
        try FileManager.default.createDirectory(atPath: files.path("folder"), withIntermediateDirectories: true)
        let (certificate, key) = (own.certificateFile, own.keyFile)
        let table: [(tls: String, key: String, file: String, words: String)] = [
            ("certificate: \(files.path("none.pem")), private_key: \(key)", "certificate", "none.pem", "No such file"),
            (
                "certificate: \(certificate), private_key: \(files.path("none.key"))", "private_key", "none.key",
                "No such file"
            ),
            ("certificate: \(files.path("folder")), private_key: \(key)", "certificate", "folder", "cannot read"),
            (
                "certificate: \(files.path("text.pem")), private_key: \(key)", "certificate", "text.pem",
                "no certificate"
            ),
            ("certificate: \(files.path("cut.pem")), private_key: \(key)", "certificate", "cut.pem", "certificate"),
            (
                "certificate: \(certificate), private_key: \(files.path("open.key"))", "private_key", "open.key",
                "mode 644"
            ),
            (
                "certificate: \(certificate), private_key: \(other.keyFile)", "private_key", other.keyFile,
                "not the private key of"
            ),
            (
                "certificate: \(certificate), private_key: \(files.path("locked.key"))", "private_key", "locked.key",
                "encrypted"
            ),
            (
                "certificate: \(certificate), private_key: \(files.path("weak.key"))", "private_key", "weak.key",
                "private key"
            ),
            ("certificate: \(certificate), private_key: \(certificate)", "private_key", certificate, "private key"),
            (
                "certificate: \(certificate), private_key: \(key), ocsp_staple: \(files.path("other.der"))",
                "ocsp_staple", "other.der", "another certificate"
            ),
            (
                "certificate: \(certificate), private_key: \(key), ocsp_staple: \(files.path("text.pem"))",
                "ocsp_staple", "text.pem", "OCSP response"
            ),
            (
                "certificate: \(certificate), private_key: \(key), client_ca: \(files.path("text.pem"))", "client_ca",
                "text.pem", "certificate"
            ),
        ]
        for (tls, key, file, words) in table {
            let (code, output) = try check("{ \(tls) }")
            let line = output.split(separator: "\n").first { $0.contains("martlet.yaml:4:") && $0.contains(" error: ") }
            #expect(code == 1 && line?.contains("tls.\(key): ") == true, "\(tls): \(output)")
            #expect(line?.contains(file) == true && line?.contains(words) == true, "\(tls): \(output)")
        }
        let (code, output) = try check(
            "{ certificate: \(try forge.server("old.test", days: -1).certificateFile), private_key: \(try forge.server("old.test", days: -1).keyFile) }"
        )
        #expect(code == 0 && output.contains(" warning: ") && output.contains("has expired"), "\(output)")
    }

    // MARK: Live

    private func waits(for serial: String, _ kept: TalkingTool) -> Bool {
        eventually { (try? kept.ask("open h1"))?.hasSuffix(" \(serial)") == true }
    }

    private func answering(_ tls: String) -> String {
        """
            tls: \(tls)
            filters: [router]
            routes: [{ match: {}, respond: { status: 200, body: ok } }]
        """
    }

    @Test("A new certificate is for new connections; those that are there stay", arguments: ["renames", "links"])
    func swap(way: String) throws {
        let issued = (1...4).map { number in { try forge.server(Wire.name, "swap-\(number).test") } }
        let files = try CertificateFolder(try issued[0]())
        if way == "links" {
            // As Kubernetes mounts secrets: one link is moved for all files.
            for number in issued.indices {
                let folder = files.path("version-\(number)")
                try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
                try files.place(try issued[number]().key, "version-\(number)/own.key")
                try files.place(try issued[number]().certificate, "version-\(number)/own.pem")
            }
            try FileManager.default.createSymbolicLink(atPath: files.path("data"), withDestinationPath: "version-0")
            for name in ["own.pem", "own.key"] {
                try FileManager.default.removeItem(atPath: files.path(name))
                try FileManager.default.createSymbolicLink(
                    atPath: files.path(name), withDestinationPath: "data/\(name)")
            }
        }
        let proxy = try TestProxy(workers: 2, listener: answering(files.tls), rest: "")
        let kept = try TalkingTool(
            Origin.python, [Origin.script("kept_connections.py"), "\(proxy.port)", try Wire.authority(), Wire.name])
        let first = try CertificateFolder.serial(try issued[0]())
        #expect(try kept.ask("open h1") == "0 \(first)")
        #expect(try kept.ask("open h2") == "1 \(first)")
        for number in 1..<issued.count {
            if way == "links" {
                try FileManager.default.createSymbolicLink(
                    atPath: files.path("data.new"), withDestinationPath: "version-\(number)")
                try files.move("data.new", "data")
            } else {
                try files.replace(with: try issued[number]())
            }
            #expect(waits(for: try CertificateFolder.serial(try issued[number]()), kept), "\(proxy.logged)")
            #expect(try kept.ask("get 0 /") == "200 ok" && kept.ask("get 1 /") == "200 ok")
        }
        #expect(try kept.ask("told 1") == "nothing")
    }

    @Test("A key that does not fit is refused by its name, and the certificate that is there goes on")
    func misfit() throws {
        let (own, other) = (try forge.server(Wire.name), try forge.server(Wire.name, "later.test"))
        let files = try CertificateFolder(own)
        let proxy = try TestProxy(listener: answering(files.tls), rest: "")
        let kept = try TalkingTool(
            Origin.python, [Origin.script("kept_connections.py"), "\(proxy.port)", try Wire.authority(), Wire.name])
        try files.place(other.key, "own.key")
        #expect(eventually { proxy.logged.contains("own.key: is not the private key of the certificate in") })
        #expect(try kept.ask("open h1") == "0 \(try CertificateFolder.serial(own))")
        #expect(try kept.ask("get 0 /") == "200 ok")
        try files.place(try forge.server("third.test").key, "own.key", mode: 0o644)
        #expect(eventually { proxy.logged.contains("own.key: the private key may be read by others (mode 644)") })
        try files.place(other.key, "own.key")
        try files.place(other.certificate, "own.pem")
        #expect(waits(for: try CertificateFolder.serial(other), kept), "\(proxy.logged)")
        #expect(try kept.ask("get 0 /") == "200 ok")
    }

    @Test("Nothing of a key is in what the proxy shows")
    func secrets() throws {
        let files = try CertificateFolder(try forge.server(Wire.name))
        // As texts, so that they would be found.
        let tickets = ["first", "second"].map { String(repeating: "ticket-key-\($0)-", count: 8).prefix(80) }
        try files.place(Array(tickets[0].utf8), "first.key")
        try files.place(Array(tickets[1].utf8), "second.key")
        let keys = "[\(files.path("first.key")), \(files.path("second.key"))]"
        let tls =
            "{ certificate: \(files.path("own.pem")), private_key: \(files.path("own.key")), session_tickets: { keys: \(keys) } }"
        let proxy = try TestProxy(
            listener: "    access_log: { path: access.log }\n" + answering(tls),
            rest:
                "clusters: [{ name: up, endpoints: [\"127.0.0.1:1\"], tls: { verify: false, certificate: \(files.path("own.pem")), private_key: \(files.path("own.key")) } }]"
        )
        #expect(try Wire(.http2TLS, .http1).get(proxy, "/").status == 200)
        #expect(try Wire(.http1TLS, .http1).get(proxy, "/").status == 200)
        // What is wrong with a file is told without what is in it.
        try files.place(Array((tickets[0] + "too long").utf8), "first.key")
        #expect(eventually { proxy.logged.contains("first.key: ") })
        try files.place([UInt8](files.folder.path.utf8), "own.pem")
        #expect(eventually { proxy.logged.contains("own.pem: has no certificate") })
        let reload = try proxy.admin("/reload", method: "POST")
        #expect(reload.hasPrefix("HTTP/1.1 422 "))
        let pages = ["/config", "/metrics", "/clusters", "/listeners", "/policies", "/ready"]
        let log = try String(contentsOf: proxy.directory.appendingPathComponent("access.log"), encoding: .utf8)
        let checked = try Tool.run(Tool.martlet.path, ["check", proxy.file.path]).output
        let shown = try pages.map { try proxy.admin($0) } + [proxy.logged, reload, log, checked]
        let key = String(decoding: CertificateForge.contents(files.path("own.key")) ?? [], as: UTF8.self)
        let lines = key.split(separator: "\n").filter { !$0.hasPrefix("-") }
        #expect(lines.count > 1)
        let hexadecimal = "ticket-key".utf8.map { String($0, radix: 16) }.joined()
        let encoded = tickets.map { Data($0.utf8).base64EncodedString().prefix(12) }
        for secret in lines + encoded + ["PRIVATE KEY", "ticket-key", Substring(hexadecimal)] {
            #expect(!shown.contains { $0.lowercased().contains(secret.lowercased()) }, "\(secret)")
        }
    }
}
