import Foundation
import MartletTesting
import Testing

@Suite("PROXY protocol, in and out")
struct ProxyProtocolTests {
    private static let signature: [UInt8] = [0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A]
    private static let line = Array("PROXY TCP4 192.0.2.7 198.51.100.9 4000 443\r\n".utf8)
    private static let block =
        signature + [0x21, 0x11, 0, 12, 192, 0, 2, 7, 198, 51, 100, 9, 0x0F, 0xA0, 0x01, 0xBB]
    private static let localBlock = signature + [0x20, 0x00, 0, 0]
    private static let request = Array("GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n".utf8)

    /// An http listener that answers with the client's address as requests have it.
    private func http(_ settings: String) throws -> TestProxy {
        try TestProxy(
            listener: """
                    proxy_protocol: \(settings)
                    access_log: { path: access.log, format: "%DOWNSTREAM_REMOTE_ADDRESS%" }
                    filters:
                      - lua: { inline: "function on_request(h) h:respond({[':status'] = '200'}, h:streamInfo():downstreamDirectRemoteAddress()) end" }
                      - router
                    routes: [{ match: { path: { prefix: / } }, respond: { status: 204 } }]
                """, rest: "")
    }

    private func exchange(_ proxy: TestProxy, _ bytes: [UInt8], piece: Int = .max) throws -> String {
        let client = try proxy.connect()
        var rest = bytes[...]
        while !rest.isEmpty {
            guard (try? client.send(Array(rest.prefix(piece)))) != nil else { break }
            rest = rest.dropFirst(piece)
        }
        client.receiveToEnd()
        return client.text
    }

