import Foundation
import MartletCore
import MartletTesting
import Testing

@testable import MartletNet

@Suite("TLS with programs of other authors")
struct TLSPeerTests {
    let forge = CertificateForge.shared

    /// Answers each request line with a page of the size that it asks for.
    private func serve(_ party: Party) {
        party.onReceived = { party in
            guard party.text.hasSuffix("\r\n\r\n") else { return }
            let count = Int(party.text.split(separator: "/")[1].prefix { $0.isNumber }) ?? 0
            party.forget()
            party.write("HTTP/1.1 200 OK\r\nContent-Length: \(count)\r\n\r\n")
            party.socket.write(ByteSlice(copying: [UInt8](repeating: 0x61, count: count)))
        }
    }

    private func sClient(_ rig: LoopRig, _ arguments: [String], input: String = "") throws -> String {
        try rig.run(
            "openssl",
            [
                "s_client", "-connect", "127.0.0.1:\(rig.port)", "-servername", "a.test", "-CAfile",
                forge.authority().certificateFile,
            ] + arguments, input: input
        ).output
    }

    @Test("curl fetches small and large pages over one connection", arguments: ["--tls-max 1.2", "--tlsv1.3"])
    func curl(version: String) throws {
        let rig = try LoopRig()
        try rig.listen(TLSFixture.server { $0.alpn = ["http/1.1"] }, serve)
        let place = "https://a.test:\(rig.port)"
        let (code, output) = try rig.run(
            "curl",
            version.split(separator: " ").map(String.init) + [
                "-sS", "--cacert", forge.authority().certificateFile, "--resolve", "a.test:\(rig.port):127.0.0.1",
                "-w", "%{size_download} %{num_connects} %{http_code};", "-o", "/dev/null", "-o", "/dev/null", "-o",
                "/dev/null", place + "/10", place + "/3000000", place + "/0",
            ])
        #expect(code == 0 && output == "10 1 200;3000000 0 200;0 0 200;", "\(output)")
        #expect(rig.accepted.count == 1 && rig.accepted[0].socket.tls?.alpn == "http/1.1")
    }

    @Test("curl shows its certificate, or is refused")
    func curlMutual() throws {
        let client = try forge.client(uri: "spiffe://mesh.test/cart", key: .rsa)
        let rig = try LoopRig()
        let context = try TLSFixture.server {
            $0.clientCA = TLSFixture.file(try forge.authority())
            $0.requiresClientCertificate = true
        }
        try rig.listen(context, serve)
        let common = [
            "-sS", "--cacert", try forge.authority().certificateFile, "--resolve", "a.test:\(rig.port):127.0.0.1",
            "https://a.test:\(rig.port)/3",
        ]
        let good = try rig.run("curl", common + ["--cert", client.certificateFile, "--key", client.keyFile])
        #expect(good.code == 0 && good.output == "aaa", "\(good.output)")
        #expect(rig.accepted[0].socket.tls == nil || rig.accepted[0].socket.tls?.peer?.spiffeID != nil)
        let bad = try rig.run("curl", common)
        #expect(bad.code != 0)
        try rig.run { rig.accepted[1].failure != nil }
        #expect(rig.accepted[1].failure?.tls?.kind == .noCertificate)
    }

    @Test("old versions are refused", arguments: ["-tls1_1", "-tls1"])
    func oldVersions(version: String) throws {
        let rig = try LoopRig()
        try rig.listen(TLSFixture.server())
        let output = try sClient(rig, [version, "-cipher", "ALL:@SECLEVEL=0"])
        #expect(output.contains("alert protocol version"), "\(output)")
        #expect(rig.accepted[0].failure?.tls?.description == "unsupported protocol")
    }

    @Test("an OCSP response is stapled for who asks", arguments: ["-tls1_2", "-tls1_3"])
    func staple(version: String) throws {
        let issued = try forge.server("a.test")
        let rig = try LoopRig()
        let context = try TLSFixture.server {
            $0.certificates[0].staple = TLSFile(name: "staple", bytes: try forge.staple(issued))
        }
        try rig.listen(context)
        let output = try sClient(rig, [version, "-status"])
        #expect(output.contains("OCSP Response Status: successful") && output.contains("Cert Status: good"))
    }

