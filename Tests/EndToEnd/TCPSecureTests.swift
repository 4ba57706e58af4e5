import Foundation
import MartletTesting
import Testing

@Suite("TLS around connections whose bytes are passed on")
struct TCPSecureTests {
    /// The listener's certificate: that of a server made for it.
    private func tls(_ server: NamedServer) -> String {
        "tls: { certificate: \(server.folder.path)/cert, private_key: \(server.folder.path)/key }"
    }

    @Test("Ended here and begun again towards the endpoint, which is verified")
    func bothSides() throws {
        let (front, back) = (try NamedServer("front"), try NamedServer("back"))
        func rest(_ ca: NamedServer) -> String {
            TestProxy.cluster(back.port, "    tls: { ca: \(ca.folder.path)/cert, sni: back, verify_san: [back] }")
        }
        let listener = TCPRig.listener("    cluster: up\n    \(tls(front))")
        let proxy = try TestProxy(listener: listener, rest: rest(back))
        let seen = try NamedServer.ask(proxy.port, "front")
        #expect(seen.contains("subject=CN = front") && seen.contains("HTTP/1.0 200"))
        let line = try #require(TCPRig.logged(proxy).first)
        #expect(line.contains("\"server_name\":\"front\",\"flags\":\"-\",\"bytes_received\":18,"))

        // With another authority it is nobody's to reach.
        try proxy.configure(listener: listener, rest: rest(front))
        #expect(try proxy.admin("/reload", method: "POST").hasPrefix("HTTP/1.1 200 "))
        #expect(try !NamedServer.ask(proxy.port, "front").contains("HTTP/1.0 200"))
        #expect(TCPRig.logged(proxy, 2).last?.contains("\"flags\":\"UF\",\"reason\":\"upstream-tls") == true)
    }

    @Test("Much passes through TLS whole, with an end in each direction")
    func transfer() throws {
        let front = try NamedServer("front")
        let size = 5_000_000
        let upstream = try ScriptedUpstream { upstream, connection in
            upstream.record("\(connection.receive(size, seed: 6))")
            _ = try? connection.send(size, seed: 7)
        }
        let proxy = try TestProxy(
            listener: TCPRig.listener("    cluster: up\n    \(tls(front))"), rest: TestProxy.cluster(upstream.port))
        let file = proxy.directory.appendingPathComponent("sent")
        var stream = ByteStream(seed: 6)
        try Data(stream.next(size)).write(to: file)
        // Sends the file, says that it is all, reads to the end: half-close in TLS.
        let script = """
            import socket, ssl, sys
            context = ssl.create_default_context(); context.check_hostname = False; context.verify_mode = ssl.CERT_NONE
            plain = socket.create_connection(("127.0.0.1", \(proxy.port)))
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = context.wrap_bio(incoming, outgoing, server_hostname="front")
            def step(call):
                while True:
                    try:
                        result = call()
                    except ssl.SSLWantReadError:
                        result = None
                    waiting = outgoing.read()
                    if waiting: plain.sendall(waiting)
                    if result is not None: return result
                    data = plain.recv(65536)
                    if not data: incoming.write_eof()
                    else: incoming.write(data)
            step(lambda: (tls.do_handshake(), 1)[1])
            data = open("\(file.path)", "rb").read()
            for start in range(0, len(data), 50000): step(lambda: tls.write(data[start:start + 50000]))
            try: tls.unwrap()
            except ssl.SSLError: pass
            plain.sendall(outgoing.read()); plain.shutdown(socket.SHUT_WR)
            got = 0
            while True:
                data = plain.recv(65536)
                if not data: break
                got += len(data)
            print("got", got > \(size))
            """
        let result = try Tool.run("timeout", ["30", "python3", "-c", script])
        #expect(result.output.hasSuffix("got True\n"), "\(result.output)")
        #expect(upstream.recorded == ["true"])
        #expect(TCPRig.logged(proxy).first?.contains("\"bytes_received\":\(size),\"bytes_sent\":\(size)") == true)
    }

    @Test("Whose bytes are passed on is offered no protocol of HTTP")
    func noProtocols() throws {
        let upstream = try ScriptedUpstream { upstream, connection in
            connection.receive { $0.received.count > 150 }
            upstream.record("\(String(decoding: connection.received, as: UTF8.self).contains("http/1.1"))")
        }
        let rest = TestProxy.cluster(upstream.port, "    tls: { verify: false, sni: back }")
        let passed = try TestProxy(listener: TCPRig.listener(), rest: rest)
        try passed.connect().send("hello")
        #expect(eventually { upstream.recorded == ["false"] })
        let spoken = try TestProxy(listener: TestProxy.forwarding, rest: rest)
        _ = try? spoken.get("/")
        #expect(eventually { upstream.recorded == ["false", "true"] })
    }

    @Test("A PROXY header goes ahead of the handshake, in the clear", arguments: ["v1", "v2"])
    func header(version: String) throws {
        let back = try NamedServer("back")
        let upstream = try ScriptedUpstream { upstream, connection in
            connection.receive { $0.received.count > 150 }
            upstream.record(connection.received.prefix(200).map { String($0) }.joined(separator: " "))
        }
        let proxy = try TestProxy(
            listener: TCPRig.listener(),
            rest: TestProxy.cluster(
                upstream.port,
                "    proxy_protocol: \(version)\n    tls: { ca: \(back.folder.path)/cert, sni: back, verify_san: [back] }"
            ))
        let client = try proxy.connect()
        try client.send("hello")
        #expect(eventually { upstream.recorded.count == 1 })
        let bytes = (upstream.recorded.first ?? "").split(separator: " ").compactMap { UInt8($0) }
        let text = String(decoding: bytes, as: UTF8.self)
        #expect(!text.contains("hello"))
        if version == "v1" {
            #expect(text.hasPrefix("PROXY TCP4 127.0.0.1 127.0.0.1 "))
            let end = try #require(bytes.firstIndex(of: 10))
            #expect(Array(bytes[(end + 1)...].prefix(2)) == [22, 3])
        } else {
            #expect(Array(bytes.prefix(16)) == [13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10, 0x21, 0x11, 0, 12])
            #expect(Array(bytes.dropFirst(28).prefix(2)) == [22, 3])
        }
    }
}
