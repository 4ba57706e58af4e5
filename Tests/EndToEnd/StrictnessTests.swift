import Foundation
import MartletTesting
import Testing

/// What two parsers could read differently reaches the upstream as exactly one request, or not at all.
@Suite("Nothing is smuggled")
struct StrictnessTests {
    @Test("Refused, closed, and never forwarded", arguments: StrictnessCase.refused)
    func refusal(_ test: StrictnessCase) throws {
        let upstream = try ScriptedUpstream.answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        let proxy = try TestProxy(upstream: upstream)
        let answer = try proxy.exchange(test.bytes, finishes: false)
        #expect(answer.hasPrefix("HTTP/1.1 \(test.status) "), "\(answer.prefix(60))")
        #expect(answer.contains("x-martlet-error: "))
        #expect(upstream.receivedBytes == 0)
    }

    @Test("A broken chunk ends the request", arguments: StrictnessCase.chunkTricks)
    func chunks(_ test: StrictnessCase) throws {
        let upstream = try ScriptedUpstream.answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        let proxy = try TestProxy(upstream: upstream)
        let answer = try proxy.exchange(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\(test.bytes)GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
        )
        #expect(answer.hasPrefix("HTTP/1.1 400 "), "\(answer.prefix(60))")
        #expect(upstream.recorded.allSatisfy { !$0.contains("smuggled") })
    }

    @Test("What follows an upgrade that is not accepted is never forwarded")
    func earlyData() throws {
        let upstream = try ScriptedUpstream.answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno")
        let proxy = try TestProxy(upstream: upstream)
        let answer = try proxy.exchange(
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nGET /early HTTP/1.1\r\nHost: a\r\n\r\n"
        )
        #expect(answer.hasSuffix("no"))
        #expect(upstream.recorded.count == 1)
    }

    @Test("An upgrade to h2c goes on as an ordinary request")
    func h2c() throws {
        let upstream = try ScriptedUpstream.answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        let proxy = try TestProxy(upstream: upstream)
        _ = try proxy.exchange(
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n"
        )
        let seen = try #require(upstream.recorded.first?.lowercased())
        #expect(!seen.contains("upgrade"))
        #expect(!seen.contains("http2-settings"))
    }

    @Test("A 101 to another protocol than was asked for is a 502")
    func otherProtocol() throws {
        let upstream = try ScriptedUpstream { _, connection in
            guard connection.nextRequest() != nil else { return }
            try? connection.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n")
            connection.receiveToEnd()
        }
        let proxy = try TestProxy(upstream: upstream)
        let answer = try proxy.exchange(
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        #expect(answer.hasPrefix("HTTP/1.1 502 "))
    }

    @Test("Bytes behind a response are nobody's: the connection is not used again")
    func extraResponse() throws {
        let upstream = try ScriptedUpstream { upstream, connection in
            guard let request = connection.nextRequest() else { return }
            upstream.record(request)
            let name = request.contains("/first") ? "first" : "other"
            let answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n\(name)"
            try? connection.send(
                answer + (name == "first" ? answer.replacingOccurrences(of: "first", with: "spoof") : ""))
            connection.receiveToEnd()
        }
        let proxy = try TestProxy(
            listener: TestProxy.forwarding,
            rest: TestProxy.cluster(upstream.port, "    circuit_breaker: { max_connections: 1 }"))
        let clients = try ["/first", "/second"].map { path in
            let client = try proxy.connect()
            try client.send("GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n")
            return client
        }
        #expect(clients[0].receive { $0.text.hasSuffix("first") })
        #expect(clients[1].receive { $0.text.hasSuffix("other") })
        #expect(upstream.accepted == 2)
    }

    @Test("Who a client says it is: added to the last field, and not believed")
    func forwardedFor() throws {
        let upstream = try ScriptedUpstream.answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        let proxy = try TestProxy(upstream: upstream)
        _ = try proxy.get(
            "/",
            headers:
                "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Client-Cert: Hash=x\r\nX-Envoy-A: b\r\n"
        )
        let seen = try #require(upstream.recorded.first)
        #expect(seen.contains("X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 9.9.9.9, 127.0.0.1\r\n"))
        #expect(!seen.lowercased().contains("client-cert"))
        #expect(!seen.lowercased().contains("x-envoy"))
        // Behind one trusted proxy the client is what that one appended, in whichever field.
        let trusting = try TestProxy(
            listener:
                "    xff_num_trusted_hops: 1\n    access_log: { path: access.log, format: \"%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%\" }\n"
                + TestProxy.forwarding, rest: TestProxy.cluster(upstream.port))
        _ = try trusting.get("/", headers: "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 7.7.7.7, 8.8.8.8\r\n")
        let path = trusting.directory.appendingPathComponent("access.log").path
        #expect(eventually { (try? String(contentsOfFile: path, encoding: .utf8)) == "8.8.8.8\n" })
    }

    @Test("Trailers cannot say what only heads may")
    func trailers() throws {
        let upstream = try ScriptedUpstream.answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        let proxy = try TestProxy(upstream: upstream)
        _ = try proxy.exchange(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Fine: 1\r\nX-Forwarded-For: 1.1.1.1\r\nX-Envoy-B: 1\r\nAuthorization: x\r\nContent-Length: 5\r\n\r\n"
        )
        let seen = try #require(upstream.recorded.first)
        #expect(seen.hasSuffix("0\r\nX-Fine: 1\r\n\r\n"))
    }

    @Test("A bad upstream response is a 502", arguments: StrictnessCase.badResponses)
    func response(_ test: StrictnessCase) throws {
        let upstream = try ScriptedUpstream { _, connection in
            guard connection.nextRequest() != nil else { return }
            try? connection.send(test.bytes)
        }
        let proxy = try TestProxy(upstream: upstream)
        let answer = try proxy.get("/")
        #expect(answer.hasPrefix("HTTP/1.1 502 "), "\(answer.prefix(60))")
        #expect(answer.contains("x-martlet-error: upstream-"))
    }
}