    @Test("an OCSP response is stapled no longer than it is good")
    func expiringStaple() throws {
        let staple = try forge.staple(try forge.server("a.test"))
        func context(until end: Date) throws -> TLSServerContext {
            try TLSFixture.server {
                $0.certificates[0].staple = TLSFile(
                    name: "staple", bytes: CertificateForge.staple(staple, until: end))
            }
        }
        let old = try context(until: Date() - 60)
        #expect(old.warnings.map(\.description) == ["staple: is an OCSP response that has expired; it is not stapled"])
        let rig = try LoopRig()
        try rig.listen(old)
        #expect(try sClient(rig, ["-status"]).contains("OCSP response: no response sent"))
        // One that is good when it is loaded.
        let end = Date() + 3
        let other = try LoopRig()
        try other.listen(try context(until: end))
        var output = try sClient(other, ["-status"])
        #expect(output.contains("Cert Status: good") || Date() >= end, "\(output)")
        while Date() < end || output.contains("Cert Status: good") {
            output = try sClient(other, ["-status"])
            guard Date() < end + 20 else { break }
        }
        #expect(output.contains("OCSP response: no response sent"), "\(output)")
    }

    @Test("a renegotiation is refused, and the connection lives on")
    func renegotiation() throws {
        let rig = try LoopRig()
        try rig.listen(TLSFixture.server())
        let output = try sClient(rig, ["-tls1_2"], input: "R\n")
        #expect(output.contains("RENEGOTIATING") && output.contains("no renegotiation"), "\(output)")
        #expect(rig.accepted[0].isConnected)
    }

    @Test("revoked clients are refused")
    func revoked() throws {
        let (good, bad) = (try forge.client("good"), try forge.client("bad"))
        let context = try TLSFixture.server {
            $0.clientCA = TLSFixture.file(try forge.authority())
            $0.revoked = TLSFile(name: "crl", bytes: try forge.revocationList(bad))
        }
        let rig = try LoopRig()
        try rig.listen(context)
        for (issued, isLetIn) in [(good, true), (bad, false)] {
            _ = try sClient(rig, ["-tls1_2", "-cert", issued.certificateFile, "-key", issued.keyFile])
            let party = try #require(rig.accepted.last)
            #expect(party.isConnected == isLetIn)
            if !isLetIn { #expect(party.failure?.description == "TLS: certificate verify failed: certificate revoked") }
        }
    }

    @Test("Python takes a session up again, says goodbye and is answered", arguments: ["TLSv1_2", "TLSv1_3"])
    func python(version: String) throws {
        let script = """
            import ssl, socket, sys
            context = ssl.create_default_context(cafile=sys.argv[2])
            context.maximum_version = ssl.TLSVersion.\(version)
            def talk(session):
                plain = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
                tls = context.wrap_socket(plain, server_hostname="a.test", session=session)
                tls.sendall(b"GET /100000 HTTP/1.1\\r\\n\\r\\n")
                got = b""
                while len(got) < 100000:
                    got += tls.recv(7777)
                session = tls.session
                print(tls.session_reused)
                tls.unwrap().close()
                return session
            talk(talk(None))
            """
        let rig = try LoopRig()
        let context = try TLSFixture.server { $0.ticketKeys = try TLSTicketKeys() }
        try rig.listen(context) { party in
            serve(party)
            party.onEnd = { $0.socket.close() }
        }
        let (code, output) = try rig.run(
            "python3", ["-c", script, "\(rig.port)", forge.authority().certificateFile])
        #expect(code == 0 && output == "False\nTrue\n", "\(output)")
        #expect(rig.accepted.allSatisfy { $0.hasEnded && !$0.socket.endedWithoutCloseNotify })
    }

    @Test("an upstream of another author, and a session with it taken up again", arguments: TLSDetails.Version.allCases)
    func server(version: TLSDetails.Version) throws {
        let issued = try forge.server("a.test", key: .rsa)
        let rig = try LoopRig()
        // Asks the kernel for a port, and leaves it to the program.
        try rig.listen(nil)
        let port = rig.port
        rig.stopListening()
        let server = try BackgroundTool(
            "openssl",
            [
                "s_server", "-accept", "127.0.0.1:\(port)", "-cert", issued.certificateFile, "-key", issued.keyFile,
                "-www",
            ], endedBy: SIGKILL)
        defer { _ = server }
        let target = try TLSFixture.target(version)
        var session: TLSClientSession?
        for expected in [false, true] {
            var client = try rig.dial(target, port: port, resuming: session)
            client.write("GET / HTTP/1.0\r\n\r\n")
            try rig.run {
                // It may not have begun to listen.
                if client.failure?.tls == nil, client.failure != nil,
                    let again = try? rig.dial(target, port: port, resuming: session)
                {
                    client = again
                    client.write("GET / HTTP/1.0\r\n\r\n")
                }
                return client.hasEnded || client.failure?.tls != nil
            }
            #expect(client.text.contains("</HTML>"), "\(String(describing: client.failure))")
            #expect(client.socket.tls?.isResumed == expected && client.socket.tls?.version == version)
            session = client.socket.takeTLSSession()
            client.socket.close()
        }
    }
}