    @Test("A header's address is the client's, whole or byte by byte", arguments: [1, .max])
    func read(piece: Int) throws {
        let proxy = try http("true")
        for header in [Self.line, Self.block] {
            #expect(try exchange(proxy, header + Self.request, piece: piece).hasSuffix("192.0.2.7:4000"))
        }
        #expect(try exchange(proxy, Self.localBlock + Self.request, piece: piece).contains("\r\n127.0.0.1:"))
        #expect(
            try exchange(proxy, Array("PROXY UNKNOWN\r\n".utf8) + Self.request, piece: piece)
                .contains("\r\n127.0.0.1:"))
    }

    @Test("curl speaks version 1")
    func curl() throws {
        let proxy = try http("true")
        let result = try Tool.run(
            "curl", ["-sS", "--max-time", "20", "--haproxy-protocol", "http://127.0.0.1:\(proxy.port)/"])
        #expect(result.code == 0 && result.output.hasPrefix("127.0.0.1:"))
    }

    @Test("Without a header, with a broken one, with none in time or from a stranger the connection is reset")
    func refused() throws {
        let failures = "martlet_downstream_openings_failed_total{listener=\"public\",reason="
        let strict = try http("true")
        for bytes in [
            Self.request, Array("PROXY TCP4 nonsense\r\n".utf8) + Self.request, Self.signature + [0x31, 0, 0, 0],
        ] {
            let client = try strict.connect()
            try client.send(bytes)
            #expect(client.receiveEnding() == .failed)
        }
        #expect(try strict.metric(failures + "\"proxy_header_missing\"}") == "1")
        #expect(try strict.metric(failures + "\"proxy_header_malformed\"}") == "2")

        let quick = try http("{ timeout: 50ms }")
        let slow = try quick.connect()
        try slow.send("PROXY ")
        #expect(slow.receiveEnding() == .failed)
        #expect(try quick.metric(failures + "\"proxy_header_timeout\"}") == "1")

        let wary = try http("{ trusted: [10.0.0.0/8] }")
        let stranger = try wary.connect()
        try stranger.send(Self.line + Self.request)
        #expect(stranger.receiveEnding() == .failed)
        #expect(try wary.metric(failures + "\"proxy_header_untrusted\"}") == "1")
        #expect(
            try http("{ trusted: [127.0.0.0/8] }").exchange(
                String(decoding: Self.line + Self.request, as: UTF8.self), finishes: false
            ).hasSuffix("192.0.2.7:4000"))
    }

    @Test("Where a header may be missing, a connection may begin without")
    func optional() throws {
        let proxy = try http("{ required: false }")
        #expect(try exchange(proxy, Self.request).contains("\r\n127.0.0.1:"))
        #expect(try exchange(proxy, Self.line + Self.request).hasSuffix("192.0.2.7:4000"))
        // From strangers it is no header, and what it is instead is no HTTP.
        let wary = try http("{ required: false, trusted: [10.0.0.0/8] }")
        #expect(try exchange(wary, Self.request).contains("\r\n127.0.0.1:"))
        #expect(try exchange(wary, Self.line + Self.request).hasPrefix("HTTP/1.1 400 "))
    }

    @Test("Who may do without a header and says nothing is let through in the end, one that began a header is not")
    func silent() throws {
        let upstream = try ScriptedUpstream { upstream, connection in
            try? connection.send("welcome")
            connection.receive { $0.text == "thanks" }
            upstream.record(connection.text)
        }
        let proxy = try TestProxy(
            listener: TCPRig.listener("    cluster: up\n    proxy_protocol: { required: false, timeout: 100ms }"),
            rest: TestProxy.cluster(upstream.port))
        let client = try proxy.connect()
        #expect(client.receive { $0.text == "welcome" })
        try client.send("thanks")
        #expect(eventually { upstream.recorded == ["thanks"] })

        let keeping = try http("{ required: false, timeout: 100ms }")
        let kept = try keeping.connect()
        let slow = try keeping.connect()
        try slow.send("PROXY TC")
        #expect(slow.receiveEnding() == .failed)
        // The other's time was over before.
        try kept.send(Self.request)
        #expect(kept.receiveToEnd() && kept.text.contains("\r\n127.0.0.1:"))
    }

    @Test("A tcp listener passes on who the client is, in either version", arguments: ["v1", "v2"])
    func chained(version: String) throws {
        let upstream = try ScriptedUpstream { upstream, connection in
            connection.receive { $0.text.hasSuffix("hello") }
            upstream.record(connection.received.map { String($0) }.joined(separator: " "))
        }
        let cluster = TestProxy.cluster(upstream.port, "    proxy_protocol: \(version)")
        let proxy = try TestProxy(
            listener: TCPRig.listener("    cluster: up\n    proxy_protocol: { required: false }"), rest: cluster)
        let hello = Array("hello".utf8)
        for header in [Self.line, Self.block] { _ = try exchange(proxy, header + hello) }
        let expected = (version == "v1" ? Self.line : Self.block) + hello
        let text = expected.map { String($0) }.joined(separator: " ")
        #expect(eventually { upstream.recorded == [text, text] })
        #expect(TCPRig.logged(proxy, 2).allSatisfy { $0.contains("\"client\":\"192.0.2.7\"") })
        // Without one, the peer is the client, and the listener is what it came to.
        _ = try exchange(proxy, hello)
        #expect(eventually { upstream.recorded.count == 3 })
        if version == "v1" {
            let bytes = (upstream.recorded.last ?? "").split(separator: " ").compactMap { UInt8($0) }
            let own = String(decoding: bytes, as: UTF8.self)
            #expect(own.hasPrefix("PROXY TCP4 127.0.0.1 127.0.0.1 ") && own.hasSuffix(" \(proxy.port)\r\nhello"))
        }
    }

    @Test("Requests tell their client as well, each on a connection of its own, and health checks that they are none")
    func requests() throws {
        let upstream = try ScriptedUpstream { upstream, connection in
            while let request = connection.nextRequest() {
                upstream.record(request)
                guard (try? connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")) != nil else { return }
            }
        }
        let proxy = try TestProxy(
            listener: "    proxy_protocol: { required: false }\n" + TestProxy.forwarding,
            rest: TestProxy.cluster(
                upstream.port,
                "    proxy_protocol: v1\n    health_check: { http: { path: /healthz }, interval: 60s }"))
        #expect(eventually { upstream.recorded.first?.hasPrefix("PROXY UNKNOWN\r\nGET /healthz HTTP/1.1\r\n") == true })
        #expect(eventually { (try? proxy.get("/")) ?? "" != "" })
        let before = upstream.recorded.count
        for _ in 0..<3 { #expect(try exchange(proxy, Self.block + Self.request).hasSuffix("ok")) }
        let begin = String(decoding: Self.line, as: UTF8.self) + "GET / HTTP/1.1\r\n"
        #expect(upstream.recorded.dropFirst(before).allSatisfy { $0.hasPrefix(begin) })
        #expect(upstream.recorded.count == before + 3)
    }

    @Test("nginx reads what tcp listeners send it", arguments: ["v1", "v2"])
    func nginx(version: String) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-nginx-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let port = try TCPListener.freePort()
        let configuration = """
            daemon off; worker_processes 1; pid \(folder.path)/pid; error_log /dev/null;
            events { worker_connections 64; }
            http {
              access_log off;
              client_body_temp_path \(folder.path)/body; proxy_temp_path \(folder.path)/proxy;
              fastcgi_temp_path \(folder.path)/fastcgi; uwsgi_temp_path \(folder.path)/uwsgi; scgi_temp_path \(folder.path)/scgi;
              server {
                listen 127.0.0.1:\(port) proxy_protocol;
                location / { return 200 "$proxy_protocol_addr:$proxy_protocol_port to $proxy_protocol_server_port\n"; }
              }
            }
            """
        let file = folder.appendingPathComponent("nginx.conf")
        try configuration.write(to: file, atomically: true, encoding: .utf8)
        let nginx = try BackgroundTool("nginx", ["-p", folder.path, "-c", file.path])
        defer { withExtendedLifetime(nginx) {} }
        #expect(eventually { (try? TCPSocket(port: port)) != nil })
        let proxy = try TestProxy(
            listener: TCPRig.listener("    cluster: up\n    proxy_protocol: { required: false }"),
            rest: TestProxy.cluster(port, "    proxy_protocol: \(version)"))
        #expect(try exchange(proxy, Self.block + Self.request).hasSuffix("192.0.2.7:4000 to 443\n"))
        let result = try Tool.run("curl", ["-sS", "--max-time", "20", "http://127.0.0.1:\(proxy.port)/"])
        #expect(result.output.hasPrefix("127.0.0.1:") && result.output.hasSuffix(" to \(proxy.port)\n"))
    }
}
